import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dnsmasqConfig, type DhcpNetwork, type DhcpUser } from '../../../../src/host/dhcp/dnsmasq-config.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/golden');
const FOLDERS = { dhcpHosts: '/run/vpc/hosts', dnsNames: '/run/vpc/names' };
const NOBODY: DhcpUser = { user: 'nobody', group: 'nogroup' };
const ROOTLESS: DhcpUser = { user: 'root', group: '' };

const closed: DhcpNetwork = {
  blocks: ['172.31.0.0/16'],
  segments: [
    { bridge: 'snt111111111111', network: '172.31.0.0', netmask: '255.255.240.0', router: '172.31.0.1' },
    { bridge: 'snt222222222222', network: '172.31.16.0', netmask: '255.255.240.0', router: '172.31.16.1' },
  ],
  resolver: '172.31.0.2',
  answersNames: true,
  domain: 'ec2.internal',
  searchDomain: 'ec2.internal',
  nameServers: ['172.31.0.2'],
  timeServers: [],
  netbiosServers: [],
  metadataAddress: '169.254.169.254',
  mtu: 9001,
  upstream: [],
};
const open: DhcpNetwork = { ...closed, upstream: ['192.0.2.53', '192.0.2.54'] };
const [first, second] = closed.segments;
if (first === undefined || second === undefined) throw new Error('there are two segments');

const CASES: Readonly<Record<string, DhcpNetwork>> = {
  closed,
  open,
  region: {
    ...closed,
    domain: 'eu-west-1.compute.internal',
    searchDomain: 'eu-west-1.compute.internal',
  },
  dual: { ...open, segments: [{ ...first, network6: 'fd00:1:2:300::' }, second] },
  options: {
    ...open,
    searchDomain: 'lab.example',
    nameServers: ['10.1.0.53', '172.31.0.2'],
    timeServers: ['169.254.169.123', '192.0.2.123'],
    netbiosServers: ['10.1.0.44', '10.1.0.45'],
    netbiosNodeType: '2',
  },
  nameless: { ...closed, answersNames: false, nameServers: [] },
};

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-dhcp-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function linesOf(network: DhcpNetwork, user = NOBODY): readonly string[] {
  return dnsmasqConfig(network, FOLDERS, user).split('\n');
}

function starting(network: DhcpNetwork, beginning: string): readonly string[] {
  return linesOf(network).filter((line) => line.startsWith(beginning));
}

// A changed line is a decision: look at the difference, then run with BONAMI_GOLDEN=write.
test.each(Object.entries(CASES))('%s is as agreed', (name, network) => {
  const text = dnsmasqConfig(network, FOLDERS, NOBODY);
  const file = join(GOLDEN, `dnsmasq-${name}.txt`);
  if (process.env['BONAMI_GOLDEN'] === 'write') writeFileSync(file, text);
  expect(existsSync(file)).toBe(true);
  expect(text).toBe(readFileSync(file, 'utf8'));
});

test.each([
  ...Object.entries(CASES).map(([name, network]) => [name, network, NOBODY] as const),
  ['closed, for an ordinary user,', closed, ROOTLESS],
  ['empty', { ...closed, segments: [] }, NOBODY],
] as const)('%s is one that dnsmasq understands', (_, network, user) => {
  const file = join(folder, 'dnsmasq.conf');
  writeFileSync(file, dnsmasqConfig(network, FOLDERS, user));
  const { stderr } = spawnSync('dnsmasq', ['--test', `--conf-file=${file}`], {
    encoding: 'utf8',
    env: { PATH: `${process.env['PATH']}:/usr/sbin`, LC_ALL: 'C' },
  });
  expect(stderr).toBe('dnsmasq: syntax check OK.\n');
});

