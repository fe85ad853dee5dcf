import type { IpPermission, SecurityGroupRuleDescription } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact, type Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { groupOfRequest, type GroupReference } from './group-of-request.ts';
import { requestedRules } from './requested-rules.ts';
import { rulesLike } from './revoke-security-group-ingress.ts';
import { ruleById } from './rule-by-id.ts';
import { checkedDescription } from './rule-peer.ts';

export interface DescriptionsRequest extends GroupReference {
  readonly IpPermissions?: readonly IpPermission[] | undefined;
  readonly SecurityGroupRuleDescriptions?: readonly SecurityGroupRuleDescription[] | undefined;
  readonly DryRun?: boolean | undefined;
}

/**
 * EC2's UpdateSecurityGroupRuleDescriptionsIngress: the rules are named by their content or by their ids; one that
 * gets no description loses its own.
 */
export function updateSecurityGroupRuleDescriptionsIngress(
  ctx: Ec2Context,
  request: DescriptionsRequest,
): { Return: true } {
  return update(ctx, request, { isEgress: false });
}

/** EC2's UpdateSecurityGroupRuleDescriptionsEgress. */
export function updateSecurityGroupRuleDescriptionsEgress(
  ctx: Ec2Context,
  request: DescriptionsRequest,
): { Return: true } {
  return update(ctx, request, { isEgress: true });
}

function update(
  ctx: Ec2Context,
  request: DescriptionsRequest,
  { isEgress }: { readonly isEgress: boolean },
): { Return: true } {
  transact(ctx.db, () => {
    const group = groupOfRequest(ctx.db, request);
    const descriptions = wantedDescriptions(ctx.db, group, request, isEgress);
    securityGroups.update(ctx.db, {
      ...group,
      rules: group.rules.map((rule) => {
        const description = descriptions.get(rule.securityGroupRuleId);
        return description === undefined ? rule : { ...rule, description };
      }),
    });
    endDryRun(request);
  });
  return { Return: true };
}

/** By rule id; null takes a description away. */
function wantedDescriptions(
  db: Db,
  group: SecurityGroup,
  { IpPermissions = [], SecurityGroupRuleDescriptions = [] }: DescriptionsRequest,
  isEgress: boolean,
): ReadonlyMap<string, string | null> {
  if (IpPermissions.length > 0 && SecurityGroupRuleDescriptions.length > 0)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'The parameter securityGroupRuleDescriptions may not be used in combination with ipPermissions',
    );
  if (SecurityGroupRuleDescriptions.length > 0)
    return new Map(
      SecurityGroupRuleDescriptions.map(({ SecurityGroupRuleId = '', Description }) => [
        ruleById(group, SecurityGroupRuleId, isEgress).securityGroupRuleId,
        checkedDescription(Description),
      ]),
    );
  const wanted = requestedRules(db, group, { IpPermissions }, { isEgress, known: 'whatever' });
  const present = rulesLike(db, group, { IpPermissions }, isEgress);
  return new Map(
    present.map(({ securityGroupRuleId }, index) => [
      securityGroupRuleId,
      wanted[index]?.description ?? null,
    ]),
  );
}
