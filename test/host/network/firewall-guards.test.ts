// What may leave a tap, frame by frame: each is sent by itself, and whether it was dropped is read from the counters.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { guardsTable } from '../../../src/host/firewall/guard-table.ts';
import type { Guard } from '../../../src/host/firewall/ruleset.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PacketLab, type LabPacket } from '../../support/packet-lab.ts';

let before: Snapshot;
let lab: PacketLab;

beforeAll(async () => {
  before = await snapshot();
});
afterEach(async () => lab.close());
afterAll(async () => expectNoLeaks(before));

const OWN = '02:00:00:00:00:0a';
const guard: Guard = { tap: 'eni0', mac: OWN, addresses: ['10.0.0.4', '10.0.0.5', 'fd00:1::4'] };
const router: Guard = { ...guard, forwardsExcept: ['10.0.0.0/16', '10.8.0.0/16', 'fd00:1::/56'] };

const udp = { protocol: 17, port: 9 };
const toEverybody = '10.0.0.1';
const to6 = 'fd00:1::1';
/** Neighbour messages carry a target, and say by 255 hops that they are no router's. */
const nd = (type: number, source: string, target = 'fd00:1::4'): Partial<LabPacket> => ({
  protocol: 58,
  type,
  source,
  destination: to6,
  hops: 255,
  body: hex6(target),
});
const arp = (mac: string, address: string, operation = 1): Partial<LabPacket> => ({
  raw: `0806000108000604000${operation}${mac.replaceAll(':', '')}${hex4(address)}000000000000${hex4('10.0.0.1')}`,
});

function hex4(address: string): string {
  return address
    .split('.')
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('');
}

function hex6(address: string): string {
  const [head = '', tail = ''] = address.split('::');
  const words = (part: string): string[] =>
    part.split(':').flatMap((word) => (word ? [word.padStart(4, '0')] : []));
  const [left, right] = [words(head), words(tail)];
  return [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0000'), ...right].join(
    '',
  );
}

type Case = readonly [string, Partial<LabPacket>];

const PASSES: readonly Case[] = [
  ['its own address', { ...udp, source: '10.0.0.4', destination: toEverybody }],
  ['its second address', { ...udp, source: '10.0.0.5', destination: toEverybody }],
  ['its IPv6 address', { ...udp, source: 'fd00:1::4', destination: to6 }],
  ['ARP in its own name', arp(OWN, '10.0.0.4', 2)],
  ['a probe for an address', arp(OWN, '0.0.0.0')],
  ['DHCP', { protocol: 17, sourcePort: 68, port: 67, source: '0.0.0.0', destination: '255.255.255.255' }],
  ['DHCPv6', { protocol: 17, sourcePort: 546, port: 547, source: 'fe80::4', destination: 'ff02::1:2' }],
  ['a router solicitation', { ...nd(133, 'fe80::4'), destination: 'ff02::2' }],
  ['a neighbour solicitation', nd(135, 'fe80::4', to6)],
  ['duplicate address detection', nd(135, '::')],
  ['an advertisement of its address', nd(136, 'fd00:1::4')],
  ['an advertisement of its address from a link-local one', nd(136, 'fe80::4')],
  ['an advertisement of a link-local address', nd(136, 'fe80::4', 'fe80::4')],
  ['a listener report', { protocol: 58, type: 143, source: '::', destination: 'ff02::16' }],
];
const DROPPED: readonly Case[] = [
  ['a neighbour’s address', { ...udp, source: '10.0.0.6', destination: toEverybody }],
  ['a neighbour’s IPv6 address', { ...udp, source: 'fd00:1::6', destination: to6 }],
  ['another MAC', { ...udp, mac: '02:00:00:00:00:0b', source: '10.0.0.4', destination: toEverybody }],
  ['ARP in a neighbour’s name', arp(OWN, '10.0.0.6', 2)],
  ['ARP with another MAC inside', arp('02:00:00:00:00:0b', '10.0.0.4', 2)],
  ['a tag around its own address', { ...udp, tag: '81000005', source: '10.0.0.4', destination: toEverybody }],
  ['a service tag', { ...udp, tag: '88a80005', source: '10.0.0.4', destination: toEverybody }],
  ['the metadata address', { ...udp, source: '169.254.169.254', destination: toEverybody }],
  ['no address, but for DHCP', { ...udp, source: '0.0.0.0', destination: '255.255.255.255' }],
  ['link-local traffic', { ...udp, source: 'fe80::4', destination: to6 }],
  ['link-local TCP', { protocol: 6, port: 22, source: 'fe80::4', destination: to6 }],
  [
    'an echo request from a link-local address',
    { protocol: 58, type: 128, source: 'fe80::4', destination: to6 },
  ],
  ['an advertisement of a neighbour’s address', nd(136, 'fd00:1::4', 'fd00:1::6')],
  ['the same from a link-local address', nd(136, 'fe80::4', 'fd00:1::6')],
  ['an advertisement of the router', nd(136, 'fe80::4', to6)],
  ['a router advertisement', nd(134, 'fe80::4')],
  ['a router advertisement from its own address', nd(134, 'fd00:1::4')],
  ['a redirect', nd(137, 'fe80::4')],
  ['a neighbour advertisement from nowhere', nd(136, '::')],
  ['a spanning tree frame', { raw: '0026424203000000' }],
];

