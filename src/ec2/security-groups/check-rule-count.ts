import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { prefixLists, type SecurityGroup, type SecurityGroupRule } from '../../store/security-groups.ts';

/** EC2 begins with 60 and raises it on request up to 1000 (AWS: "Amazon VPC quotas", security groups). */
export const RULES_PER_DIRECTION = 1000;

/** Throws `RulesPerSecurityGroupLimitExceeded` when a group has too many rules of a direction. */
export function checkRuleCount(db: Db, { groupId, rules }: SecurityGroup): void {
  for (const isEgress of [false, true]) {
    const weight = rules
      .filter((rule) => rule.isEgress === isEgress)
      .reduce((sum, rule) => sum + weightOf(db, rule), 0);
    if (weight > RULES_PER_DIRECTION)
      throw new Ec2Error(
        'RulesPerSecurityGroupLimitExceeded',
        `The maximum number of rules per security group has been reached: '${groupId}' would have ${weight} ${isEgress ? 'outbound' : 'inbound'} ones, of ${RULES_PER_DIRECTION}`,
        { hint: 'another group beside it' },
      );
  }
}

/** A prefix list counts as many rules as it may have entries (AWS: "Customer-managed prefix lists"). */
function weightOf(db: Db, { peer }: SecurityGroupRule): number {
  return peer.kind === 'prefixList' ? (prefixLists.get(db, peer.prefixListId)?.maxEntries ?? 1) : 1;
}
