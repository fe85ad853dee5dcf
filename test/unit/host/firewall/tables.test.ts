import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { guardsTable } from '../../../../src/host/firewall/guard-table.ts';
import { hostTable } from '../../../../src/host/firewall/host-table.ts';
import { networkTable } from '../../../../src/host/firewall/network-table.ts';
import { chain, closed, full, guard, host, router, small } from './samples.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/golden');

const CASES: Readonly<Record<string, string>> = {
  'network-two-ports': networkTable(small),
  'network-full': networkTable(full),
  'network-empty-closed': networkTable({ ...small, hasWayOut: false, ports: [], groups: [], segments: [] }),
  guards: guardsTable([guard, router]),
  host: hostTable(host),
  'host-closed': hostTable({ ...host, blocks: ['172.31.0.0/16'], hasWayOut: false, publicAddresses: [] }),
};

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
    const named = [...text.matchAll(/(?:jump |@)(?!(?:ih|th)\b)(\w+)/g)].map(([, name]) => name);
    expect(named.filter((name) => !defined.has(name))).toEqual([]);
  });

  test.each(Object.entries(CASES))('%s drops nothing by policy', (_, text) => {
    expect(text).not.toContain('policy drop');
    expect([...text.matchAll(/^ {4}type filter hook .*$/gm)].length).toBeGreaterThan(0);
  });
});

describe('a port', () => {
  test('is judged by all of its groups in both directions, and then refused', () => {
    const text = networkTable(small);
    for (const way of ['in', 'out'])
      expect(chain(text, `${way}_eni222222222222`)).toEqual([
        `jump sg_aaaaaaaaaaaa_${way}`,
        `jump ${closed.key}_${way}`,
        'counter drop',
      ]);
  });

  test('sends by its MAC and receives by each of its addresses', () => {
    const text = networkTable(small);
    expect(text).toContain(
      'elements = { 02:11:22:33:44:01 : jump out_eni111111111111, 02:11:22:33:44:02 : jump out_eni222222222222 }',
    );
    expect(text).toContain(
      'elements = { 172.31.0.4 : jump in_eni111111111111, 172.31.16.4 : jump in_eni222222222222 }',
    );
    expect(text).toContain('elements = { fd00:1::4 : jump in_eni111111111111 }');
  });

  // Maps of a table that is being replaced are empty for an instant: packets that are on their way go by these.
  test('is found without the maps, too', () => {
    const text = networkTable(small);
    expect(chain(text, 'egress')).toContain(
      'iifname "snt*" ether saddr 02:11:22:33:44:01 jump out_eni111111111111',
    );
    for (const [header, address, key] of [
      ['ip', '172.31.0.4', 'eni111111111111'],
      ['ip6', 'fd00:1::4', 'eni111111111111'],
      ['ip', '172.31.16.4', 'eni222222222222'],
    ])
      expect(chain(text, 'ingress')).toContain(`rt ${header} nexthop ${address} jump in_${key}`);
  });
});

describe('the way out', () => {
  test('is missing from both tables without an internet gateway', () => {
    expect(chain(networkTable({ ...small, hasWayOut: false }), 'ingress')).not.toContain(
      'oifname "up0" accept',
    );
    expect(chain(networkTable(small), 'ingress')).toContain('oifname "up0" accept');
    expect(CASES['host-closed']).not.toContain('masquerade');
    expect(CASES['host']).toContain('masquerade');
  });

  test('has the host’s own address for a public one that is known on this host only', () => {
    const hidden = { address: '203.0.113.4', carrier: '203.0.113.4', isHidden: true };
    expect(chain(hostTable({ ...host, publicAddresses: [hidden] }), 'nat_out')).toContain(
      'oifname != "bnv*" ip saddr { 169.254.96.2, 203.0.113.4 } masquerade',
    );
  });

  test('of a segment is taken in order, before a machine’s own public address', () => {
    const text = networkTable(full);
    expect(chain(text, 'ways_snt111111111111')).toEqual([
      'ip daddr 198.51.100.0/24 return',
      'ip daddr 0.0.0.0/0 snat ip to 203.0.113.9',
      'ip6 daddr ::/0 return',
    ]);
    const lines = chain(text, 'nat_out');
    const [way, own] = ['jump ways_snt111111111111', 'ip saddr 172.31.0.4 snat ip to 203.0.113.4'].map(
      (end) => lines.findIndex((line) => line.startsWith('oifname "up0"') && line.endsWith(end)),
    );
    expect(way).toBeGreaterThanOrEqual(0);
    expect(own).toBeGreaterThan(way ?? Infinity);
    expect(text).not.toContain('ways_snt222222222222');
  });
});

describe('a guard', () => {
  test('lets an IPv4 machine speak no IPv6', () => {
    expect(chain(guardsTable([guard]), guard.tap).join('\n')).not.toContain('6 ');
  });

  test('keeps a limit as it is given, with room for the largest frames', () => {
    const limits = [1, 12_345_678, 12_500_000_000].map((bytesPerSecond) =>
      chain(guardsTable([{ ...guard, bytesPerSecond }]), guard.tap).find((line) => line.startsWith('limit')),
    );
    expect(limits).toEqual([
      'limit rate over 1 bytes/second burst 262144 bytes counter drop',
      'limit rate over 12345678 bytes/second burst 262144 bytes counter drop',
      'limit rate over 12500000000 bytes/second burst 125000000 bytes counter drop',
    ]);
  });

  test('without taps is an empty table', () => {
    expect(guardsTable([])).toMatch(
      /^table netdev bonami\ndelete table netdev bonami\ntable netdev bonami \{\n {2}chain sealed_[0-9a-f]{16} \{\n {2}\}\n\}\n$/,
    );
  });
});
