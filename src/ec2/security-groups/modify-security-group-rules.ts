import type {
  ModifySecurityGroupRulesRequest,
  ModifySecurityGroupRulesResult,
  SecurityGroupRuleRequest,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact, type Db } from '../../store/database.ts';
import {
  securityGroups,
  type RulePeer,
  type SecurityGroup,
  type SecurityGroupRule,
} from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcRules } from '../vpcs/network.ts';
import { refuseDuplicate } from './authorize-security-group-ingress.ts';
import { checkRuleCount } from './check-rule-count.ts';
import { groupOfRequest } from './group-of-request.ts';
import { ruleById } from './rule-by-id.ts';
import { blockPeer, checkedDescription, groupPeer, prefixListPeer } from './rule-peer.ts';
import { checkedTraffic } from './rule-traffic.ts';

/**
 * EC2's ModifySecurityGroupRules: each rule becomes what is said of it, whole, and keeps its id and direction; all of
 * them, or none. In force when it resolves.
 */
export async function modifySecurityGroupRules(
  ctx: Ec2Context,
  request: Partial<ModifySecurityGroupRulesRequest>,
): Promise<ModifySecurityGroupRulesResult> {
  const { vpcId } = transact(ctx.db, () => {
    const group = groupOfRequest(ctx.db, request);
    const changed = changedRules(ctx.db, group, request);
    const rules = group.rules.map((rule) => changed.get(rule.securityGroupRuleId) ?? rule);
    for (const rule of changed.values()) refuseDuplicate({ ...group, rules }, rule);
    checkRuleCount(ctx.db, { ...group, rules });
    securityGroups.update(ctx.db, { ...group, rules });
    endDryRun(request);
    return group;
  });
  await applyVpcRules(ctx, vpcId);
  return { Return: true };
}

function changedRules(
  db: Db,
  group: SecurityGroup,
  { SecurityGroupRules = [] }: Partial<ModifySecurityGroupRulesRequest>,
): ReadonlyMap<string, SecurityGroupRule> {
  if (SecurityGroupRules.length === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter securityGroupRules');
  const ids = SecurityGroupRules.map(({ SecurityGroupRuleId = '' }) => SecurityGroupRuleId);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `The security group rule ID '${twice}' is specified more than once`,
      { hint: 'each rule once' },
    );
  return new Map(
    SecurityGroupRules.map(({ SecurityGroupRuleId = '', SecurityGroupRule: wanted = {} }) => [
      SecurityGroupRuleId,
      changedRule(db, group, ruleById(group, SecurityGroupRuleId), wanted),
    ]),
  );
}

function changedRule(
  db: Db,
  group: SecurityGroup,
  rule: SecurityGroupRule,
  wanted: SecurityGroupRuleRequest,
): SecurityGroupRule {
  const peer = wantedPeer(db, group, wanted);
  if (peer.kind !== rule.peer.kind)
    throw new Ec2Error(
      'InvalidParameterValue',
      `You may not specify ${ARTICLE[peer.kind]} ${KINDS[peer.kind]} for an existing ${KINDS[rule.peer.kind]} rule`,
      { hint: 'revoke it, and authorize another one' },
    );
  return {
    securityGroupRuleId: rule.securityGroupRuleId,
    isEgress: rule.isEgress,
    ...checkedTraffic(wanted),
    peer,
    description: checkedDescription(wanted.Description),
  };
}

const KINDS: Readonly<Record<RulePeer['kind'], string>> = {
  ipv4: 'IPv4 CIDR',
  ipv6: 'IPv6 CIDR',
  prefixList: 'prefix list',
  group: 'referenced group id',
};
const ARTICLE: Readonly<Record<RulePeer['kind'], string>> = {
  ipv4: 'an',
  ipv6: 'an',
  prefixList: 'a',
  group: 'a',
};

function wantedPeer(
  db: Db,
  group: SecurityGroup,
  { CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId }: SecurityGroupRuleRequest,
): RulePeer {
  const given = [CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupId].filter((each) => each !== undefined);
  if (given.length !== 1)
    throw new Ec2Error(
      given.length === 0 ? 'MissingParameter' : 'InvalidParameterCombination',
      'A rule needs exactly one of cidrIpv4, cidrIpv6, prefixListId and referencedGroupId',
    );
  if (CidrIpv4 !== undefined) return blockPeer('ipv4', CidrIpv4);
  if (CidrIpv6 !== undefined) return blockPeer('ipv6', CidrIpv6);
  if (PrefixListId !== undefined) return prefixListPeer(db, PrefixListId);
  return groupPeer(db, group, { GroupId: ReferencedGroupId }, 'reachable');
}
