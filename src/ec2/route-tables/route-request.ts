// What CreateRoute, ReplaceRoute and DeleteRoute say: a destination, and a target for the first two.
import type { CreateRouteRequest, DeleteRouteRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { VpcId } from '../../core/ids.ts';
import { blockWithin, familyOf, UNUSABLE_IPV4 } from '../../core/ip.ts';
import type { Db } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { RouteTable, RouteTarget } from '../../store/route-tables.ts';
import { vpcs } from '../../store/vpcs.ts';
import { getInstance } from '../instances/resolve-instance.ts';
import { recordOf } from '../resource-kinds.ts';
import { canonicalCidr } from '../vpcs/cidr-block.ts';
import { blocksOf } from '../vpcs/router-spec.ts';

/** The destination in its canonical form. Throws `MissingParameter`, `InvalidParameterValue`. */
export function requestedDestination({
  DestinationCidrBlock,
  DestinationIpv6CidrBlock,
  DestinationPrefixListId,
}: DeleteRouteRequest): string {
  if (DestinationPrefixListId !== undefined)
    throw new Ec2Error('UnsupportedOperation', 'Routes to prefix lists are not supported', {
      hint: 'a route for each of its blocks',
    });
  if (DestinationCidrBlock !== undefined && DestinationIpv6CidrBlock !== undefined)
    throw new Ec2Error('InvalidParameterCombination', 'A route has one destination', {
      hint: 'destinationCidrBlock or destinationIpv6CidrBlock',
    });
  if (DestinationIpv6CidrBlock !== undefined)
    return canonicalCidr(DestinationIpv6CidrBlock, 'destinationIpv6CidrBlock', 6);
  if (DestinationCidrBlock === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter destinationCidrBlock', {
      hint: '0.0.0.0/0 is everywhere',
    });
  return canonicalCidr(DestinationCidrBlock, 'destinationCidrBlock', 4);
}

/**
 * What no route leads to: what answers here whatever a route says (AWS: "Route table concepts", reserved addresses),
 * and what is no network of machines. EC2 reserves less of 169.254.0.0/16; here the host is in there.
 */
const RESERVED = [
  ...UNUSABLE_IPV4.filter((block) => block !== '0.0.0.0/8'),
  'fd00:ec2::/32',
  'fe80::/10',
  'ff00::/8',
];

/** Refuses what lies within the VPC's own blocks or the reserved ones, as EC2 does. */
export function refuseLocalDestination(db: Db, { vpcId }: RouteTable, destination: string): void {
  const vpc = recordOf(db, 'vpc', vpcId);
  if (blocksOf(vpc).some((block) => blockWithin(destination, block)))
    throw new Ec2Error(
      'InvalidParameterValue',
      `The destination CIDR block ${destination} is equal to or more specific than one of this VPC's CIDR blocks.`,
      { hint: `${blocksOf(vpc).join(' and ')} are reached by the local routes` },
    );
  const reserved = RESERVED.find((block) => blockWithin(destination, block));
  if (reserved !== undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `The destination CIDR block ${destination} is within ${reserved}, which is reserved`,
    );
}

export function isLocalDestination(db: Db, { vpcId }: RouteTable, destination: string): boolean {
  const vpc = vpcs.get(db, vpcId);
  return vpc !== undefined && blocksOf(vpc).includes(destination);
}

/** The names of the targets that we have. */
const TARGETS = [
  'GatewayId',
  'NatGatewayId',
  'InstanceId',
  'NetworkInterfaceId',
  'VpcPeeringConnectionId',
] as const;
const FOREIGN_TARGETS = [
  'CarrierGatewayId',
  'CoreNetworkArn',
  'EgressOnlyInternetGatewayId',
  'LocalGatewayId',
  'TransitGatewayId',
  'VpcEndpointId',
] as const;

/**
 * The one target, which must be in the route table's VPC. A peering may still be pending: its route is a blackhole
 * until it is accepted (AWS: "Update your route tables for a VPC peering connection").
 */
