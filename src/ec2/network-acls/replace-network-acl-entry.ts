import type { ReplaceNetworkAclEntryRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { networkAcls } from '../../store/network-acls.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcRules } from '../vpcs/network.ts';
import { withoutEntry } from './without-entry.ts';
import { requestedEntry } from './requested-entry.ts';

/** EC2's ReplaceNetworkAclEntry: the whole entry of a number. Throws `InvalidNetworkAclEntry.NotFound`. */
export async function replaceNetworkAclEntry(
  ctx: Ec2Context,
  request: ReplaceNetworkAclEntryRequest,
): Promise<Record<string, never>> {
  const entry = requestedEntry(request);
  const { vpcId } = transact(ctx.db, () => {
    const acl = recordOf(ctx.db, 'networkAcl', request.NetworkAclId ?? '');
    networkAcls.update(ctx.db, { ...acl, entries: [...withoutEntry(acl, entry), entry] });
    endDryRun(request);
    return acl;
  });
  await applyVpcRules(ctx, vpcId);
  return {};
}
