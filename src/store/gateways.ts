import * as z from 'zod';
import { Ec2Error } from '../core/errors.ts';
import type { Db } from './database.ts';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';
import type { Vpc } from './vpcs.ts';

const internetGateway = z.strictObject({
  internetGatewayId: idOf('internetGateway'),
  /** Where it is attached. */
  vpcId: idOf('vpc').nullable(),
});

const natGateway = z.strictObject({
  natGatewayId: idOf('natGateway'),
  vpcId: idOf('vpc'),
  subnetId: idOf('subnet'),
  networkInterfaceId: idOf('networkInterface'),
  /** The elastic address that traffic leaves with. */
  allocationId: idOf('address'),
  createTime: timestamp,
  clientToken: z.string().nullable(),
});

const vpcPeeringConnection = z.strictObject({
  vpcPeeringConnectionId: idOf('vpcPeeringConnection'),
  requesterVpcId: idOf('vpc'),
  accepterVpcId: idOf('vpc'),
  status: z.enum(['pending-acceptance', 'active']),
  createTime: timestamp,
});

/** EC2's InternetGateway, NatGateway and VpcPeeringConnection: the ways from a VPC to elsewhere. */
export type InternetGateway = z.infer<typeof internetGateway>;
export type NatGateway = z.infer<typeof natGateway>;
export type VpcPeeringConnection = z.infer<typeof vpcPeeringConnection>;

export const internetGateways = table<InternetGateway>({
  name: 'internet_gateways',
  schema: internetGateway,
  id: ({ internetGatewayId }) => internetGatewayId,
  columns: ({ vpcId }) => ({ vpc_id: vpcId }),
  duplicate: ({ vpcId }) =>
    new Ec2Error('Resource.AlreadyAssociated', `Network ${vpcId} already has an internet gateway attached`),
});

export const natGateways = table<NatGateway>({
  name: 'nat_gateways',
  schema: natGateway,
  id: ({ natGatewayId }) => natGatewayId,
  columns: ({ vpcId, subnetId, networkInterfaceId, allocationId, clientToken }) => ({
    vpc_id: vpcId,
    subnet_id: subnetId,
    interface_id: networkInterfaceId,
    allocation_id: allocationId,
    client_token: clientToken,
  }),
});

export const vpcPeeringConnections = table<VpcPeeringConnection>({
  name: 'vpc_peering_connections',
  schema: vpcPeeringConnection,
  id: ({ vpcPeeringConnectionId }) => vpcPeeringConnectionId,
  columns: ({ requesterVpcId, accepterVpcId }) => ({
    requester_vpc_id: requesterVpcId,
    accepter_vpc_id: accepterVpcId,
  }),
});

/** Every peering that a VPC has, pending or active. */
export function peeringsOf(db: Db, vpcId: Vpc['vpcId']): readonly VpcPeeringConnection[] {
  return ['requester_vpc_id', 'accepter_vpc_id'].flatMap((side) =>
    vpcPeeringConnections.listBy(db, side, vpcId),
  );
}
