import { describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { linkName } from '../../../../src/core/link-name.ts';
import {
  blocksOf,
  bridgeMac,
  bridgeOf,
  crossingLink,
  crossingMacs,
  resolverAddress,
  routerSpec,
  routeTableOf,
  tapOf,
  waysOut,
} from '../../../../src/ec2/vpcs/router-spec.ts';
import type { VpcRecords } from '../../../../src/ec2/vpcs/vpc-records.ts';
import type { Hop, Router, SegmentRoute } from '../../../../src/host/link/router.ts';
import type { RouteTarget } from '../../../../src/store/route-tables.ts';
import type { Subnet } from '../../../../src/store/vpcs.ts';
import {
  BACK,
  DUAL,
  FRONT,
  GATEWAY,
  MAIN,
  mainWith,
  natIn,
  ownTable,
  peeringWith,
  plug,
  recordsOf,
  SINGLE,
  toGateway,
  VPC,
} from './sample-records.ts';

const HOST = '169.254.96.1';
const NONE: ReadonlySet<string> = new Set();

function specOf(fields: Partial<VpcRecords> = {}, crossings = NONE): Router {
  return routerSpec({ records: recordsOf(fields), hostAddress: HOST, crossings });
}

function routesFrom({ subnetId }: Subnet, { segments }: Router): readonly SegmentRoute[] {
  return segments.find(({ bridge }) => bridge === bridgeOf(subnetId))?.routes ?? [];
}

/** Where the main table's one route leads. */
function hopTo(
  target: RouteTarget,
  fields: Partial<VpcRecords> = {},
  { destination = '0.0.0.0/0', crossings = NONE } = {},
): Hop | undefined {
  const spec = specOf({ routeTables: [mainWith({ [destination]: target })], ...fields }, crossings);
  const [route] = routesFrom(FRONT, spec);
  expect(route?.destination).toBe(destination);
  return route?.hop;
}

describe('a VPC without anything', () => {
  test('is a router of its blocks, with the services that every VPC has', () => {
    expect(specOf({ subnets: [] })).toEqual({
      blocks: ['10.0.0.0/16'],
      serviceAddresses: ['10.0.0.2', '169.254.169.253', '169.254.169.254'],
      hostAddress: HOST,
      segments: [],
      ports: [],
      crossings: [],
    });
  });

  test('has IPv4 first', () => {
    expect(blocksOf(DUAL)).toEqual(['10.0.0.0/16', 'fd00:1:2:300::/56']);
    expect(resolverAddress({ ...VPC, cidrBlock: '192.168.16.0/28' })).toBe('192.168.16.2');
  });
});

describe('a subnet', () => {
  test('is a bridge with its first address, in either family', () => {
    expect(specOf({ vpc: DUAL, subnets: [FRONT, BACK] }).segments).toMatchObject([
      { bridge: bridgeOf(FRONT.subnetId), gateways: ['10.0.1.1/24', 'fd00:1:2:301::1/64'], routes: [] },
      { bridge: bridgeOf(BACK.subnetId), gateways: ['10.0.2.1/24', 'fd00:1:2:302::1/64'], routes: [] },
    ]);
    expect(specOf().segments.map(({ gateways }) => gateways)).toEqual([['10.0.1.1/24'], ['10.0.2.1/24']]);
  });

  test('has a MAC and a table that stay the same in every release, for guests remember the one', () => {
    const subnet: Subnet = { ...FRONT, subnetId: 'subnet-0123456789abcdef0', ipv6: null };
    const [segment] = specOf({ subnets: [subnet] }).segments;
    expect(segment).toMatchObject({
      bridge: 'sntc2c0d60de662',
      mac: '02:ff:c2:c0:d6:0d',
      table: 0x1c2c_0d60,
    });
  });

  test('has a MAC that is locally administered, and a table beyond those with names', () => {
    const many = Array.from({ length: 300 }, (_, index): Subnet => ({
      ...FRONT,
      subnetId: `subnet-${String(index).padStart(17, '0')}`,
      ipv6: null,
    }));
    const { segments } = specOf({ subnets: many });
    for (const { mac, table } of segments) {
      expect(mac).toMatch(/^02:ff(?::[0-9a-f]{2}){4}$/);
      expect(table).toBeGreaterThanOrEqual(0x1000_0000);
      expect(table).toBeLessThan(2 ** 32);
    }
    for (const each of ['bridge', 'mac', 'table'] as const)
      expect(new Set(segments.map((segment) => segment[each])).size).toBe(300);
    expect(new Set(many.map(({ subnetId }) => bridgeMac(subnetId))).size).toBe(300);
  });

  test("has the main route table's routes, or its own ones alone", () => {
    const main = mainWith({ '0.0.0.0/0': toGateway(GATEWAY) });
    const own = ownTable(BACK, {});
    const records = {
      subnets: [FRONT, own.subnet],
      routeTables: [main, own.table],
      internetGateway: GATEWAY,
    };
    const spec = specOf(records);
    expect(routesFrom(FRONT, spec)).toEqual([{ destination: '0.0.0.0/0', hop: { kind: 'uplink' } }]);
    expect(routesFrom(BACK, spec)).toEqual([]);
    expect(routeTableOf(recordsOf(records), own.subnet)).toBe(own.table);
    expect(routeTableOf(recordsOf(records), FRONT)).toBe(main);
  });

  test('has no routes when its table is gone', () => {
    expect(routesFrom(FRONT, specOf({ routeTables: [] }))).toEqual([]);
  });
});

describe('an interface', () => {
  test('is a tap with all its addresses, for the user of its instance', () => {
    const each = plug(FRONT, '10.0.1.10', {
      networkInterface: { secondaryPrivateIpAddresses: ['10.0.1.11'], ipv6Addresses: ['fd00:1:2:301::10'] },
      instance: { uid: 70_007 },
    });
    expect(specOf({ plugged: [each] }).ports).toEqual([
      {
        tap: tapOf(each.networkInterface),
        bridge: bridgeOf(FRONT.subnetId),
        mac: each.networkInterface.macAddress,
        addresses: ['10.0.1.10', '10.0.1.11', 'fd00:1:2:301::10'],
        uid: 70_007,
        queues: 1,
      },
    ]);
  });

  test.each([
    ['tcg', 4, 1],
    ['kvm', 1, 1],
    ['kvm', 4, 4],
    ['kvm', 96, 8],
  ] as const)('of an instance under %s with %d vCPUs has %d queues', (accelerator, cpus, queues) => {
    const { ports } = specOf({ plugged: [plug(FRONT, '10.0.1.10', { instance: { accelerator, cpus } })] });
    expect(ports).toMatchObject([{ queues }]);
  });

  test('is as fast as its type when it is held to that, and opened by root when nobody else runs it', () => {
    const instance = { isNetworkLimited: true, instanceType: 't3.micro', uid: null };
    const [port] = specOf({ plugged: [plug(FRONT, '10.0.1.10', { instance })] }).ports;
    expect(port?.uid).toBe(0);
    expect(port?.bitsPerSecond).toBeGreaterThanOrEqual(1_000_000);
    expect(specOf({ plugged: [plug(FRONT, '10.0.1.10')] }).ports[0]).not.toHaveProperty('bitsPerSecond');
  });
});

describe('a route to an internet gateway', () => {
  test('leads out while it is attached', () => {
    expect(hopTo(toGateway(GATEWAY), { internetGateway: GATEWAY })).toEqual({ kind: 'uplink' });
  });

  test('is a black hole when the gateway is gone, or is another', () => {
    const other = { ...GATEWAY, internetGatewayId: newId('internetGateway') };
    expect(hopTo(toGateway(GATEWAY))).toEqual({ kind: 'nowhere' });
    expect(hopTo(toGateway(GATEWAY), { internetGateway: other })).toEqual({ kind: 'nowhere' });
  });
});

describe('a route to a NAT gateway', () => {
  const nat = natIn(FRONT, '198.51.100.7');
  const out = ownTable(FRONT, { '0.0.0.0/0': toGateway(GATEWAY) });
  const standing: Partial<VpcRecords> = {
    subnets: [out.subnet, BACK],
    internetGateway: GATEWAY,
    natGateways: [nat.gateway],
    addresses: [nat.address],
  };
  const from = (fields: Partial<VpcRecords>, destination = '0.0.0.0/0'): Hop | undefined =>
    routesFrom(
      BACK,
      specOf({
        ...standing,
        routeTables: [mainWith({ [destination]: nat.target }), out.table],
        ...fields,
      }),
    )[0]?.hop;

  test('leads out', () => {
    expect(from({})).toEqual({ kind: 'uplink' });
    expect(from({}, '203.0.113.0/24')).toEqual({ kind: 'uplink' });
  });

  test.each<[string, Partial<VpcRecords>]>([
    ['the gateway is gone', { natGateways: [] }],
    ['its address is gone', { addresses: [] }],
    ['its subnet is gone', { subnets: [BACK] }],
    ['the internet gateway is detached', { internetGateway: undefined }],
  ])('is a black hole when %s', (_, fields) => {
    expect(from(fields)).toEqual({ kind: 'nowhere' });
  });

  test('is a black hole when its own subnet has no way out', () => {
    const closed = ownTable(FRONT, {});
    expect(
      from({
        subnets: [closed.subnet, BACK],
        routeTables: [mainWith({ '0.0.0.0/0': nat.target }), closed.table],
      }),
    ).toEqual({ kind: 'nowhere' });
  });

  test('is a black hole when its own subnet comes back to it', () => {
    expect(from({ subnets: [FRONT, BACK], routeTables: [mainWith({ '0.0.0.0/0': nat.target })] })).toEqual({
      kind: 'nowhere',
    });
  });

  test('needs a way out to all of its destination', () => {
    const partly = ownTable(FRONT, { '203.0.113.0/24': toGateway(GATEWAY) });
    const fields = (destination: string): Partial<VpcRecords> => ({
      subnets: [partly.subnet, BACK],
      routeTables: [mainWith({ [destination]: nat.target }), partly.table],
    });
    for (const [destination, kind] of [
      ['203.0.113.0/24', 'uplink'],
      ['203.0.113.128/25', 'uplink'],
      ['203.0.112.0/23', 'nowhere'],
      ['0.0.0.0/0', 'nowhere'],
    ] as const)
      expect([destination, from(fields(destination))]).toEqual([destination, { kind }]);
  });
});

describe('a route to an interface', () => {
  const appliance = plug(BACK, '10.0.2.10', {
    networkInterface: { secondaryPrivateIpAddresses: ['10.0.2.11'], ipv6Addresses: ['fd00:1:2:302::10'] },
  });
  const target: RouteTarget = {
    kind: 'networkInterface',
    id: appliance.networkInterface.networkInterfaceId,
  };
  const plugged = { plugged: [appliance] };

  test('leads to its primary address of that family, where it is plugged in', () => {
    const bridge = bridgeOf(BACK.subnetId);
    expect(hopTo(target, plugged)).toEqual({ kind: 'machine', bridge, address: '10.0.2.10' });
    expect(hopTo(target, plugged, { destination: '::/0' })).toEqual({
      kind: 'machine',
      bridge,
      address: 'fd00:1:2:302::10',
    });
  });

  test('is a black hole while its instance does not run, and when it has no address of the family', () => {
    expect(hopTo(target)).toEqual({ kind: 'nowhere' });
    const single = { ...appliance.networkInterface, ipv6Addresses: [] };
    expect(
      hopTo(target, { plugged: [{ ...appliance, networkInterface: single }] }, { destination: '::/0' }),
    ).toEqual({ kind: 'nowhere' });
  });
});

describe('a route to a peering', () => {
  const peering = peeringWith();
  const target: RouteTarget = {
    kind: 'vpcPeeringConnection',
    id: peering.connection.vpcPeeringConnectionId,
  };
  const link = crossingLink(peering);

  test('leads through its link while that is there', () => {
    const there = { destination: '10.1.0.0/16', crossings: new Set([link]) };
    expect(hopTo(target, { peerings: [peering] }, there)).toEqual({ kind: 'crossing', link });
  });

  test('is a black hole when the peer has no network yet, or the peering is none any more', () => {
    expect(hopTo(target, { peerings: [peering] })).toEqual({ kind: 'nowhere' });
    expect(hopTo(target, {}, { destination: '10.1.0.0/16', crossings: new Set([link]) })).toEqual({
      kind: 'nowhere',
    });
  });
});

describe('a crossing', () => {
  test('has one name and one MAC at each end, whoever looks', () => {
    const mine = peeringWith();
    const [requester, accepter] = crossingMacs(mine);
    const link = crossingLink(mine);
    expect(link).toBe(linkName('pcx', mine.connection.vpcPeeringConnectionId));
    expect(requester).toMatch(/^02:fe(?::[0-9a-f]{2}){3}:01$/);
    expect(accepter).toBe(requester.replace(/:01$/, ':02'));
    expect(specOf({ peerings: [mine] }, new Set([link])).crossings).toEqual([{ link, peerMac: accepter }]);
    const theirs = routerSpec({
      records: recordsOf({ vpc: mine.peer, peerings: [{ ...mine, peer: VPC }] }),
      hostAddress: HOST,
      crossings: new Set([link]),
    });
    expect(theirs.crossings).toEqual([{ link, peerMac: requester }]);
  });

  test('is only where its link is', () => {
    const [one, other] = [peeringWith(), peeringWith({ isAccepter: true })];
    const crossings = new Set([crossingLink(other), 'pcx000000000000']);
    expect(specOf({ peerings: [one, other] }, crossings).crossings).toEqual([
      { link: crossingLink(other), peerMac: crossingMacs(other)[0] },
    ]);
  });
});

describe('the ways out of a subnet', () => {
  const nat = natIn(FRONT, '198.51.100.7', '169.254.112.7');
  const out = ownTable(FRONT, { '0.0.0.0/0': toGateway(GATEWAY) });

  test('are those that leave the VPC by the uplink, the longest block first', () => {
    const appliance = plug(BACK, '10.0.2.10');
    const peering = peeringWith();
    const own = ownTable(BACK, {
      '0.0.0.0/0': nat.target,
      '203.0.113.0/24': toGateway(GATEWAY),
      '203.0.113.128/25': nat.target,
      '192.0.2.0/24': { kind: 'networkInterface', id: appliance.networkInterface.networkInterfaceId },
      '10.1.0.0/16': { kind: 'vpcPeeringConnection', id: peering.connection.vpcPeeringConnectionId },
      '198.18.0.0/15': toGateway({ ...GATEWAY, internetGatewayId: newId('internetGateway') }),
    });
    const records = recordsOf({
      subnets: [out.subnet, own.subnet],
      routeTables: [MAIN, out.table, own.table],
      internetGateway: GATEWAY,
      natGateways: [nat.gateway],
      addresses: [nat.address],
      plugged: [appliance],
      peerings: [peering],
    });
    // What leaves through a NAT gateway has its address as the host knows it.
    expect(waysOut(records, own.subnet)).toEqual([
      { destination: '203.0.113.128/25', source: '169.254.112.7' },
      { destination: '203.0.113.0/24' },
      { destination: '0.0.0.0/0', source: '169.254.112.7' },
    ]);
    expect(waysOut(records, out.subnet)).toEqual([{ destination: '0.0.0.0/0' }]);
  });

  test('are none without routes, or when what they lead to is gone', () => {
    expect(waysOut(recordsOf(), FRONT)).toEqual([]);
    const lost = recordsOf({ routeTables: [mainWith({ '0.0.0.0/0': toGateway(GATEWAY) })] });
    expect(waysOut(lost, FRONT)).toEqual([]);
    expect(SINGLE.flatMap((subnet) => waysOut(lost, subnet))).toEqual([]);
  });
});
