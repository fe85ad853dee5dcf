import type { DeleteSecurityGroupRequest, DeleteSecurityGroupResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces, securityGroups } from '../../store/network.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { getSecurityGroup } from './get-security-group.ts';

/** EC2's DeleteSecurityGroup. Throws `CannotDelete` for a default group, `DependencyViolation` while something uses it. */
export function deleteSecurityGroup(
  ctx: Ec2Context,
  { GroupId = '' }: DeleteSecurityGroupRequest,
): DeleteSecurityGroupResult {
  transact(ctx.db, () => {
    const { groupId, groupName, vpcId } = getSecurityGroup(ctx.db, GroupId);
    if (groupName === 'default')
      throw new Ec2Error(
        'CannotDelete',
        `the specified group: "${groupId}" name: "default" cannot be deleted by a user`,
      );
    const users = [
      ...networkInterfaces
        .listBy(ctx.db, 'vpc_id', vpcId)
        .filter((each) => each.securityGroupIds.includes(groupId))
        .map(({ networkInterfaceId, attachment }) => attachment?.instanceId ?? networkInterfaceId),
      ...securityGroups
        .listBy(ctx.db, 'vpc_id', vpcId)
        .filter(
          (other) =>
            other.groupId !== groupId &&
            [...other.ipPermissions, ...other.ipPermissionsEgress].some(({ userIdGroupPairs }) =>
              userIdGroupPairs.some((pair) => pair.groupId === groupId),
            ),
        )
        .map((other) => other.groupId),
    ];
    if (users.length > 0)
      throw new Ec2Error(
        'DependencyViolation',
        `resource ${groupId} has a dependent object: ${users.join(', ')}`,
      );
    removeTags(ctx.db, groupId);
    securityGroups.remove(ctx.db, groupId);
  });
  return { GroupId };
}
