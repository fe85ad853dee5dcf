import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { guardTable, hostTable, networkTable } from '../../../../src/host/firewall/nft-text.ts';
import type {
  Allow,
  GroupRules,
  NetworkRuleset,
  TrafficMatch,
} from '../../../../src/host/firewall/ruleset.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/golden');

const web: GroupRules = {
  key: 'sg_aaaaaaaaaaaa',
  members: ['172.31.0.4', '172.31.16.4'],
  ingress: [
    { peer: { cidr: '0.0.0.0/0' }, match: { protocol: 'tcp', from: 443, to: 443 } },
    { peer: { cidr: '172.31.0.0/16' }, match: { protocol: 'udp', from: 1000, to: 2000 } },
    { peer: { groupKey: 'sg_aaaaaaaaaaaa' }, match: { protocol: 'all' } },
    { peer: { cidr: '169.254.96.0/20' }, match: { protocol: 'icmp', type: undefined, code: undefined } },
  ],
  egress: [{ peer: { cidr: '0.0.0.0/0' }, match: { protocol: 'all' } }],
};
const closed: GroupRules = { key: 'sg_bbbbbbbbbbbb', members: [], ingress: [], egress: [] };

const twoPorts: NetworkRuleset = {
  bridgePrefix: 'snt',
  cidr: '172.31.0.0/16',
  hasWayOut: true,
  metadataAddress: '169.254.169.254',
  ports: [
    { key: 'eni111111111111', addresses: ['172.31.0.4'], groupKeys: [web.key], hopLimit: 1 },
    { key: 'eni222222222222', addresses: ['172.31.16.4'], groupKeys: [web.key, closed.key], hopLimit: 2 },
  ],
  groups: [web, closed],
};
const host = {
  table: 'bonami_bnv111111111111',
  hostLink: 'bnv111111111111',
  uplinkPrefix: 'bnv',
  cidr: '172.31.0.0/16',
  routerAddress: '169.254.96.2',
  hasWayOut: true,
};

const CASES: Readonly<Record<string, string>> = {
  'network-two-ports': networkTable(twoPorts),
  'network-empty-closed': networkTable({ ...twoPorts, hasWayOut: false, ports: [], groups: [] }),
  guard: guardTable({ tap: 'eni111111111111', mac: '02:11:22:33:44:55', addresses: ['172.31.0.4'] }),
  host: hostTable(host),
  'host-closed': hostTable({ ...host, hasWayOut: false }),
};

/** The lines of one chain, without indentation. */
function chain(table: string, name: string): readonly string[] {
  const [, rest = ''] = table.split(`  chain ${name} {\n`);
  const [body = ''] = rest.split('  }\n');
  return body
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
}

function ruleFor(match: TrafficMatch, peer: Allow['peer'] = { cidr: '10.0.0.0/8' }): string {
  const group: GroupRules = { ...closed, ingress: [{ peer, match }] };
  return chain(networkTable({ ...twoPorts, groups: [group] }), `${group.key}_in`).join('\n');
}

describe('the firewall’s text', () => {
  // A changed line is a decision: look at the difference, then run with BONAMI_GOLDEN=write.
  test.each(Object.entries(CASES))('%s is as agreed', (name, text) => {
    const file = join(GOLDEN, `nft-${name}.txt`);
    if (process.env['BONAMI_GOLDEN'] === 'write') writeFileSync(file, text);
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  test.each(Object.entries(CASES))('%s replaces its table in one transaction', (_, text) => {
    const [declared, deleted, defined] = text.split('\n');
    expect(defined).toBe(`${declared} {`);
    expect(deleted).toBe(`delete ${declared}`);
  });

  test.each(Object.entries(CASES))('%s has every chain and set that it names', (_, text) => {
    const defined = new Set([...text.matchAll(/^ {2}(?:chain|map|set) (\S+) \{$/gm)].map(([, name]) => name));
    const named = [...text.matchAll(/(?:jump |@)(?!ih\b)(\w+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !defined.has(name))).toEqual([]);
  });
});

describe('a security group’s rule', () => {
  test.each<[string, TrafficMatch, string]>([
    ['every protocol', { protocol: 'all' }, 'ip saddr 10.0.0.0/8 accept'],
    ['one port', { protocol: 'tcp', from: 22, to: 22 }, 'ip saddr 10.0.0.0/8 tcp dport 22 accept'],
    ['some ports', { protocol: 'udp', from: 0, to: 65535 }, 'ip saddr 10.0.0.0/8 udp dport 0-65535 accept'],
    [
      'all of ICMP',
      { protocol: 'icmp', type: undefined, code: undefined },
      'ip saddr 10.0.0.0/8 ip protocol icmp accept',
    ],
    [
      'an ICMP type',
      { protocol: 'icmp', type: 8, code: undefined },
      'ip saddr 10.0.0.0/8 icmp type 8 accept',
    ],
    [
      'an ICMP type 0 with code 0',
      { protocol: 'icmp', type: 0, code: 0 },
      'ip saddr 10.0.0.0/8 icmp type 0 icmp code 0 accept',
    ],
  ])('for %s', (_, match, line) => expect(ruleFor(match)).toBe(line));

  test('for a group means its members', () =>
    expect(ruleFor({ protocol: 'all' }, { groupKey: web.key })).toBe(`ip saddr @members_${web.key} accept`));

  test('for sending looks at where to', () =>
    expect(chain(CASES['network-two-ports'] ?? '', `${web.key}_out`)).toEqual(['ip daddr 0.0.0.0/0 accept']));
});

describe('a port', () => {
  test('is judged by all of its groups in both directions, and then refused', () => {
    const text = networkTable(twoPorts);
    for (const way of ['in', 'out'])
      expect(chain(text, `${way}_eni222222222222`)).toEqual([
        `jump ${web.key}_${way}`,
        `jump ${closed.key}_${way}`,
        'counter drop',
      ]);
  });

  test('is told by each of its addresses', () => {
    const [port] = twoPorts.ports;
    const ports = port ? [{ ...port, addresses: ['172.31.0.4', '172.31.0.5'] }] : [];
    const text = networkTable({ ...twoPorts, ports });
    expect(text).toContain('172.31.0.4 : jump in_eni111111111111, 172.31.0.5 : jump in_eni111111111111');
    expect(text).toContain('172.31.0.4 : jump out_eni111111111111, 172.31.0.5 : jump out_eni111111111111');
  });

  test('drops what its guard does not know', () => {
    const text = guardTable({ tap: 'eni1', mac: '02:00:00:00:00:01', addresses: ['10.0.0.4', '10.0.0.5'] });
    const lines = chain(text, 'in');
    expect(lines[0]).toContain('policy drop;');
    expect(lines[1]).toBe('ether saddr != 02:00:00:00:00:01 counter drop');
    expect(lines.filter((line) => line.endsWith('accept'))).toEqual([
      'ether type arp arp htype 1 arp saddr ether 02:00:00:00:00:01 arp saddr ip { 0.0.0.0, 10.0.0.4, 10.0.0.5 } accept',
      'ip saddr { 10.0.0.4, 10.0.0.5 } accept',
      'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
    ]);
  });
});

describe('the way out', () => {
  test('is missing from both tables without an internet gateway', () => {
    const inside = networkTable({ ...twoPorts, hasWayOut: false });
    expect(chain(inside, 'ingress')).not.toContain('oifname "up0" accept');
    expect(chain(networkTable(twoPorts), 'ingress')).toContain('oifname "up0" accept');
    expect(CASES['host-closed']).not.toContain('masquerade');
    expect(CASES['host']).toContain('masquerade');
  });
});
