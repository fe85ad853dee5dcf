import { Ec2Error } from '../core/errors.ts';
import { ID_PREFIXES, isId, type ResourceId } from '../core/ids.ts';
import { addresses, type Address } from '../store/addresses.ts';
import type { Db } from '../store/database.ts';
import {
  internetGateways,
  natGateways,
  vpcPeeringConnections,
  type InternetGateway,
  type NatGateway,
  type VpcPeeringConnection,
} from '../store/gateways.ts';
import { networkAcls, type NetworkAcl } from '../store/network-acls.ts';
import { networkInterfaces, type NetworkInterface } from '../store/network-interfaces.ts';
import { routeTables, type RouteTable } from '../store/route-tables.ts';
import {
  prefixLists,
  securityGroups,
  type PrefixList,
  type SecurityGroup,
} from '../store/security-groups.ts';
import type { Table } from '../store/table.ts';
import { dhcpOptionSets, subnets, vpcs, type DhcpOptions, type Subnet, type Vpc } from '../store/vpcs.ts';

/** What networks consist of. */
export interface NetworkRecords {
  readonly address: Address;
  readonly dhcpOptions: DhcpOptions;
  readonly internetGateway: InternetGateway;
  readonly natGateway: NatGateway;
  readonly networkAcl: NetworkAcl;
  readonly networkInterface: NetworkInterface;
  readonly prefixList: PrefixList;
  readonly routeTable: RouteTable;
  readonly securityGroup: SecurityGroup;
  readonly subnet: Subnet;
  readonly vpc: Vpc;
  readonly vpcPeeringConnection: VpcPeeringConnection;
}
export type NetworkKind = keyof NetworkRecords;

interface KindFacts<R> {
  readonly table: Table<R>;
  readonly idOf: (record: R) => string;
  /** As people say it. */
  readonly noun: string;
  /** EC2's codes, whose spelling follows no rule (AWS: "Error codes for the Amazon EC2 API"). */
  readonly malformed: string;
  readonly notFound: string;
  readonly missing: (id: string) => string;
  /** The command that lists them. */
  readonly list: string;
  /** What it is called beside its id and its Name tag. */
  readonly names?: (record: R) => readonly string[];
}