describe('names', () => {
  test('are asked of nobody else but in an open network', () => {
    expect(starting(closed, 'server=')).toEqual([]);
    expect(starting(open, 'server=')).toEqual(['server=192.0.2.53', 'server=192.0.2.54']);
    for (const network of [closed, open]) expect(linesOf(network)).toContain('no-resolv');
  });

  test('are answered for every address of every block, in the private domain', () => {
    const two = { ...closed, blocks: ['172.31.0.0/16', '100.64.0.0/16'], searchDomain: 'lab.example' };
    expect(starting(two, 'synth-domain=')).toEqual([
      'synth-domain=ec2.internal,172.31.0.0/16,ip-',
      'synth-domain=ec2.internal,100.64.0.0/16,ip-',
    ]);
    expect(starting(two, 'domain=')).toEqual(['domain=lab.example']);
    expect(linesOf(two)).toContain('local=/ec2.internal/');
    expect(linesOf(two)).toContain('host-record=instance-data.ec2.internal,169.254.169.254');
  });

  test('are not answered at all where they are switched off, and addresses are given all the same', () => {
    const { nameless = closed } = CASES;
    expect(linesOf(nameless)).toContain('port=0');
    expect(linesOf(closed)).not.toContain('port=0');
    expect(starting(nameless, 'dhcp-range=')).toEqual(starting(closed, 'dhcp-range='));
  });
});

describe('addresses', () => {
  test('come from a range of the segment, with its router', () => {
    closed.segments.forEach(({ bridge, network, netmask, router }, index) => {
      expect(linesOf(closed)).toContain(`interface=${bridge}`);
      expect(linesOf(closed)).toContain(`dhcp-range=set:s${index},${network},static,${netmask},1h`);
      expect(linesOf(closed)).toContain(`dhcp-option=tag:s${index},3,${router}`);
    });
  });

  test('are never given that are not recorded, of neither family', () => {
    for (const network of Object.values(CASES)) {
      const ranges = starting(network, 'dhcp-range=');
      expect(ranges.length).toBeGreaterThanOrEqual(2);
      expect(ranges.filter((line) => !line.includes(',static,'))).toEqual([]);
    }
  });

  test('of IPv6 come by DHCPv6 where the segment has a block of it, announced by its router', () => {
    const { dual = closed } = CASES;
    expect(starting(dual, 'dhcp-range=set:s0,fd00')).toEqual([
      'dhcp-range=set:s0,fd00:1:2:300::,static,off-link,64,1h',
    ]);
    expect(linesOf(dual)).toContain('enable-ra');
    expect(starting(dual, 'dhcp-range=set:s1,')).toHaveLength(1);
    expect(linesOf(closed)).not.toContain('enable-ra');
  });
});

describe('what machines are told', () => {
  const options = (network: DhcpNetwork): readonly string[] =>
    starting(network, 'dhcp-option=').filter((line) => !line.includes('tag:'));

  test('is one name server, and how long a packet may be', () => {
    expect(options(closed)).toEqual(['dhcp-option=6,172.31.0.2', 'dhcp-option=26,9001']);
  });

  test('is what was chosen, in its order', () => {
    expect(options(CASES['options'] ?? closed)).toEqual([
      'dhcp-option=6,10.1.0.53,172.31.0.2',
      'dhcp-option=42,169.254.169.123,192.0.2.123',
      'dhcp-option=44,10.1.0.44,10.1.0.45',
      'dhcp-option=46,2',
      'dhcp-option=26,9001',
    ]);
  });

  test("is no name server where there is none; dnsmasq's own idea would be itself", () => {
    expect(options({ ...closed, nameServers: [] })).toContain('dhcp-option=6');
  });

  test('has no addresses of IPv6 in options of IPv4', () => {
    const mixed = { ...closed, nameServers: ['fd00::53', '10.1.0.53'], timeServers: ['fd00::123'] };
    expect(options(mixed)).toEqual(['dhcp-option=6,10.1.0.53', 'dhcp-option=26,9001']);
    expect(options({ ...closed, nameServers: ['fd00::53'] })).toContain('dhcp-option=6');
  });
});

test('it gives its power up where it has any', () => {
  expect(linesOf(closed, NOBODY)).toEqual(expect.arrayContaining(['user=nobody', 'group=nogroup']));
  expect(linesOf(closed, ROOTLESS)).toEqual(expect.arrayContaining(['user=root', 'group=']));
});