export function requestedTarget(
  db: Db,
  table: RouteTable,
  destination: string,
  request: CreateRouteRequest,
): RouteTarget {
  const foreign = FOREIGN_TARGETS.find((name) => request[name] !== undefined);
  if (foreign !== undefined)
    throw new Ec2Error('UnsupportedOperation', `Routes to a ${foreign} are not supported`, {
      hint: `one of ${TARGETS.join(', ')}`,
    });
  const [name, ...others] = TARGETS.filter((each) => request[each] !== undefined);
  if (name === undefined || others.length > 0)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `The request must contain exactly one of ${TARGETS.join(', ')}`,
    );
  const id = request[name] ?? '';
  switch (name) {
    case 'GatewayId':
      return internetGateway(db, table, id);
    case 'NatGatewayId':
      return natGateway(db, table, destination, id);
    case 'VpcPeeringConnectionId':
      return peering(db, table, id);
    case 'InstanceId':
      return networkInterface(db, table, onlyInterfaceOf(db, id));
    case 'NetworkInterfaceId':
      return networkInterface(db, table, id);
  }
}

function internetGateway(db: Db, table: RouteTable, id: string): RouteTarget {
  const { internetGatewayId, vpcId } = recordOf(db, 'internetGateway', id);
  refuseOtherVpc(table, 'network gateway', id, [vpcId], `bonami igw attach ${id} ${table.vpcId}`);
  return { kind: 'internetGateway', id: internetGatewayId };
}

function natGateway(db: Db, table: RouteTable, destination: string, id: string): RouteTarget {
  const { natGatewayId, vpcId } = recordOf(db, 'natGateway', id);
  refuseOtherVpc(table, 'NAT gateway', id, [vpcId]);
  if (familyOf(destination) === 6)
    throw new Ec2Error('InvalidParameterValue', `The NAT gateway ${id} carries IPv4 only`, {
      hint: 'an internet gateway as the target of IPv6',
    });
  return { kind: 'natGateway', id: natGatewayId };
}

function peering(db: Db, table: RouteTable, id: string): RouteTarget {
  const { vpcPeeringConnectionId, requesterVpcId, accepterVpcId } = recordOf(db, 'vpcPeeringConnection', id);
  refuseOtherVpc(table, 'VPC peering connection', id, [requesterVpcId, accepterVpcId]);
  return { kind: 'vpcPeeringConnection', id: vpcPeeringConnectionId };
}

function networkInterface(db: Db, table: RouteTable, id: string): RouteTarget {
  const { networkInterfaceId, vpcId, interfaceType } = recordOf(db, 'networkInterface', id);
  refuseOtherVpc(table, 'interface', id, [vpcId]);
  if (interfaceType !== 'interface')
    throw new Ec2Error('InvalidParameterValue', `The interface ${id} belongs to a NAT gateway`, {
      hint: 'the NAT gateway itself as the target: bonami nat ls',
    });
  return { kind: 'networkInterface', id: networkInterfaceId };
}

function onlyInterfaceOf(db: Db, id: string): string {
  const { instanceId } = getInstance(db, id);
  const [first, ...others] = networkInterfaces.listBy(db, 'instance_id', instanceId);
  if (first === undefined || others.length > 0)
    throw new Ec2Error(
      'InvalidInstanceID',
      first === undefined
        ? `There are no interfaces attached to instance '${instanceId}'.`
        : `There are multiple interfaces attached to instance '${instanceId}'. Please specify an interface ID for the operation instead.`,
      { hint: 'bonami eni ls' },
    );
  return first.networkInterfaceId;
}

function refuseOtherVpc(
  { routeTableId, vpcId }: RouteTable,
  noun: string,
  id: string,
  networks: readonly (VpcId | null)[],
  hint?: string,
): void {
  if (!networks.includes(vpcId))
    throw new Ec2Error(
      'InvalidParameterValue',
      `route table ${routeTableId} and ${noun} ${id} belong to different networks`,
      hint === undefined ? {} : { hint },
    );
}
