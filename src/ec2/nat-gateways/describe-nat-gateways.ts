import type { DescribeNatGatewaysRequest, DescribeNatGatewaysResult } from '@aws-sdk/client-ec2';
import type { NatGateway } from '../../store/gateways.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ec2NatGateway } from './ec2-nat-gateway.ts';

/** EC2's DescribeNatGateways; its filters are called `Filter`. Throws `NatGatewayNotFound`. */
export function describeNatGateways(
  ctx: Ec2Context,
  { NatGatewayIds = [], Filter = [] }: DescribeNatGatewaysRequest,
): DescribeNatGatewaysResult {
  const tests = filterTests<NatGateway>(Filter, {
    'nat-gateway-id': ({ natGatewayId }) => natGatewayId,
    state: () => 'available',
    'subnet-id': ({ subnetId }) => subnetId,
    'vpc-id': ({ vpcId }) => vpcId,
    ...tagFilters<NatGateway>(ctx.db, ({ natGatewayId }) => natGatewayId),
  });
  return {
    NatGateways: recordsOf(ctx.db, 'natGateway', NatGatewayIds)
      .filter((gateway) => tests.every((test) => test(gateway)))
      .map((gateway) => ec2NatGateway(ctx, gateway)),
  };
}
