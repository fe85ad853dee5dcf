import { Ec2Error } from '../../core/errors.ts';
import { isId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup } from '../../store/network.ts';

/** The group with this id. Throws EC2's `InvalidGroupId.Malformed` or `InvalidGroup.NotFound`. */
export function getSecurityGroup(db: Db, groupId: string): SecurityGroup {
  if (!isId('securityGroup', groupId))
    throw new Ec2Error('InvalidGroupId.Malformed', `Invalid id: '${groupId}'`, { hint: 'bonami sg ls' });
  const group = securityGroups.get(db, groupId);
  if (group === undefined)
    throw new Ec2Error('InvalidGroup.NotFound', `The security group '${groupId}' does not exist`, {
      hint: 'bonami sg ls',
    });
  return group;
}
