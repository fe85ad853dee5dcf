import type { IpPermission } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { securityGroups } from '../../store/network.ts';
import type { Ec2Context } from '../context.ts';
import { applySecurityGroups } from '../vpcs/network.ts';
import { getSecurityGroup } from './get-security-group.ts';
import { requestedRules, sameRule, toPermissions, toRules } from './permissions.ts';

export interface RuleRequest {
  readonly GroupId?: string | undefined;
  readonly IpPermissions?: readonly IpPermission[] | undefined;
}

/** EC2's AuthorizeSecurityGroupIngress: in force when it resolves. Throws `InvalidPermission.Duplicate`. */
export async function authorizeSecurityGroupIngress(
  ctx: Ec2Context,
  request: RuleRequest,
): Promise<{ Return: true }> {
  return authorize(ctx, request, 'ipPermissions');
}

/** EC2's AuthorizeSecurityGroupEgress. */
export async function authorizeSecurityGroupEgress(
  ctx: Ec2Context,
  request: RuleRequest,
): Promise<{ Return: true }> {
  return authorize(ctx, request, 'ipPermissionsEgress');
}

async function authorize(
  ctx: Ec2Context,
  { GroupId = '', IpPermissions = [] }: RuleRequest,
  side: 'ipPermissions' | 'ipPermissionsEgress',
): Promise<{ Return: true }> {
  const { vpcId } = transact(ctx.db, () => {
    const group = getSecurityGroup(ctx.db, GroupId);
    const present = toRules(group[side]);
    const added = requestedRules(ctx.db, group, IpPermissions);
    const duplicate = added.find((rule) => present.some((other) => sameRule(rule, other)));
    if (duplicate)
      throw new Ec2Error(
        'InvalidPermission.Duplicate',
        `the specified rule "peer: ${duplicate.peer}, ${duplicate.ipProtocol}, from port: ${duplicate.fromPort}, to port: ${duplicate.toPort}, ALLOW" already exists`,
      );
    securityGroups.update(ctx.db, { ...group, [side]: toPermissions([...present, ...added]) });
    return group;
  });
  await applySecurityGroups(ctx, vpcId);
  return { Return: true };
}
