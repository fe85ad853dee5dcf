import { Ec2Error } from '../../core/errors.ts';
import { isId, type SecurityGroupId, type VpcId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup } from '../../store/security-groups.ts';
import { vpcs } from '../../store/vpcs.ts';
import { resolveId } from '../resolve-resource.ts';

/** AWS: "Amazon VPC quotas": security groups per network interface, at most. */
const GROUPS_PER_INTERFACE = 16;

/**
 * The groups of an interface, by id or name; no reference means the VPC's default group. Throws
 * `InvalidGroup.NotFound` naming the unknown one, or `SecurityGroupsPerInterfaceLimitExceeded`.
 */
export function resolveSecurityGroups(
  db: Db,
  vpcId: VpcId,
  references: readonly string[],
): readonly SecurityGroup[] {
  const ofVpc = securityGroups.listBy(db, 'vpc_id', vpcId);
  const wanted = references.length > 0 ? [...new Set(references)] : ['default'];
  const found = wanted.map((reference) => {
    const group = ofVpc.find(({ groupId, groupName }) =>
      isId('securityGroup', reference) ? groupId === reference : groupName === reference,
    );
    if (group === undefined) throw notOfVpc(db, vpcId, reference);
    return group;
  });
  if (found.length > GROUPS_PER_INTERFACE)
    throw new Ec2Error(
      'SecurityGroupsPerInterfaceLimitExceeded',
      `The maximum number of security groups per interface has been reached: ${found.length}, of ${GROUPS_PER_INTERFACE}`,
      { hint: 'put the rules into fewer groups' },
    );
  return found;
}

function notOfVpc(db: Db, vpcId: VpcId, reference: string): Ec2Error {
  if (isId('securityGroup', reference) && securityGroups.get(db, reference) !== undefined)
    return new Ec2Error(
      'InvalidGroup.NotFound',
      `You have specified two resources that belong to different networks: '${reference}' is not of VPC '${vpcId}'`,
      { hint: 'bonami sg ls' },
    );
  return new Ec2Error(
    'InvalidGroup.NotFound',
    `The security group '${reference}' does not exist in VPC '${vpcId}'`,
    { hint: 'bonami sg ls' },
  );
}

/**
 * The group that a person means: an id, a beginning of one, a group's name or a Name tag. A name that several VPCs
 * have means the default VPC's group; `vpcId` says another one.
 */
export function resolveSecurityGroupId(db: Db, reference: string, vpcId?: VpcId): SecurityGroupId {
  const meant = vpcId ?? vpcs.listBy(db, 'is_default', 1)[0]?.vpcId;
  const named = securityGroups
    .listBy(db, 'vpc_id', meant ?? '')
    .find(({ groupName }) => groupName === reference);
  return named?.groupId ?? resolveId(db, 'securityGroup', reference, { vpcId });
}
