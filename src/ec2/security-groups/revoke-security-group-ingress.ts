import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { securityGroups } from '../../store/network.ts';
import type { Ec2Context } from '../context.ts';
import { applySecurityGroups } from '../vpcs/network.ts';
import type { RuleRequest } from './authorize-security-group-ingress.ts';
import { getSecurityGroup } from './get-security-group.ts';
import { requestedRules, sameRule, toPermissions, toRules } from './permissions.ts';

/** EC2's RevokeSecurityGroupIngress: tracked flows go on, new ones are judged anew. Throws `InvalidPermission.NotFound`. */
export async function revokeSecurityGroupIngress(
  ctx: Ec2Context,
  request: RuleRequest,
): Promise<{ Return: true }> {
  return revoke(ctx, request, 'ipPermissions');
}

/** EC2's RevokeSecurityGroupEgress. */
export async function revokeSecurityGroupEgress(
  ctx: Ec2Context,
  request: RuleRequest,
): Promise<{ Return: true }> {
  return revoke(ctx, request, 'ipPermissionsEgress');
}

async function revoke(
  ctx: Ec2Context,
  { GroupId = '', IpPermissions = [] }: RuleRequest,
  side: 'ipPermissions' | 'ipPermissionsEgress',
): Promise<{ Return: true }> {
  const { vpcId } = transact(ctx.db, () => {
    const group = getSecurityGroup(ctx.db, GroupId);
    const present = toRules(group[side]);
    const doomed = requestedRules(ctx.db, group, IpPermissions);
    const unknown = doomed.find((rule) => !present.some((other) => sameRule(rule, other)));
    if (unknown)
      throw new Ec2Error(
        'InvalidPermission.NotFound',
        'The specified rule does not exist in this security group.',
        { hint: `bonami sg show ${GroupId}` },
      );
    securityGroups.update(ctx.db, {
      ...group,
      [side]: toPermissions(present.filter((rule) => !doomed.some((other) => sameRule(rule, other)))),
    });
    return group;
  });
  await applySecurityGroups(ctx, vpcId);
  return { Return: true };
}
