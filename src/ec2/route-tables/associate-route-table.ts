import type { AssociateRouteTableRequest, AssociateRouteTableResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/**
 * EC2's AssociateRouteTable: a table of its own for a subnet. Throws `Resource.AlreadyAssociated` for a subnet that
 * has another one, `InvalidParameterValue` across VPCs.
 */
export async function associateRouteTable(
  ctx: Ec2Context,
  { RouteTableId = '', SubnetId, GatewayId, PublicIpv4Pool, DryRun }: AssociateRouteTableRequest,
): Promise<AssociateRouteTableResult> {
  if ((GatewayId ?? PublicIpv4Pool) !== undefined)
    throw new Ec2Error('UnsupportedOperation', 'Only subnets have route tables', { hint: 'SubnetId' });
  if (SubnetId === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter subnetId');
  const { vpcId, associationId } = transact(ctx.db, () => {
    const { routeTableId, ...table } = recordOf(ctx.db, 'routeTable', RouteTableId);
    const subnet = recordOf(ctx.db, 'subnet', SubnetId);
    if (table.vpcId !== subnet.vpcId)
      throw new Ec2Error(
        'InvalidParameterValue',
        `route table ${routeTableId} and subnet ${subnet.subnetId} belong to different networks`,
      );
    const present = subnet.routeTable;
    if (present !== null && present.routeTableId !== routeTableId)
      throw new Ec2Error(
        'Resource.AlreadyAssociated',
        `the specified association for route table ${routeTableId} conflicts with an existing association`,
        {
          hint: `${subnet.subnetId} uses ${present.routeTableId}: bonami route disassociate ${subnet.subnetId}`,
        },
      );
    const association = present ?? { associationId: newId('routeTableAssociation'), routeTableId };
    subnets.update(ctx.db, { ...subnet, routeTable: association });
    endDryRun({ DryRun });
    return { vpcId: subnet.vpcId, associationId: association.associationId };
  });
  await applyVpcNetwork(ctx, vpcId);
  return { AssociationId: associationId, AssociationState: { State: 'associated' } };
}
