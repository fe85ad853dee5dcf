import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  dnsmasqConfig,
  putDhcpHost,
  removeDhcpHost,
  type DhcpNetwork,
  type DhcpPaths,
} from '../../../../src/host/dhcp/dnsmasq.ts';
import { hostResolvers } from '../../../../src/host/dhcp/resolvers.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/golden');

const closed: DhcpNetwork = {
  namespace: 'vpc-0123456789abcdef0',
  cidr: '172.31.0.0/16',
  segments: [
    { bridge: 'snt111111111111', network: '172.31.0.0', netmask: '255.255.240.0', router: '172.31.0.1' },
    { bridge: 'snt222222222222', network: '172.31.16.0', netmask: '255.255.240.0', router: '172.31.16.1' },
  ],
  resolver: '172.31.0.2',
  domain: 'ec2.internal',
  metadataAddress: '169.254.169.254',
  mtu: 9001,
  upstream: [],
};
const open: DhcpNetwork = { ...closed, upstream: ['192.0.2.53', '192.0.2.54'] };

const CASES: Readonly<Record<string, DhcpNetwork>> = {
  closed,
  open,
  region: { ...closed, domain: 'eu-west-1.compute.internal' },
};

let folder: string;
let paths: DhcpPaths;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-dhcp-'));
  const runFolder = join(folder, 'vpc');
  paths = {
    runFolder,
    dnsmasqLock: join(runFolder, 'dnsmasq.lock'),
    dnsmasqProcess: join(runFolder, 'dnsmasq.json'),
    dnsmasqLog: join(runFolder, 'dnsmasq.log'),
    dhcpHosts: join(runFolder, 'hosts'),
  };
});
afterEach(() => rmSync(folder, { recursive: true }));

const linesOf = (network: DhcpNetwork): readonly string[] => dnsmasqConfig(network, '/run/hosts').split('\n');

describe('dnsmasq’s configuration', () => {
  // A changed line is a decision: look at the difference, then run with BONAMI_GOLDEN=write.
  test.each(Object.entries(CASES))('%s is as agreed', (name, network) => {
    const text = dnsmasqConfig(network, '/run/vpc/hosts');
    const file = join(GOLDEN, `dnsmasq-${name}.txt`);
    if (process.env['BONAMI_GOLDEN'] === 'write') writeFileSync(file, text);
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  test.each(Object.entries(CASES))('%s is one that dnsmasq understands', (_, network) => {
    const file = join(folder, 'dnsmasq.conf');
    writeFileSync(file, dnsmasqConfig(network, folder));
    const { stderr } = spawnSync('dnsmasq', ['--test', `--conf-file=${file}`], {
      encoding: 'utf8',
      env: { PATH: `${process.env['PATH']}:/usr/sbin`, LC_ALL: 'C' },
    });
    expect(stderr).toBe('dnsmasq: syntax check OK.\n');
  });

  test('only an open network asks anybody else', () => {
    expect(linesOf(closed).filter((line) => line.startsWith('server='))).toEqual([]);
    expect(linesOf(open).filter((line) => line.startsWith('server='))).toEqual([
      'server=192.0.2.53',
      'server=192.0.2.54',
    ]);
    for (const network of [closed, open]) expect(linesOf(network)).toContain('no-resolv');
  });

  test('each segment has its own range and router', () => {
    const lines = linesOf(closed);
    closed.segments.forEach(({ bridge, network, netmask, router }, index) => {
      expect(lines).toContain(`interface=${bridge}`);
      expect(lines).toContain(`dhcp-range=set:s${index},${network},static,${netmask},1h`);
      expect(lines).toContain(`dhcp-option=tag:s${index},3,${router}`);
    });
  });

  test('no range hands out addresses that are not recorded', () => {
    const ranges = linesOf(open).filter((line) => line.startsWith('dhcp-range='));
    expect(ranges).toHaveLength(2);
    expect(ranges.every((line) => line.includes(',static,'))).toBe(true);
  });
});

describe('a fixed lease', () => {
  const host = { key: 'eni1', mac: '02:00:00:00:00:01', address: '172.31.0.4', hostname: 'ip-172-31-0-4' };

  test('is one whole file that dnsmasq may read', () => {
    putDhcpHost(paths, host);
    const file = join(paths.dhcpHosts, 'eni1');
    expect(readFileSync(file, 'utf8')).toBe('02:00:00:00:00:01,id:*,172.31.0.4,ip-172-31-0-4\n');
    expect(statSync(file).mode & 0o777).toBe(0o644);
    expect(statSync(paths.dhcpHosts).mode & 0o005).toBe(0o005);
    expect(statSync(paths.runFolder).mode & 0o001).toBe(0o001);
    expect(readdirSync(paths.dhcpHosts)).toEqual(['eni1']);
  });

  test('that is put again replaces the old one', () => {
    putDhcpHost(paths, host);
    putDhcpHost(paths, { ...host, address: '172.31.0.5' });
    expect(readdirSync(paths.dhcpHosts)).toEqual(['eni1']);
    expect(readFileSync(join(paths.dhcpHosts, 'eni1'), 'utf8')).toContain('172.31.0.5');
  });

  test('that is taken back leaves a mark that dnsmasq must forget it; one that never was does not', () => {
    putDhcpHost(paths, host);
    removeDhcpHost(paths, 'eni2');
    expect(readdirSync(paths.runFolder)).toEqual(['hosts']);
    removeDhcpHost(paths, 'eni1');
    expect(readdirSync(paths.dhcpHosts)).toEqual([]);
    expect(readdirSync(paths.runFolder)).toEqual(['dhcp-stale', 'hosts']);
  });
});

describe('this host’s name servers', () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test('are those that another namespace can reach', () => {
    const stub = file('stub', 'nameserver 127.0.0.53\noptions edns0\n');
    const real = file('real', '# nameserver 9.9.9.9\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n');
    expect(hostResolvers([stub, real])).toEqual(['192.0.2.53']);
    expect(hostResolvers([real, stub])).toEqual(['192.0.2.53']);
  });

  test('are none when there is no file or none in it', () => {
    expect(hostResolvers([join(folder, 'missing'), file('empty', 'search example.org\n')])).toEqual([]);
  });
});
