import type {
  DescribeSecurityGroupRulesRequest,
  DescribeSecurityGroupRulesResult,
} from '@aws-sdk/client-ec2';
import { securityGroups, type SecurityGroup, type SecurityGroupRule } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';
import { ec2Rule } from './ec2-rule.ts';
import { checkedRuleId, noSuchRule } from './rule-by-id.ts';

interface OwnedRule {
  readonly group: SecurityGroup;
  readonly rule: SecurityGroupRule;
}

/** EC2's DescribeSecurityGroupRules. Throws `InvalidSecurityGroupRuleId.NotFound`. */
export async function describeSecurityGroupRules(
  ctx: Ec2Context,
  { SecurityGroupRuleIds = [], Filters = [] }: DescribeSecurityGroupRulesRequest,
): Promise<DescribeSecurityGroupRulesResult> {
  await ensureDefaultVpc(ctx);
  const all: readonly OwnedRule[] = securityGroups
    .list(ctx.db)
    .flatMap((group) => group.rules.map((rule) => ({ group, rule })));
  for (const id of SecurityGroupRuleIds.map(checkedRuleId))
    if (!all.some(({ rule }) => rule.securityGroupRuleId === id)) throw noSuchRule(id);
  const tests = filterTests<OwnedRule>(Filters, {
    'group-id': ({ group }) => group.groupId,
    'security-group-rule-id': ({ rule }) => rule.securityGroupRuleId,
    ...tagFilters<OwnedRule>(ctx.db, ({ rule }) => rule.securityGroupRuleId),
  });
  const found = all
    .filter(
      ({ rule }) =>
        SecurityGroupRuleIds.length === 0 || SecurityGroupRuleIds.includes(rule.securityGroupRuleId),
    )
    .filter((each) => tests.every((test) => test(each)));
  return { SecurityGroupRules: found.map(({ group, rule }) => ec2Rule(ctx, group, rule)) };
}
