import type { DeleteNetworkAclEntryRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { networkAcls } from '../../store/network-acls.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcRules } from '../vpcs/network.ts';
import { checkedRuleNumber } from './requested-entry.ts';
import { withoutEntry } from './without-entry.ts';

/** EC2's DeleteNetworkAclEntry. Throws `InvalidNetworkAclEntry.NotFound`. */
export async function deleteNetworkAclEntry(
  ctx: Ec2Context,
  { NetworkAclId = '', RuleNumber, Egress = false, DryRun }: DeleteNetworkAclEntryRequest,
): Promise<Record<string, never>> {
  const ruleNumber = checkedRuleNumber(RuleNumber);
  const { vpcId } = transact(ctx.db, () => {
    const acl = recordOf(ctx.db, 'networkAcl', NetworkAclId);
    networkAcls.update(ctx.db, { ...acl, entries: withoutEntry(acl, { ruleNumber, egress: Egress }) });
    endDryRun({ DryRun });
    return acl;
  });
  await applyVpcRules(ctx, vpcId);
  return {};
}
