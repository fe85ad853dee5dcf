// The tables in the kernel itself: that nft takes them, that packets fare as their rulesets say, and that nobody
// notices when a table is replaced.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guardsTable } from '../../../src/host/firewall/guard-table.ts';
import { networkTable } from '../../../src/host/firewall/network-table.ts';
import type { Guard, NetworkRuleset } from '../../../src/host/firewall/ruleset.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PacketLab, type LabLink } from '../../support/packet-lab.ts';
import type { Packet } from '../../unit/host/firewall/packet.ts';
import { passes } from '../../unit/host/firewall/packet-model.ts';
import { RandomRulesets } from '../../unit/host/firewall/random-rulesets.ts';
import { everywhere, full, small } from '../../unit/host/firewall/samples.ts';

let before: Snapshot;
let lab: PacketLab | undefined;

beforeAll(async () => {
  before = await snapshot();
});
afterEach(async () => {
  await lab?.close();
  lab = undefined;
});
afterAll(async () => expectNoLeaks(before));

async function open(links: readonly LabLink[]): Promise<PacketLab> {
  lab = await PacketLab.open(links);
  return lab;
}

describe('a random ruleset', () => {
  test('is taken by nft, whatever is in it', async () => {
    const router = await open([]);
    const seeds = Array.from({ length: 200 }, (_, index) => index + 1);
    const load = (seed: number): void => router.load(networkTable(new RandomRulesets(seed).ruleset()));
    expect(() => seeds.forEach(load)).not.toThrow();
  });

  test('treats real packets as it says', async () => {
    const wrong: unknown[] = [];
    let passed = 0;
    const router = await open(linksOfRandomRulesets());
    for (const address of ['169.254.96.2/32', 'fd99::2/128'])
      router.inside('ip', ['addr', 'add', address, 'dev', 'up0']);
    for (let seed = 1; seed <= 40; seed++) {
      const random = new RandomRulesets(seed);
      const rules = random.ruleset();
      const packets = Array.from({ length: 150 }, () => random.packet(rules)).filter(
        (packet) => isRoutedAsTold(packet) && isFresh(packet),
      );
      router.load(networkTable(rules));
      const arrivals = await router.send(packets);
      packets.forEach((packet, index) => {
        const at = arrivals[index]?.at;
        const expected = passes(rules, packet) ? packet.to : undefined;
        if (at !== expected) wrong.push({ seed, packet, at, expected });
        if (at !== undefined) passed++;
      });
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(passed).toBeGreaterThan(100);
  });
});

/** Every address that a machine of a random ruleset may have. */
function linksOfRandomRulesets(): readonly LabLink[] {
  const segments = [0, 1].map((segment) => ({
    name: `snt${segment}`,
    addresses: [0, 1, 2, 3, 4, 5]
      .filter((index) => index % 2 === segment)
      .flatMap((index) => [
        `10.0.${segment}.${4 + index}`,
        `10.0.${segment}.${100 + index}`,
        segment === 0 ? `fd00:1::${4 + index}` : `fd00:1:0:1::${4 + index}`,
      ])
      .concat(segment === 0 ? ['10.0.0.77', 'fd00:1::77'] : []),
  }));
  return [
    ...segments,
    { name: 'pcx0', blocks: ['10.1.0.0/16', 'fd00:2::/56'] },
    { name: 'pcx1', blocks: ['10.2.0.0/16', 'fd00:3::/56'] },
    { name: 'up0', blocks: ['0.0.0.0/0', '::/0'] },
  ];
}

/** A packet of the model names where it leaves; in a real router its destination decides. */
function isRoutedAsTold({ destination, to, nextHop }: Packet): boolean {
  const other = /^10\.([12])\.|^fd00:([23]):/.exec(destination);
  if (other) return to === (other[1] === '1' || other[2] === '2' ? 'pcx0' : 'pcx1');
  const own = /^10\.0\.([01])\.|^fd00:1:(?:0:(1):)?:/.exec(destination);
  if (own) return nextHop === destination && to === `snt${own[1] ?? own[2] ?? 0}`;
  return to === 'up0';
}

/** What conntrack takes for the first packet of something. */
function isFresh({ state, protocol, source, type, code }: Packet): boolean {
  if (state !== 'new') return false;
  if (protocol === 6 || protocol === 17) return true;
  return (
    code === 0 && (source.includes(':') ? protocol === 58 && type === 128 : protocol === 1 && type === 8)
  );
}

describe('replacing tables', () => {
  // By a few rules as lines or by many as a set; straight, or with a translated address.
  test.each([
    ['172.31.16.4', 2],
    ['172.31.16.4', 100],
    ['203.0.113.4', 2],
    ['203.0.113.4', 100],
  ])('loses no datagram to %s and delays no new connection, with %i rules', async (address, count) => {
    const router = await open([
      { name: 'snt0', addresses: ['172.31.0.4'], isAlive: true },
      { name: 'snt1', addresses: ['172.31.16.4'], isAlive: true },
    ]);
    const texts = networkTable(twoMachines(count)) + guardsTable(GUARDS);
    router.load(texts);
    const { sent, heard, connections, slow, failed } = await router.stream(
      { from: 'snt0', to: 'snt1', address, gapSeconds: 0.0005 },
      async () => {
        for (let round = 0; round < 100; round++) {
          router.load(texts);
          await sleep(5);
        }
      },
    );
    expect({ lost: sent - heard, slow, failed }).toEqual({ lost: 0, slow: 0, failed: [] });
    expect(sent).toBeGreaterThan(500);
    expect(connections).toBeGreaterThan(1000);
  });
});

const GUARDS: readonly Guard[] = [
  { tap: 'snt0', mac: '02:00:00:00:00:0a', addresses: ['172.31.0.4'] },
  { tap: 'snt1', mac: '02:00:00:00:00:0a', addresses: ['172.31.16.4'] },
];

/** A machine that may speak with another one by the last of so many rules. */
function twoMachines(count: number): NetworkRuleset {
  const others = Array.from({ length: count - 2 }, (_, index) => ({
    peer: { block: `10.${index}.0.0/16` },
    match: { kind: 'ports', protocol: 6, from: index + 1, to: index + 1 } as const,
  }));
  const last = ([6, 17] as const).map((protocol) => ({
    peer: { block: '172.31.0.0/16' },
    match: { kind: 'ports', protocol, from: 5000, to: 5000 } as const,
  }));
  return {
    ...small,
    ports: small.ports.map((port, index) => ({ ...port, mac: `02:00:00:00:00:0${index === 0 ? 'a' : 'b'}` })),
    groups: small.groups.map((group) => ({ ...group, ingress: [...others, ...last] })),
    publicAddresses: [{ address: '203.0.113.4', carrier: '203.0.113.4', privateAddress: '172.31.16.4' }],
  };
}

describe('translation', () => {
  test('gives traffic the address of its segment’s way, of the machine, or of the router', async () => {
    const router = await open([
      { name: 'snt111111111111', addresses: ['172.31.0.4', 'fd00:1::4'] },
      { name: 'snt222222222222', addresses: ['172.31.16.4'] },
      { name: 'up0', blocks: ['0.0.0.0/0', '::/0'] },
    ]);
    router.inside('ip', ['addr', 'add', '169.254.96.2/32', 'dev', 'up0']);
    router.inside('ip', ['addr', 'add', 'fd99::2/128', 'dev', 'up0', 'nodad']);
    const open4 = { key: 'sg_o', members: [], ingress: everywhere, egress: everywhere };
    router.load(
      networkTable({
        ...full,
        segments: full.segments.map(({ bridge, waysOut }) => ({ bridge, waysOut })),
        groups: [open4],
        ports: full.ports.map((port) => ({ ...port, groupKeys: ['sg_o'] })),
        crossings: [],
        publicAddresses: full.publicAddresses.slice(0, 1),
      }),
    );
    const udp = { protocol: 17, port: 9 };
    const [first, second] = [
      { ...udp, from: 'snt111111111111', mac: '02:11:22:33:44:01', source: '172.31.0.4' },
      { ...udp, from: 'snt222222222222', mac: '02:11:22:33:44:02', source: '172.31.16.4' },
    ];
    const seen = await router.send([
      { ...first, destination: '8.8.8.8' },
      { ...first, destination: '198.51.100.7' },
      { ...second, destination: '8.8.8.8' },
      { ...first, source: 'fd00:1::4', destination: '2001:db8::1' },
      { ...second, destination: '203.0.113.4' },
      { ...first, destination: '203.0.113.4' },
      { ...udp, from: 'up0', source: '8.8.4.4', destination: '203.0.113.4' },
      { ...udp, from: 'up0', source: '169.254.96.1', destination: '172.31.16.4' },
      { ...first, source: '9.9.9.9', destination: '8.8.8.8' },
    ]);
    expect(seen.map((each) => each && [each.at.slice(0, 4), each.source, each.destination])).toEqual([
      ['up0', '203.0.113.9', '8.8.8.8'],
      ['up0', '203.0.113.4', '198.51.100.7'],
      ['up0', '169.254.96.2', '8.8.8.8'],
      ['up0', 'fd99::2', '2001:db8::1'],
      ['snt1', '172.31.16.4', '172.31.0.4'],
      ['snt1', '203.0.113.4', '172.31.0.4'],
      ['snt1', '8.8.4.4', '172.31.0.4'],
      ['snt2', '169.254.96.1', '172.31.16.4'],
      undefined,
    ]);
  });
});
