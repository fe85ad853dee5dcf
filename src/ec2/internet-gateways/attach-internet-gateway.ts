import type { AttachInternetGatewayRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { internetGateways } from '../../store/gateways.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/** EC2's AttachInternetGateway: one gateway a VPC, one VPC a gateway. Throws `Resource.AlreadyAssociated`. */
export async function attachInternetGateway(
  ctx: Ec2Context,
  { InternetGatewayId: wanted = '', VpcId = '', DryRun }: AttachInternetGatewayRequest,
): Promise<Record<string, never>> {
  const vpcId = transact(ctx.db, () => {
    const gateway = recordOf(ctx.db, 'internetGateway', wanted);
    const { vpcId: id } = recordOf(ctx.db, 'vpc', VpcId);
    if (gateway.vpcId !== null)
      throw new Ec2Error(
        'Resource.AlreadyAssociated',
        `resource ${gateway.internetGatewayId} is already attached to network ${gateway.vpcId}`,
        { hint: `bonami igw detach ${gateway.internetGatewayId}` },
      );
    internetGateways.update(ctx.db, { ...gateway, vpcId: id });
    endDryRun({ DryRun });
    return id;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
