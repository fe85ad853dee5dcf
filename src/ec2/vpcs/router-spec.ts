// The router that a VPC is: EC2's words in, bridges, routes and ports out. Pure.
import { addressAt, parseCidr } from '../../core/cidr.ts';
import { blockWithin, familyOf, addressAt6, parseCidr6, prefixOf } from '../../core/ip.ts';
import { linkName } from '../../core/link-name.ts';
import type { WayOut } from '../../host/firewall/ruleset.ts';
import type { Crossing, Hop, Port, Router, SegmentRoute } from '../../host/link/router.ts';
import { addressesOf, type NetworkInterface } from '../../store/network-interfaces.ts';
import type { Route, RouteTable } from '../../store/route-tables.ts';
import type { Subnet, Vpc } from '../../store/vpcs.ts';
import { networkLimit } from '../instance-types/network-limit.ts';
import { queuePairs } from '../instances/queue-pairs.ts';
import type { Peering, PluggedInterface, VpcRecords } from './vpc-records.ts';

/** Where the instance metadata service is (AWS: "Instance metadata"). */
export const METADATA_ADDRESS = '169.254.169.254';

export interface RouterParts {
  readonly records: VpcRecords;
  readonly hostAddress: string;
  /** Links to other routers that are there. */
  readonly crossings: ReadonlySet<string>;
}

export function routerSpec({ records, hostAddress, crossings }: RouterParts): Router {
  const { vpc } = records;
  return {
    blocks: blocksOf(vpc),
    serviceAddresses: [resolverAddress(vpc), '169.254.169.253', METADATA_ADDRESS],
    hostAddress,
    segments: records.subnets.map((subnet) => ({
      bridge: bridgeOf(subnet.subnetId),
      mac: bridgeMac(subnet.subnetId),
      gateways: gatewaysOf(subnet),
      table: routingTable(subnet),
      routes: routesOf(records, subnet, crossings),
    })),
    ports: records.plugged.map(portOf),
    crossings: records.peerings
      .map((peering) => crossingOf(peering, vpc))
      .filter(({ link }) => crossings.has(link)),
  };
}

/** The VPC's blocks, IPv4 first. */
export function blocksOf({ cidrBlock, ipv6 }: Vpc): readonly string[] {
  return [cidrBlock, ...(ipv6 === null ? [] : [ipv6.cidrBlock])];
}

/** EC2's resolver: the network's address plus two (AWS: "Amazon DNS server"). */
export function resolverAddress({ cidrBlock }: Vpc): string {
  return addressAt(parseCidr(cidrBlock), 2);
}

export function bridgeOf(subnetId: string): string {
  return linkName('snt', subnetId);
}

/** The router's MAC in a subnet: the same whenever it is built, for guests remember it. */
export function bridgeMac(subnetId: string): string {
  return `02:ff:${pairs(bridgeOf(subnetId).slice(3, 11))}`;
}

export function tapOf({ networkInterfaceId }: NetworkInterface): string {
  return linkName('eni', networkInterfaceId);
}

export function crossingLink({ connection }: Pick<Peering, 'connection'>): string {
  return linkName('pcx', connection.vpcPeeringConnectionId);
}

/** MACs of a peering's two ends, the requester's first. */
export function crossingMacs({ connection }: Pick<Peering, 'connection'>): readonly [string, string] {
  const digits = pairs(crossingLink({ connection }).slice(3, 9));
  return [`02:fe:${digits}:01`, `02:fe:${digits}:02`];
}

function crossingOf(peering: Peering, { vpcId }: Vpc): Crossing {
  const [requester, accepter] = crossingMacs(peering);
  const isRequester = peering.connection.requesterVpcId === vpcId;
  return { link: crossingLink(peering), peerMac: isRequester ? accepter : requester };
}

/** The subnet's first address, in either family (AWS: "Subnet CIDR blocks"). */
function gatewaysOf({ cidrBlock, ipv6 }: Subnet): readonly string[] {
  const cidr = parseCidr(cidrBlock);
  return [
    `${addressAt(cidr, 1)}/${cidr.prefix}`,
    ...(ipv6 === null ? [] : [`${addressAt6(parseCidr6(ipv6.cidrBlock), 1n)}/64`]),
  ];
}

