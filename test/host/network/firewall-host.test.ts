// The host's side of uplinks, and other firewalls that stand in their way, with a namespace in the host's place.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { passForeignFirewalls, unpassForeignFirewalls } from '../../../src/host/firewall/foreign.ts';
import { hostTable } from '../../../src/host/firewall/host-table.ts';
import type { HostRuleset } from '../../../src/host/firewall/ruleset.ts';
import { namedNamespace } from '../../../src/host/link/namespace.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PacketLab, type LabPacket } from '../../support/packet-lab.ts';

let before: Snapshot;
let lab: PacketLab;

beforeAll(async () => {
  before = await snapshot();
  lab = await PacketLab.open([
    {
      name: 'bnv1',
      addresses: ['169.254.96.2'],
      blocks: ['10.1.0.0/16', '203.0.113.1/32', '100.64.0.9/32', 'fd00:1::/56'],
    },
    { name: 'bnv2', addresses: ['169.254.96.6'], blocks: ['10.2.0.0/16', '203.0.113.2/32', 'fd00:2::/56'] },
    { name: 'ext0', blocks: ['0.0.0.0/0', '::/0'] },
  ]);
  for (const [address, link] of [
    ['169.254.96.1/30', 'bnv1'],
    ['169.254.96.5/30', 'bnv2'],
    ['192.168.1.2/24', 'ext0'],
    ['192.168.1.9/24', 'ext0'],
    ['fd77::2/64', 'ext0'],
  ] as const)
    lab.inside('ip', ['addr', 'add', address, 'dev', link, ...(address.includes(':') ? ['nodad'] : [])]);
});
beforeEach(() => lab.load('flush ruleset\n'));
afterAll(async () => {
  await lab.close();
  await expectNoLeaks(before);
});

const first: HostRuleset = {
  table: 'bonami_bnv1',
  hostLink: 'bnv1',
  uplinkPrefix: 'bnv',
  blocks: ['10.1.0.0/16', 'fd00:1::/56'],
  routerAddress: '169.254.96.2',
  hasWayOut: true,
  publicAddresses: [
    { address: '203.0.113.1', carrier: '203.0.113.1' },
    { address: '192.168.1.9', carrier: '100.64.0.9' },
  ],
};
const second: HostRuleset = {
  ...first,
  table: 'bonami_bnv2',
  hostLink: 'bnv2',
  blocks: ['10.2.0.0/16', 'fd00:2::/56'],
  routerAddress: '169.254.96.6',
  publicAddresses: [{ address: '203.0.113.2', carrier: '203.0.113.2' }],
};

const udp = { protocol: 17, port: 9 };

async function seen(packet: LabPacket): Promise<string | undefined> {
  const arrival = await lab.send1({ ...udp, ...packet });
  return arrival && `${arrival.source} > ${arrival.destination} at ${arrival.at}`;
}

describe('the host', () => {
  beforeEach(() => lab.load(hostTable(first) + hostTable(second)));

  test.each<[string, LabPacket, string | undefined]>([
    [
      'a network outwards',
      { from: 'bnv1', source: '169.254.96.2', destination: '8.8.8.8' },
      '192.168.1.2 > 8.8.8.8 at ext0',
    ],
    [
      'a public address outwards',
      { from: 'bnv1', source: '203.0.113.1', destination: '8.8.8.8' },
      '203.0.113.1 > 8.8.8.8 at ext0',
    ],
    [
      'a host’s own address outwards',
      { from: 'bnv1', source: '100.64.0.9', destination: '8.8.8.8' },
      '192.168.1.9 > 8.8.8.8 at ext0',
    ],
    [
      'IPv6 outwards',
      { from: 'bnv1', source: 'fd99::2', destination: '2001:db8::1' },
      'fd77::2 > 2001:db8::1 at ext0',
    ],
    [
      'the outside to a public address',
      { from: 'ext0', source: '8.8.8.8', destination: '203.0.113.1' },
      '8.8.8.8 > 203.0.113.1 at bnv1',
    ],
    [
      'the outside to the host’s own address',
      { from: 'ext0', source: '8.8.8.8', destination: '192.168.1.9' },
      '8.8.8.8 > 100.64.0.9 at bnv1',
    ],
    [
      'the outside in a machine’s name',
      { from: 'ext0', source: '10.1.0.4', destination: '203.0.113.1' },
      undefined,
    ],
    [
      'the outside in the host’s name',
      { from: 'ext0', source: '169.254.96.1', destination: '203.0.113.1' },
      undefined,
    ],
    [
      'a public address to another network’s',
      { from: 'bnv2', source: '203.0.113.2', destination: '203.0.113.1' },
      '203.0.113.2 > 203.0.113.1 at bnv1',
    ],
    [
      'a public address to the host’s own',
      { from: 'bnv2', source: '203.0.113.2', destination: '192.168.1.9' },
      '203.0.113.2 > 100.64.0.9 at bnv1',
    ],
    [
      'a router to another network’s public address',
      { from: 'bnv2', source: '169.254.96.6', destination: '203.0.113.1' },
      '192.0.0.8 > 203.0.113.1 at bnv1',
    ],
    [
      'a router to another network’s private address',
      { from: 'bnv2', source: '169.254.96.6', destination: '10.1.0.4' },
      undefined,
    ],
    [
      'a network in another’s name',
      { from: 'bnv2', source: '10.1.0.4', destination: '203.0.113.1' },
      undefined,
    ],
    [
      'a network to another one by IPv6',
      { from: 'bnv2', source: 'fd00:2::4', destination: 'fd00:1::4' },
      undefined,
    ],
    [
      'a network to the host',
      { from: 'bnv1', source: '169.254.96.2', destination: '192.168.1.2' },
      undefined,
    ],
  ])('lets %s', async (_, packet, expected) => expect(await seen(packet)).toBe(expected));

  test('passes answers between networks back to who asked', async () => {
    const ask = { from: 'bnv2', source: '169.254.96.6', sourcePort: 4000, destination: '203.0.113.1' };
    expect(await seen(ask)).toBe('192.0.0.8 > 203.0.113.1 at bnv1');
    const answer = {
      from: 'bnv1',
      source: '203.0.113.1',
      sourcePort: 9,
      destination: '192.0.0.8',
      port: 4000,
    };
    expect(await seen(answer)).toBe('203.0.113.1 > 169.254.96.6 at bnv2');
  });
});

