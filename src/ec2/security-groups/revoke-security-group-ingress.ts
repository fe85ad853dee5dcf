import type { RevokeSecurityGroupEgressResult, RevokeSecurityGroupIngressResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact, type Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup, type SecurityGroupRule } from '../../store/security-groups.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcRules } from '../vpcs/network.ts';
import { revokedRule } from './ec2-rule.ts';
import { groupOfRequest, type GroupReference } from './group-of-request.ts';
import { requestedRules, sameRule, type PermissionRequest } from './requested-rules.ts';
import { ruleById } from './rule-by-id.ts';

export interface RevokeRequest extends GroupReference, PermissionRequest {
  readonly SecurityGroupRuleIds?: readonly string[] | undefined;
  readonly DryRun?: boolean | undefined;
}

/**
 * EC2's RevokeSecurityGroupIngress, by content or by the rules' ids: all of them, or none. Tracked flows go on, new
 * ones are judged anew. Throws `InvalidPermission.NotFound` or `InvalidSecurityGroupRuleId.NotFound`.
 */
export async function revokeSecurityGroupIngress(
  ctx: Ec2Context,
  request: RevokeRequest,
): Promise<RevokeSecurityGroupIngressResult> {
  return revoke(ctx, request, { isEgress: false });
}

/** EC2's RevokeSecurityGroupEgress. */
export async function revokeSecurityGroupEgress(
  ctx: Ec2Context,
  request: RevokeRequest,
): Promise<RevokeSecurityGroupEgressResult> {
  return revoke(ctx, request, { isEgress: true });
}

async function revoke(
  ctx: Ec2Context,
  request: RevokeRequest,
  { isEgress }: { readonly isEgress: boolean },
): Promise<RevokeSecurityGroupIngressResult> {
  const { group, doomed } = transact(ctx.db, () => {
    const present = groupOfRequest(ctx.db, request);
    const named = namedRules(ctx.db, present, request, isEgress);
    securityGroups.update(ctx.db, {
      ...present,
      rules: present.rules.filter((rule) => !named.includes(rule)),
    });
    for (const { securityGroupRuleId } of named) removeTags(ctx.db, securityGroupRuleId);
    endDryRun(request);
    return { group: present, doomed: named };
  });
  await applyVpcRules(ctx, group.vpcId);
  return { Return: true, RevokedSecurityGroupRules: doomed.map((rule) => revokedRule(group, rule)) };
}

function namedRules(
  db: Db,
  group: SecurityGroup,
  { SecurityGroupRuleIds = [], ...request }: RevokeRequest,
  isEgress: boolean,
): readonly SecurityGroupRule[] {
  if (SecurityGroupRuleIds.length === 0) return rulesLike(db, group, request, isEgress);
  if (request.IpPermissions !== undefined && request.IpPermissions.length > 0)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'The parameter securityGroupRuleIds may not be used in combination with ipPermissions',
    );
  return [...new Set(SecurityGroupRuleIds)].map((id) => ruleById(group, id, isEgress));
}

/** A group's own rules of the content that a request describes. Throws `InvalidPermission.NotFound`. */
export function rulesLike(
  db: Db,
  group: SecurityGroup,
  request: PermissionRequest,
  isEgress: boolean,
): readonly SecurityGroupRule[] {
  return requestedRules(db, group, request, { isEgress, known: 'whatever' }).map((wanted) => {
    const found = group.rules.find((rule) => sameRule(rule, wanted));
    if (found === undefined)
      throw new Ec2Error(
        'InvalidPermission.NotFound',
        'The specified rule does not exist in this security group.',
        { hint: `bonami sg show ${group.groupId}` },
      );
    return found;
  });
}
