import type { PrefixListId, VpcId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { applyVpcRules } from '../vpcs/network.ts';

/** The groups whose rules name a prefix list. */
export function referencingGroups(db: Db, prefixListId: PrefixListId): readonly SecurityGroup[] {
  return securityGroups
    .list(db)
    .filter(({ rules }) =>
      rules.some(({ peer }) => peer.kind === 'prefixList' && peer.prefixListId === prefixListId),
    );
}

/** Puts a changed list into force in every VPC whose groups name it. */
export async function applyPrefixList(ctx: Ec2Context, prefixListId: PrefixListId): Promise<void> {
  const vpcIds = new Set<VpcId>(referencingGroups(ctx.db, prefixListId).map(({ vpcId }) => vpcId));
  for (const vpcId of vpcIds) await applyVpcRules(ctx, vpcId);
}
