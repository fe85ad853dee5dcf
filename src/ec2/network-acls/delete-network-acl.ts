import type { DeleteNetworkAclRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkAcls } from '../../store/network-acls.ts';
import { removeTags } from '../../store/tags.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { dependencyViolation } from '../dependency-violation.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';

/** EC2's DeleteNetworkAcl. Throws `InvalidParameterValue` for a default one, `DependencyViolation` while subnets use it. */
export function deleteNetworkAcl(
  { db }: Ec2Context,
  { NetworkAclId: wanted = '', DryRun }: DeleteNetworkAclRequest,
): Record<string, never> {
  transact(db, () => {
    const { networkAclId, vpcId, isDefault } = recordOf(db, 'networkAcl', wanted);
    if (isDefault)
      throw new Ec2Error('InvalidParameterValue', `cannot delete default network ACL ${networkAclId}`, {
        hint: `it goes with its VPC: bonami vpc rm ${vpcId}`,
      });
    const users = subnets.listBy(db, 'network_acl_id', networkAclId).map(({ subnetId }) => subnetId);
    if (users.length > 0)
      throw dependencyViolation('networkAcl', networkAclId, users, `bonami acl associate ${users[0]} ACL`);
    removeTags(db, networkAclId);
    networkAcls.remove(db, networkAclId);
    endDryRun({ DryRun });
  });
  return {};
}