/** The facts of every kind, by which ids and names are looked up. */
export const NETWORK_KINDS: { readonly [K in NetworkKind]: KindFacts<NetworkRecords[K]> } = {
  address: {
    table: addresses,
    idOf: ({ allocationId }) => allocationId,
    noun: 'elastic address',
    malformed: 'InvalidAllocationID.NotFound',
    notFound: 'InvalidAllocationID.NotFound',
    missing: (id) => `The allocation ID '${id}' does not exist`,
    list: 'bonami eip ls',
    names: ({ publicIp }) => [publicIp],
  },
  dhcpOptions: {
    table: dhcpOptionSets,
    idOf: ({ dhcpOptionsId }) => dhcpOptionsId,
    noun: 'set of DHCP options',
    malformed: 'InvalidDhcpOptionsId.Malformed',
    notFound: 'InvalidDhcpOptionID.NotFound',
    missing: (id) => `The dhcpOption ID '${id}' does not exist`,
    list: 'bonami dhcp ls',
  },
  internetGateway: {
    table: internetGateways,
    idOf: ({ internetGatewayId }) => internetGatewayId,
    noun: 'internet gateway',
    malformed: 'InvalidInternetGatewayId.Malformed',
    notFound: 'InvalidInternetGatewayID.NotFound',
    missing: (id) => `The internetGateway ID '${id}' does not exist`,
    list: 'bonami igw ls',
  },
  natGateway: {
    table: natGateways,
    idOf: ({ natGatewayId }) => natGatewayId,
    noun: 'NAT gateway',
    malformed: 'NatGatewayMalformed',
    notFound: 'NatGatewayNotFound',
    missing: (id) => `NAT gateway ${id} was not found`,
    list: 'bonami nat ls',
  },
  networkAcl: {
    table: networkAcls,
    idOf: ({ networkAclId }) => networkAclId,
    noun: 'network ACL',
    malformed: 'InvalidNetworkAclId.Malformed',
    notFound: 'InvalidNetworkAclID.NotFound',
    missing: (id) => `The networkAcl ID '${id}' does not exist`,
    list: 'bonami acl ls',
  },
  networkInterface: {
    table: networkInterfaces,
    idOf: ({ networkInterfaceId }) => networkInterfaceId,
    noun: 'network interface',
    malformed: 'InvalidNetworkInterfaceId.Malformed',
    notFound: 'InvalidNetworkInterfaceID.NotFound',
    missing: (id) => `The networkInterface ID '${id}' does not exist`,
    list: 'bonami eni ls',
  },
  prefixList: {
    table: prefixLists,
    idOf: ({ prefixListId }) => prefixListId,
    noun: 'prefix list',
    malformed: 'InvalidPrefixListId.Malformed',
    notFound: 'InvalidPrefixListID.NotFound',
    missing: (id) => `The prefix list ID '${id}' does not exist`,
    list: 'bonami prefix-list ls',
    names: ({ prefixListName }) => [prefixListName],
  },
  routeTable: {
    table: routeTables,
    idOf: ({ routeTableId }) => routeTableId,
    noun: 'route table',
    malformed: 'InvalidRouteTableId.Malformed',
    notFound: 'InvalidRouteTableID.NotFound',
    missing: (id) => `The routeTable ID '${id}' does not exist`,
    list: 'bonami route ls',
  },
  securityGroup: {
    table: securityGroups,
    idOf: ({ groupId }) => groupId,
    noun: 'security group',
    malformed: 'InvalidGroupId.Malformed',
    notFound: 'InvalidGroup.NotFound',
    missing: (id) => `The security group '${id}' does not exist`,
    list: 'bonami sg ls',
    names: ({ groupName }) => [groupName],
  },
  subnet: {
    table: subnets,
    idOf: ({ subnetId }) => subnetId,
    noun: 'subnet',
    malformed: 'InvalidSubnetID.Malformed',
    notFound: 'InvalidSubnetID.NotFound',
    missing: (id) => `The subnet ID '${id}' does not exist`,
    list: 'bonami subnet ls',
  },
  vpc: {
    table: vpcs,
    idOf: ({ vpcId }) => vpcId,
    noun: 'VPC',
    malformed: 'InvalidVpcID.Malformed',
    notFound: 'InvalidVpcID.NotFound',
    missing: (id) => `The vpc ID '${id}' does not exist`,
    list: 'bonami vpc ls',
    names: ({ isDefault }) => (isDefault ? ['default'] : []),
  },
  vpcPeeringConnection: {
    table: vpcPeeringConnections,
    idOf: ({ vpcPeeringConnectionId }) => vpcPeeringConnectionId,
    noun: 'peering connection',
    malformed: 'InvalidVpcPeeringConnectionId.Malformed',
    notFound: 'InvalidVpcPeeringConnectionID.NotFound',
    missing: (id) => `The vpcPeeringConnection ID '${id}' does not exist`,
    list: 'bonami peering ls',
  },
};

/** The record of exactly this id. Throws its kind's `….Malformed` or `….NotFound`. */
export function recordOf<K extends NetworkKind>(db: Db, kind: K, id: string): NetworkRecords[K] {
  const { table, notFound, missing, list } = NETWORK_KINDS[kind];
  const record = table.get(db, checkedId(kind, id));
  if (record === undefined) throw new Ec2Error(notFound, missing(id), { hint: list });
  return record;
}

/** The records of these ids, all when there are none. Forms are judged before existence, as EC2 does. */
export function recordsOf<K extends NetworkKind>(
  db: Db,
  kind: K,
  ids: readonly string[],
): readonly NetworkRecords[K][] {
  const { table, idOf } = NETWORK_KINDS[kind];
  for (const id of ids) checkedId(kind, id);
  for (const id of ids) recordOf(db, kind, id);
  return table.list(db).filter((record) => ids.length === 0 || ids.includes(idOf(record)));
}

function checkedId<K extends NetworkKind>(kind: K, id: string): ResourceId<K> {
  if (isId(kind, id)) return id;
  const { malformed, notFound, missing, list } = NETWORK_KINDS[kind];
  const message =
    malformed === notFound ? missing(id) : `Invalid id: "${id}" (expecting "${ID_PREFIXES[kind]}-...")`;
  throw new Ec2Error(malformed, message, { hint: list });
}
