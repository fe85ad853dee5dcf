import { describe, expect, test } from 'vitest';
import { compileAllows, type CompiledAllows } from '../../../../src/host/firewall/address-sets.ts';
import { disjoint } from '../../../../src/host/firewall/block.ts';
import { united, without } from '../../../../src/host/firewall/ports.ts';
import type { Allow, TrafficMatch } from '../../../../src/host/firewall/ruleset.ts';
import type { Packet } from './packet.ts';
import { isIn, matches } from './packet-model.ts';
import { RandomRulesets } from './random-rulesets.ts';

const tcp = (from: number, to = from): TrafficMatch => ({ kind: 'ports', protocol: 6, from, to });

function compile(allows: readonly Allow[], side: 'saddr' | 'daddr' = 'saddr'): CompiledAllows {
  return compileAllows({
    name: 'g_in',
    side,
    allows,
    hasMembers: (key, family) => key === 'peer' && family === 4,
  });
}

function from(...rules: readonly (readonly [string, TrafficMatch])[]): readonly Allow[] {
  return rules.map(([block, match]) => ({ peer: { block }, match }));
}

function elements({ sets }: CompiledAllows): readonly string[] {
  return sets.flatMap((set) => /elements = \{ (.*) \}/.exec(set)?.[1]?.split(', ') ?? []);
}

describe('a group’s rule', () => {
  test.each<[string, TrafficMatch, string]>([
    ['every protocol', { kind: 'all' }, 'ip saddr 10.0.0.0/8 accept'],
    ['one protocol', { kind: 'protocol', protocol: 47 }, 'ip saddr 10.0.0.0/8 meta l4proto 47 accept'],
    ['an ICMP type', { kind: 'icmp', protocol: 1, type: 8 }, 'ip saddr 10.0.0.0/8 icmp type 8 accept'],
    [
      'an ICMP type 0 with code 0',
      { kind: 'icmp', protocol: 1, type: 0, code: 0 },
      'ip saddr 10.0.0.0/8 icmp type 0 icmp code 0 accept',
    ],
  ])('for %s', (_, match, line) => expect(compile(from(['10.0.0.0/8', match])).lines).toEqual([line]));

  test('for ICMP of the other family matches nothing', () =>
    expect(compile(from(['10.0.0.0/8', { kind: 'icmp', protocol: 58, type: 128 }])).lines).toEqual([]));

  test('shares a line with those of the same ports, or of the same block', () => {
    expect(
      compile(from(['10.0.0.0/8', tcp(22)], ['11.0.0.0/8', tcp(22)], ['10.1.0.0/16', tcp(22)])).lines,
    ).toEqual(['ip saddr { 10.0.0.0/8, 11.0.0.0/8 } tcp dport 22 accept']);
    expect(
      compile(from(['::/0', tcp(22)], ['::/0', tcp(80, 90)], ['::/0', tcp(85, 95)]), 'daddr').lines,
    ).toEqual(['ip6 daddr ::/0 tcp dport { 22, 80-95 } accept']);
  });

  test('for a group means its members of each family that has any', () => {
    const allows: readonly Allow[] = ['peer', 'unknown'].map((groupKey) => ({
      peer: { groupKey },
      match: tcp(22),
    }));
    expect(compile(allows).lines).toEqual(['ip saddr @members4_peer tcp dport 22 accept']);
  });
});

/** Rules that no other shares a block or a port with: enough of them for a set. */
const scattered = Array.from(
  { length: 20 },
  (_, index) => [`192.168.${index}.0/24`, tcp(1000 + 2 * index)] as const,
);
const own = new Set(elements(compile(from(...scattered))));

const scattered6 = scattered.map(([, match], index) => [`fd99:${index}::/32`, match] as const);

function elementsOf(...rules: readonly (readonly [string, TrafficMatch])[]): readonly string[] {
  return elements(compile(from(...scattered, ...rules))).filter((element) => !own.has(element));
}

