import { Ec2Error } from '../../core/errors.ts';
import { isId, type VpcId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup } from '../../store/network.ts';

/** Groups by id or name; no reference means the VPC's default group. Throws `InvalidGroup.NotFound` naming the unknown one. */
export function resolveSecurityGroups(
  db: Db,
  vpcId: VpcId,
  references: readonly string[],
): readonly SecurityGroup[] {
  const ofVpc = securityGroups.listBy(db, 'vpc_id', vpcId);
  const wanted = references.length > 0 ? [...new Set(references)] : ['default'];
  return wanted.map((reference) => {
    const group = ofVpc.find(({ groupId, groupName }) =>
      isId('securityGroup', reference) ? groupId === reference : groupName === reference,
    );
    if (group === undefined)
      throw new Ec2Error(
        'InvalidGroup.NotFound',
        `The security group '${reference}' does not exist in VPC '${vpcId}'`,
        { hint: 'bonami sg ls' },
      );
    return group;
  });
}
