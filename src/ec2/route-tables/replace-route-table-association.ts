import type {
  ReplaceRouteTableAssociationRequest,
  ReplaceRouteTableAssociationResult,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { subnets, vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { userOfAssociation } from './route-table-association.ts';

/** EC2's ReplaceRouteTableAssociation: another table for a subnet, or another main one for a VPC. */
export async function replaceRouteTableAssociation(
  ctx: Ec2Context,
  { AssociationId = '', RouteTableId = '', DryRun }: ReplaceRouteTableAssociationRequest,
): Promise<ReplaceRouteTableAssociationResult> {
  const { vpcId, associationId } = transact(ctx.db, () => {
    const user = userOfAssociation(ctx.db, AssociationId);
    const { routeTableId, vpcId: tableVpcId } = recordOf(ctx.db, 'routeTable', RouteTableId);
    const [noun, id] = 'vpc' in user ? ['network', user.vpc.vpcId] : ['subnet', user.subnet.subnetId];
    if (tableVpcId !== ('vpc' in user ? user.vpc.vpcId : user.subnet.vpcId))
      throw new Ec2Error(
        'InvalidParameterValue',
        `route table ${routeTableId} and ${noun} ${id} belong to different networks`,
      );
    const association = { associationId: newId('routeTableAssociation'), routeTableId };
    if ('vpc' in user) vpcs.update(ctx.db, { ...user.vpc, mainRouteTable: association });
    else subnets.update(ctx.db, { ...user.subnet, routeTable: association });
    endDryRun({ DryRun });
    return { vpcId: tableVpcId, associationId: association.associationId };
  });
  await applyVpcNetwork(ctx, vpcId);
  return { NewAssociationId: associationId, AssociationState: { State: 'associated' } };
}