describe('many rules', () => {
  test('are one set, and lines for the instant in which it is empty', () => {
    const { sets, chains, lines } = compile(from(...scattered));
    expect(sets).toHaveLength(1);
    expect(own.size).toBe(20);
    expect(own).toContain('192.168.3.0/24 . tcp . 1006');
    expect(chains.join('').match(/accept/g)).toHaveLength(20);
    expect(lines).toEqual([
      'ip saddr . meta l4proto . th dport @g_in4 accept',
      'meta l4proto { tcp, udp } limit rate 100/second burst 1000 packets jump g_in4',
    ]);
  });

  test('leave out what a wider block has already', () =>
    expect(
      elementsOf(['10.0.0.0/24', tcp(1, 100)], ['10.0.0.0/8', tcp(20, 30)], ['10.0.0.0/16', tcp(25)]),
    ).toEqual(['10.0.0.0/24 . tcp . 1-19', '10.0.0.0/24 . tcp . 31-100', '10.0.0.0/8 . tcp . 20-30']));

  test('join ports that touch', () =>
    expect(elementsOf(['10.0.0.0/8', tcp(1, 5)], ['10.0.0.0/8', tcp(6, 9)], ['10.0.0.0/8', tcp(3)])).toEqual([
      '10.0.0.0/8 . tcp . 1-9',
    ]));

  test('are lines when the elements would be too many', () => {
    const odd = Array.from({ length: 80 }, (_, index) => ['0.0.0.0/0', tcp(2 * index + 1)] as const);
    const narrow = Array.from(
      { length: 80 },
      (_, index) => [`10.0.0.${index}/32`, tcp(index, 65_535)] as const,
    );
    const { sets, chains, lines } = compile(from(...odd, ...narrow));
    expect([...sets, ...chains]).toEqual([]);
    expect(lines).toHaveLength(81);
    expect(lines).toContain('ip saddr 10.0.0.7/32 tcp dport 7-65535 accept');
  });

  test('never overlap, and allow what the rules allow', () => {
    const wrong: unknown[] = [];
    for (let seed = 1; seed <= 25; seed++) {
      const allows = [...from(...scattered, ...scattered6), ...new RandomRulesets(seed).allows(30)];
      const compiled = elements(compile(allows)).map(readElement);
      compiled.forEach((one, index) => {
        const other = compiled.slice(index + 1).find((each) => share(one, each));
        if (other !== undefined) wrong.push({ seed, one, other });
      });
      for (const packet of packetsAtEdges(allows)) {
        const expected = allows.some(
          ({ peer, match }) =>
            match.kind === 'ports' &&
            'block' in peer &&
            isIn(packet.source, [peer.block]) &&
            matches(match, packet),
        );
        const isAllowed = compiled.some((each) => covers(each, packet));
        if (isAllowed !== expected) wrong.push({ seed, packet, expected });
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
  });
});

const SOURCES = [
  ...['10.0.0.4', '10.0.0.7', '10.0.0.8', '10.127.255.255', '10.128.0.0', '127.255.255.255'],
  ...['fd00:1::4', 'fd00:1:0:1::1', '3fff::', '4000::'],
];

/** At the edge of every rule, on both sides of it. */
function packetsAtEdges(allows: readonly Allow[]): readonly (Packet & { readonly port: number })[] {
  const edges = allows.flatMap(({ match }) =>
    match.kind === 'ports' ? [match.from - 1, match.from, match.to, match.to + 1] : [],
  );
  const ports = [...new Set(edges)].filter((port) => port >= 0 && port <= 65_535);
  const rest = { from: '', to: '', mac: '', destination: '', nextHop: '', state: 'new' } as const;
  return SOURCES.flatMap((source) =>
    ports.flatMap((port) => [6, 17].map((protocol) => ({ ...rest, source, protocol, port }))),
  );
}

function covers(
  { block, protocol, from: first, to: last }: Element,
  packet: Packet & { readonly port: number },
): boolean {
  return (
    protocol === packet.protocol &&
    first <= packet.port &&
    packet.port <= last &&
    isIn(packet.source, [block])
  );
}

interface Element {
  readonly block: string;
  readonly protocol: number;
  readonly from: number;
  readonly to: number;
}

function readElement(text: string): Element {
  const [block = '', protocol, ports = ''] = text.split(' . ');
  const [first = Number.NaN, last = first] = ports.split('-').map(Number);
  return { block, protocol: protocol === 'tcp' ? 6 : 17, from: first, to: last };
}

function share(one: Element, other: Element): boolean {
  const start = (block: string): string => block.split('/')[0] ?? '';
  const blocks = isIn(start(one.block), [other.block]) || isIn(start(other.block), [one.block]);
  return blocks && one.protocol === other.protocol && one.from <= other.to && other.from <= one.to;
}

describe('ranges', () => {
  test('are united where they overlap or touch', () =>
    expect(
      united([
        { from: 5, to: 9 },
        { from: 1, to: 2 },
        { from: 3, to: 3 },
        { from: 6, to: 7 },
        { from: 11, to: 12 },
      ]),
    ).toEqual([
      { from: 1, to: 3 },
      { from: 5, to: 9 },
      { from: 11, to: 12 },
    ]));

  test('lose what is taken from them', () => {
    const all = [{ from: 0, to: 65_535 }];
    expect(
      without(all, [
        { from: 0, to: 0 },
        { from: 7, to: 9 },
        { from: 65_535, to: 65_535 },
      ]),
    ).toEqual([
      { from: 1, to: 6 },
      { from: 10, to: 65_534 },
    ]);
    expect(without(all, all)).toEqual([]);
    expect(without(all, [])).toEqual(all);
  });
});

test('blocks are disjoint once those in others are gone', () => {
  expect(disjoint(['10.0.0.0/24', '10.0.0.0/8', '10.0.0.0/8', '11.0.0.0/8', '10.0.0.9'])).toEqual([
    '10.0.0.0/8',
    '11.0.0.0/8',
  ]);
  expect(disjoint(['fd00::/8', 'fd00:1::/32', '::/0'])).toEqual(['::/0']);
  expect(disjoint(['0.0.0.0/0', '::/0'])).toEqual(['0.0.0.0/0', '::/0']);
});
