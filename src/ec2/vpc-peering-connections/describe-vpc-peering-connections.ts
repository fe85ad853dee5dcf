import type {
  DescribeVpcPeeringConnectionsRequest,
  DescribeVpcPeeringConnectionsResult,
} from '@aws-sdk/client-ec2';
import type { VpcPeeringConnection } from '../../store/gateways.ts';
import { vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ec2VpcPeeringConnection, statusMessage } from './ec2-vpc-peering-connection.ts';

/** EC2's DescribeVpcPeeringConnections. Throws `InvalidVpcPeeringConnectionID.NotFound`. */
export function describeVpcPeeringConnections(
  ctx: Ec2Context,
  { VpcPeeringConnectionIds = [], Filters = [] }: DescribeVpcPeeringConnectionsRequest,
): DescribeVpcPeeringConnectionsResult {
  const blockOf = (vpcId: string): string | readonly string[] => vpcs.get(ctx.db, vpcId)?.cidrBlock ?? [];
  const tests = filterTests<VpcPeeringConnection>(Filters, {
    'accepter-vpc-info.cidr-block': ({ accepterVpcId }) => blockOf(accepterVpcId),
    'accepter-vpc-info.owner-id': () => ctx.ownerId,
    'accepter-vpc-info.vpc-id': ({ accepterVpcId }) => accepterVpcId,
    'requester-vpc-info.cidr-block': ({ requesterVpcId }) => blockOf(requesterVpcId),
    'requester-vpc-info.owner-id': () => ctx.ownerId,
    'requester-vpc-info.vpc-id': ({ requesterVpcId }) => requesterVpcId,
    'status-code': ({ status }) => status,
    'status-message': (peering) => statusMessage(ctx, peering),
    'vpc-peering-connection-id': ({ vpcPeeringConnectionId }) => vpcPeeringConnectionId,
    ...tagFilters<VpcPeeringConnection>(ctx.db, ({ vpcPeeringConnectionId }) => vpcPeeringConnectionId),
  });
  return {
    VpcPeeringConnections: recordsOf(ctx.db, 'vpcPeeringConnection', VpcPeeringConnectionIds)
      .filter((peering) => tests.every((test) => test(peering)))
      .map((peering) => ec2VpcPeeringConnection(ctx, peering)),
  };
}
