import type { DisassociateRouteTableRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { userOfAssociation } from './route-table-association.ts';

/** EC2's DisassociateRouteTable: the VPC's main table counts again. Throws `InvalidParameterValue` for the main one itself. */
export async function disassociateRouteTable(
  ctx: Ec2Context,
  { AssociationId = '', DryRun }: DisassociateRouteTableRequest,
): Promise<Record<string, never>> {
  const vpcId = transact(ctx.db, () => {
    const user = userOfAssociation(ctx.db, AssociationId);
    if ('vpc' in user)
      throw new Ec2Error(
        'InvalidParameterValue',
        `cannot disassociate the main route table association ${AssociationId}`,
        { hint: `bonami route associate ${user.vpc.vpcId} TABLE` },
      );
    subnets.update(ctx.db, { ...user.subnet, routeTable: null });
    endDryRun({ DryRun });
    return user.subnet.vpcId;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
