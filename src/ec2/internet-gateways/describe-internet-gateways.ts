import type { DescribeInternetGatewaysRequest, DescribeInternetGatewaysResult } from '@aws-sdk/client-ec2';
import type { InternetGateway } from '../../store/gateways.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';
import { ec2InternetGateway } from './ec2-internet-gateway.ts';

/** EC2's DescribeInternetGateways. Throws `InvalidInternetGatewayID.NotFound`. */
export async function describeInternetGateways(
  ctx: Ec2Context,
  { InternetGatewayIds = [], Filters = [] }: DescribeInternetGatewaysRequest,
): Promise<DescribeInternetGatewaysResult> {
  await ensureDefaultVpc(ctx);
  const tests = filterTests<InternetGateway>(Filters, {
    'attachment.state': ({ vpcId }) => (vpcId === null ? [] : 'available'),
    'attachment.vpc-id': ({ vpcId }) => vpcId ?? [],
    'internet-gateway-id': ({ internetGatewayId }) => internetGatewayId,
    'owner-id': () => ctx.ownerId,
    ...tagFilters<InternetGateway>(ctx.db, ({ internetGatewayId }) => internetGatewayId),
  });
  return {
    InternetGateways: recordsOf(ctx.db, 'internetGateway', InternetGatewayIds)
      .filter((gateway) => tests.every((test) => test(gateway)))
      .map((gateway) => ec2InternetGateway(ctx, gateway)),
  };
}