describe('another firewall', () => {
  const outwards = { from: 'bnv1', source: '10.1.0.4', destination: '8.8.8.8' };
  const inwards = { from: 'ext0', source: '8.8.4.4', destination: '10.1.0.4' };
  const docker = (family: string): readonly string[] => [
    `${family} -P FORWARD DROP`,
    `${family} -N DOCKER-USER`,
    `${family} -A DOCKER-USER -j RETURN`,
    `${family} -A FORWARD -j DOCKER-USER`,
  ];
  const firewalld = `table inet firewalld {
    chain filter_FORWARD {
      type filter hook forward priority filter + 10; policy accept;
      ct state established,related accept
      reject with icmpx admin-prohibited
    }
  }\n`;

  const CASES: readonly (readonly [string, () => void])[] = [
    ['Docker', () => commands([...docker('iptables-nft'), ...docker('ip6tables-nft')])],
    ['firewalld', () => lab.load(firewalld)],
    [
      'a firewall that drops by policy',
      () => commands(['iptables-nft -P FORWARD DROP', 'ip6tables-nft -P FORWARD DROP']),
    ],
    [
      'both Docker and firewalld',
      () => {
        commands(docker('iptables-nft'));
        lab.load(firewalld);
      },
    ],
  ];

  function commands(lines: readonly string[]): void {
    for (const [program = '', ...args] of lines.map((line) => line.split(' '))) lab.inside(program, args);
  }

  const rules = (): number => lab.inside('nft', ['list', 'ruleset']).match(/comment "bonami"/g)?.length ?? 0;

  test.each(CASES)('(%s) lets our links pass once told so, and forgets it', async (_, build) => {
    const host = namedNamespace(lab.router);
    build();
    expect([await seen(outwards), await seen(inwards)]).toEqual([undefined, undefined]);
    expect(await passForeignFirewalls(host, 'bnv')).toEqual([]);
    expect([await seen(outwards), await seen(inwards)]).toEqual([
      '10.1.0.4 > 8.8.8.8 at ext0',
      '8.8.4.4 > 10.1.0.4 at bnv1',
    ]);
    const count = rules();
    await passForeignFirewalls(host, 'bnv');
    expect(rules()).toBe(count);
    await unpassForeignFirewalls(host);
    expect(rules()).toBe(0);
    const again = { ...outwards, sourcePort: 777 };
    expect(await seen(again)).toBe(undefined);
    await unpassForeignFirewalls(host);
  });

  test('can still be read by its own program', async () => {
    commands(docker('iptables-nft'));
    await passForeignFirewalls(namedNamespace(lab.router), 'bnv');
    const listed = lab.inside('iptables-nft', ['-S', 'DOCKER-USER']).split('\n');
    expect(listed).toHaveLength(4);
    expect(listed.join('\n')).toMatch(/-o bnv\+ .*-j ACCEPT\n.*-i bnv\+ .*-j ACCEPT\n.*-j RETURN/);
  });

  test('is left alone when there is none, or when it lets everything pass', async () => {
    const host = namedNamespace(lab.router);
    expect(await passForeignFirewalls(host, 'bnv')).toEqual([]);
    commands(['iptables-nft -P FORWARD ACCEPT']);
    expect(await passForeignFirewalls(host, 'bnv')).toEqual([]);
    expect(rules()).toBe(0);
    await unpassForeignFirewalls(host);
  });
});
