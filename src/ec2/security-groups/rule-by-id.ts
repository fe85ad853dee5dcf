import { Ec2Error } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../store/security-groups.ts';

/** A group's rule of this id. Throws `InvalidSecurityGroupRuleId.Malformed` or `.NotFound`. */
export function ruleById(group: SecurityGroup, ruleId: string, isEgress?: boolean): SecurityGroupRule {
  const found = group.rules.find(({ securityGroupRuleId }) => securityGroupRuleId === checkedRuleId(ruleId));
  if (found === undefined || (isEgress !== undefined && found.isEgress !== isEgress))
    throw noSuchRule(ruleId);
  return found;
}

export function checkedRuleId(ruleId: string): string {
  if (isId('securityGroupRule', ruleId)) return ruleId;
  throw new Ec2Error(
    'InvalidSecurityGroupRuleId.Malformed',
    `The security group rule ID '${ruleId}' is malformed`,
    { hint: 'bonami sg show GROUP' },
  );
}

export function noSuchRule(ruleId: string): Ec2Error {
  return new Ec2Error(
    'InvalidSecurityGroupRuleId.NotFound',
    `The security group rule ID '${ruleId}' does not exist`,
    { hint: 'bonami sg show GROUP' },
  );
}