/** Whether each was dropped. */
async function drops(cases: readonly Case[]): Promise<Readonly<Record<string, boolean>>> {
  const result: Record<string, boolean> = {};
  let last = dropped();
  for (const [name, packet] of cases) {
    await lab.send([{ from: 'eni0', ...packet }]);
    const now = dropped();
    result[name] = now > last;
    last = now;
  }
  return result;
}

function dropped(): number {
  const text = lab.inside('nft', ['list', 'chain', 'netdev', 'bonami', 'eni0']);
  return [...text.matchAll(/counter packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

const all = (cases: readonly Case[], isDropped: boolean): Readonly<Record<string, boolean>> =>
  Object.fromEntries(cases.map(([name]) => [name, isDropped]));

describe('a tap', () => {
  test('lets its machine speak for itself', async () => {
    lab = await PacketLab.open([{ name: 'eni0' }]);
    lab.load(guardsTable([guard]));
    expect(await drops(PASSES)).toEqual(all(PASSES, false));
    expect(await drops(DROPPED)).toEqual(all(DROPPED, true));
  });

  test('lets an IPv4 machine speak no IPv6 at all', async () => {
    lab = await PacketLab.open([{ name: 'eni0' }]);
    lab.load(guardsTable([{ ...guard, addresses: ['10.0.0.4', '10.0.0.5'] }]));
    const isIpv6 = ([, { source = '' }]: Case): boolean => source.includes(':');
    expect(await drops(PASSES.filter(isIpv6))).toEqual(all(PASSES.filter(isIpv6), true));
  });

  test('lets a router forward for strangers, but not for its neighbours', async () => {
    lab = await PacketLab.open([{ name: 'eni0' }]);
    lab.load(guardsTable([router]));
    const strangers: readonly Case[] = [
      ['a stranger', { ...udp, source: '8.8.8.8', destination: toEverybody }],
      ['an IPv6 stranger', { ...udp, source: '2001:db8::1', destination: to6 }],
    ];
    const neighbours: readonly Case[] = [
      ['another network’s address', { ...udp, source: '10.8.0.6', destination: toEverybody }],
      ...DROPPED,
    ];
    expect(await drops([...PASSES, ...strangers])).toEqual(all([...PASSES, ...strangers], false));
    expect(await drops(neighbours)).toEqual(all(neighbours, true));
  });

  test('lets pass no more than its limit, and DHCP nevertheless', async () => {
    lab = await PacketLab.open([{ name: 'eni0' }]);
    lab.load(guardsTable([{ ...guard, bytesPerSecond: 1000 }]));
    const packet = {
      ...udp,
      from: 'eni0',
      source: '10.0.0.4',
      destination: toEverybody,
      body: '00'.repeat(1000),
    };
    await lab.send(Array.from({ length: 400 }, () => packet));
    const lost = dropped();
    expect(lost).toBeGreaterThan(100);
    expect(lost).toBeLessThan(200);
    expect(await drops(PASSES.filter(([name]) => name === 'DHCP'))).toEqual({ DHCP: false });
  });
});
