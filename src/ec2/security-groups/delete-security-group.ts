import type { DeleteSecurityGroupRequest, DeleteSecurityGroupResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact, type Db } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { securityGroups, type SecurityGroup } from '../../store/security-groups.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { groupOfRequest } from './group-of-request.ts';

/**
 * EC2's DeleteSecurityGroup. Throws `CannotDelete` for a default group, `DependencyViolation` while an interface or
 * another group of its VPC uses it. References across a peering do not hold it: they become stale (AWS: "stale
 * security group rules").
 */
export async function deleteSecurityGroup(
  ctx: Ec2Context,
  request: DeleteSecurityGroupRequest,
): Promise<DeleteSecurityGroupResult> {
  const { groupId, vpcId } = transact(ctx.db, () => {
    const group = groupOfRequest(ctx.db, request);
    refuseNeeded(ctx.db, group);
    for (const { securityGroupRuleId } of group.rules) removeTags(ctx.db, securityGroupRuleId);
    removeTags(ctx.db, group.groupId);
    securityGroups.remove(ctx.db, group.groupId);
    endDryRun(request);
    return group;
  });
  await applyVpcNetwork(ctx, vpcId);
  return { Return: true, GroupId: groupId };
}

function refuseNeeded(db: Db, { groupId, groupName, vpcId }: SecurityGroup): void {
  if (groupName === 'default')
    throw new Ec2Error(
      'CannotDelete',
      `the specified group: "${groupId}" name: "default" cannot be deleted by a user`,
    );
  const users = [
    ...networkInterfaces
      .listBy(db, 'vpc_id', vpcId)
      .filter((each) => each.securityGroupIds.includes(groupId))
      .map(({ networkInterfaceId, attachment }) => attachment?.instanceId ?? networkInterfaceId),
    ...securityGroups
      .listBy(db, 'vpc_id', vpcId)
      .filter(
        (other) =>
          other.groupId !== groupId &&
          other.rules.some(({ peer }) => peer.kind === 'group' && peer.groupId === groupId),
      )
      .map((other) => other.groupId),
  ];
  if (users.length > 0)
    throw new Ec2Error(
      'DependencyViolation',
      `resource ${groupId} has a dependent object: ${[...new Set(users)].join(', ')}`,
    );
}