/** A number above all that distributions name (/etc/iproute2/rt_tables), the same for a subnet's whole life. */
function routingTable({ subnetId }: Subnet): number {
  return 0x1000_0000 + parseInt(bridgeOf(subnetId).slice(3, 10), 16);
}

function portOf({ networkInterface, instance }: PluggedInterface): Port {
  const bitsPerSecond = networkLimit(instance);
  return {
    tap: tapOf(networkInterface),
    bridge: bridgeOf(networkInterface.subnetId),
    mac: networkInterface.macAddress,
    addresses: addressesOf(networkInterface),
    uid: instance.uid ?? 0,
    queues: queuePairs(instance),
    ...(bitsPerSecond === undefined ? {} : { bitsPerSecond }),
  };
}

/** The route table of a subnet: its own, or the VPC's main one. */
export function routeTableOf({ vpc, routeTables }: VpcRecords, subnet: Subnet): RouteTable | undefined {
  const { routeTableId } = subnet.routeTable ?? vpc.mainRouteTable;
  return routeTables.find((each) => each.routeTableId === routeTableId);
}

function routesOf(
  records: VpcRecords,
  subnet: Subnet,
  crossings: ReadonlySet<string>,
): readonly SegmentRoute[] {
  return (routeTableOf(records, subnet)?.routes ?? []).map((route) => ({
    destination: route.destination,
    hop: hopOf(records, route, crossings),
  }));
}

function hopOf(records: VpcRecords, { destination, target }: Route, crossings: ReadonlySet<string>): Hop {
  switch (target.kind) {
    case 'internetGateway':
      return { kind: isAttached(records, target.id) ? 'uplink' : 'nowhere' };
    case 'natGateway':
      return { kind: natSource(records, target.id, destination) === undefined ? 'nowhere' : 'uplink' };
    case 'networkInterface': {
      const plugged = records.plugged.find(
        ({ networkInterface }) => networkInterface.networkInterfaceId === target.id,
      );
      const address = plugged && addressOf(plugged.networkInterface, familyOf(destination));
      return plugged === undefined || address === undefined
        ? { kind: 'nowhere' }
        : { kind: 'machine', bridge: bridgeOf(plugged.networkInterface.subnetId), address };
    }
    case 'vpcPeeringConnection': {
      const link = linkName('pcx', target.id);
      return crossings.has(link) && records.peerings.some((peering) => crossingLink(peering) === link)
        ? { kind: 'crossing', link }
        : { kind: 'nowhere' };
    }
  }
}

function addressOf(each: NetworkInterface, family: 4 | 6): string | undefined {
  return family === 4 ? each.privateIpAddress : each.ipv6Addresses[0];
}

function isAttached({ internetGateway }: VpcRecords, id: string): boolean {
  return internetGateway?.internetGatewayId === id;
}

/** The address that a NAT gateway speaks with; undefined where its own subnet has no way to the destination. */
function natSource(records: VpcRecords, natGatewayId: string, destination: string): string | undefined {
  const gateway = records.natGateways.find((each) => each.natGatewayId === natGatewayId);
  const subnet = records.subnets.find(({ subnetId }) => subnetId === gateway?.subnetId);
  const table = subnet && routeTableOf(records, subnet);
  const isPublic = table?.routes.some(
    ({ destination: block, target }) =>
      target.kind === 'internetGateway' && isAttached(records, target.id) && blockWithin(destination, block),
  );
  if (isPublic !== true) return undefined;
  return records.addresses.find(({ allocationId }) => allocationId === gateway?.allocationId)?.carrierIp;
}

/** Where a subnet's traffic leaves the VPC and with which address, the longest block first. */
export function waysOut(records: VpcRecords, subnet: Subnet): readonly WayOut[] {
  const none: ReadonlySet<string> = new Set();
  return (routeTableOf(records, subnet)?.routes ?? [])
    .filter((route) => hopOf(records, route, none).kind === 'uplink')
    .map(({ destination, target }) => {
      const source = target.kind === 'natGateway' ? natSource(records, target.id, destination) : undefined;
      return { destination, ...(source === undefined ? {} : { source }) };
    })
    .sort((a, b) => prefixOf(b.destination) - prefixOf(a.destination));
}

/** `0a1b2c` as `0a:1b:2c`. */
function pairs(digits: string): string {
  return (digits.match(/../g) ?? []).join(':');
}
