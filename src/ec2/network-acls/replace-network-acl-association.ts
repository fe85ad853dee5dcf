import type {
  ReplaceNetworkAclAssociationRequest,
  ReplaceNetworkAclAssociationResult,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcRules } from '../vpcs/network.ts';

/** EC2's ReplaceNetworkAclAssociation: a subnet always has one. Throws `InvalidAssociationID.NotFound`. */
export async function replaceNetworkAclAssociation(
  ctx: Ec2Context,
  { AssociationId = '', NetworkAclId = '', DryRun }: ReplaceNetworkAclAssociationRequest,
): Promise<ReplaceNetworkAclAssociationResult> {
  const { vpcId, associationId } = transact(ctx.db, () => {
    const subnet = subnets.list(ctx.db).find(({ networkAcl }) => networkAcl.associationId === AssociationId);
    if (subnet === undefined)
      throw new Ec2Error(
        'InvalidAssociationID.NotFound',
        `The association ID '${AssociationId}' does not exist`,
        { hint: 'bonami acl ls --json' },
      );
    const { networkAclId, ...acl } = recordOf(ctx.db, 'networkAcl', NetworkAclId);
    if (acl.vpcId !== subnet.vpcId)
      throw new Ec2Error(
        'InvalidParameterValue',
        `network ACL ${networkAclId} and subnet ${subnet.subnetId} belong to different networks`,
      );
    const association = { associationId: newId('networkAclAssociation'), networkAclId };
    subnets.update(ctx.db, { ...subnet, networkAcl: association });
    endDryRun({ DryRun });
    return { vpcId: subnet.vpcId, associationId: association.associationId };
  });
  await applyVpcRules(ctx, vpcId);
  return { NewAssociationId: associationId };
}
