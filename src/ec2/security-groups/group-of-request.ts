import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup } from '../../store/security-groups.ts';
import { recordOf } from '../resource-kinds.ts';
import { presentDefaultVpc } from '../vpcs/default-vpc.ts';

export interface GroupReference {
  readonly GroupId?: string | undefined;
  /** A group of the default VPC; others are named by their ids (AWS: AuthorizeSecurityGroupIngress, GroupName). */
  readonly GroupName?: string | undefined;
}

/** The group that a request is about. Throws `MissingParameter`, `InvalidGroupId.Malformed` or `InvalidGroup.NotFound`. */
export function groupOfRequest(db: Db, { GroupId, GroupName }: GroupReference): SecurityGroup {
  if (GroupId !== undefined) return recordOf(db, 'securityGroup', GroupId);
  if (GroupName === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter groupId', {
      hint: 'bonami sg ls',
    });
  const { vpcId } = presentDefaultVpc(db);
  const found = securityGroups.listBy(db, 'vpc_id', vpcId).find(({ groupName }) => groupName === GroupName);
  if (found === undefined)
    throw new Ec2Error(
      'InvalidGroup.NotFound',
      `The security group '${GroupName}' does not exist in default VPC '${vpcId}'`,
      { hint: 'bonami sg ls' },
    );
  return found;
}
