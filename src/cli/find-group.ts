import type { SecurityGroup, SecurityGroupRule } from '@aws-sdk/client-ec2';
import type { SecurityGroupId, VpcId } from '../core/ids.ts';
import type { Ec2Context } from '../ec2/context.ts';

export const GROUP = { type: 'string', describe: 'id, its beginning, or name' } as const;

export type FoundGroup = SecurityGroup & { readonly GroupId: SecurityGroupId; readonly VpcId: VpcId };

/** The security group that a person means. */
export async function findGroup(ctx: Ec2Context, reference: string): Promise<FoundGroup> {
  const { describeSecurityGroups } = await import('../ec2/security-groups/describe-security-groups.ts');
  const { resolveSecurityGroupId } = await import('../ec2/security-groups/resolve-security-groups.ts');
  const { ensureDefaultVpc } = await import('../ec2/vpcs/default-vpc.ts');
  await ensureDefaultVpc(ctx);
  const { SecurityGroups = [] } = await describeSecurityGroups(ctx, {
    GroupIds: [resolveSecurityGroupId(ctx.db, reference)],
  });
  return SecurityGroups[0] as FoundGroup;
}

/** A group's rules, with their ids. */
export async function rulesOf(ctx: Ec2Context, groupId: string): Promise<readonly SecurityGroupRule[]> {
  const { describeSecurityGroupRules } =
    await import('../ec2/security-groups/describe-security-group-rules.ts');
  const { SecurityGroupRules = [] } = await describeSecurityGroupRules(ctx, {
    Filters: [{ Name: 'group-id', Values: [groupId] }],
  });
  return SecurityGroupRules;
}
