import type { CreateNetworkAclEntryRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkAcls } from '../../store/network-acls.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcRules } from '../vpcs/network.ts';
import { requestedEntry } from './requested-entry.ts';

/** EC2's CreateNetworkAclEntry. Throws `NetworkAclEntryAlreadyExists` for a number that its direction has. */
export async function createNetworkAclEntry(
  ctx: Ec2Context,
  request: CreateNetworkAclEntryRequest,
): Promise<Record<string, never>> {
  const entry = requestedEntry(request);
  const { vpcId } = transact(ctx.db, () => {
    const acl = recordOf(ctx.db, 'networkAcl', request.NetworkAclId ?? '');
    if (acl.entries.some((each) => each.ruleNumber === entry.ruleNumber && each.egress === entry.egress))
      throw new Ec2Error(
        'NetworkAclEntryAlreadyExists',
        `The network acl entry identified by ${entry.ruleNumber} already exists.`,
        { hint: `another number, or bonami acl replace ${acl.networkAclId} ${entry.ruleNumber}` },
      );
    networkAcls.update(ctx.db, { ...acl, entries: [...acl.entries, entry] });
    endDryRun(request);
    return acl;
  });
  await applyVpcRules(ctx, vpcId);
  return {};
}
