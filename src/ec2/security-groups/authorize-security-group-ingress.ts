import type {
  AuthorizeSecurityGroupEgressResult,
  AuthorizeSecurityGroupIngressResult,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { securityGroups, type SecurityGroup, type SecurityGroupRule } from '../../store/security-groups.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { applyVpcRules } from '../vpcs/network.ts';
import { checkRuleCount } from './check-rule-count.ts';
import { ec2Rule } from './ec2-rule.ts';
import { groupOfRequest, type GroupReference } from './group-of-request.ts';
import {
  peerName,
  requestedRules,
  sameRule,
  type PermissionRequest,
  type RequestedRule,
} from './requested-rules.ts';

export interface AuthorizeRequest extends GroupReference, PermissionRequest {
  readonly TagSpecifications?: readonly TagSpecification[] | undefined;
  readonly DryRun?: boolean | undefined;
}

/**
 * EC2's AuthorizeSecurityGroupIngress: in force when it resolves; all of its rules, or none. Throws
 * `InvalidPermission.Duplicate` or `RulesPerSecurityGroupLimitExceeded`.
 */
export async function authorizeSecurityGroupIngress(
  ctx: Ec2Context,
  request: AuthorizeRequest,
): Promise<AuthorizeSecurityGroupIngressResult> {
  return authorize(ctx, request, { isEgress: false });
}

/** EC2's AuthorizeSecurityGroupEgress. */
export async function authorizeSecurityGroupEgress(
  ctx: Ec2Context,
  request: AuthorizeRequest,
): Promise<AuthorizeSecurityGroupEgressResult> {
  return authorize(ctx, request, { isEgress: true });
}

async function authorize(
  ctx: Ec2Context,
  request: AuthorizeRequest,
  { isEgress }: { readonly isEgress: boolean },
): Promise<AuthorizeSecurityGroupIngressResult> {
  const tags = specifiedTags(request.TagSpecifications, 'security-group-rule');
  const { group, added } = transact(ctx.db, () => {
    const present = groupOfRequest(ctx.db, request);
    const rules = requestedRules(ctx.db, present, request, { isEgress, known: 'reachable' });
    for (const rule of rules) refuseDuplicate(present, rule);
    const recorded = rules.map((rule) => ({ securityGroupRuleId: newId('securityGroupRule'), ...rule }));
    const changed: SecurityGroup = { ...present, rules: [...present.rules, ...recorded] };
    checkRuleCount(ctx.db, changed);
    securityGroups.update(ctx.db, changed);
    for (const { securityGroupRuleId } of recorded) putTags(ctx.db, securityGroupRuleId, tags);
    endDryRun(request);
    return { group: changed, added: recorded };
  });
  await applyVpcRules(ctx, group.vpcId);
  return { Return: true, SecurityGroupRules: added.map((rule) => ec2Rule(ctx, group, rule)) };
}

/** Throws `InvalidPermission.Duplicate` when a group has a rule like this one already. */
export function refuseDuplicate(
  { rules }: SecurityGroup,
  rule: RequestedRule & Partial<SecurityGroupRule>,
): void {
  const isOther = ({ securityGroupRuleId }: SecurityGroupRule): boolean =>
    securityGroupRuleId !== rule.securityGroupRuleId;
  if (!rules.some((other) => isOther(other) && sameRule(rule, other))) return;
  const { ipProtocol, fromPort, toPort } = rule;
  const what = [
    `peer: ${peerName(rule)}`,
    ipProtocol === '-1' ? 'ALL' : ipProtocol.toUpperCase(),
    ...(fromPort === null ? [] : [`from port: ${fromPort}`, `to port: ${toPort}`]),
    'ALLOW',
  ];
  throw new Ec2Error('InvalidPermission.Duplicate', `the specified rule "${what.join(', ')}" already exists`);
}
