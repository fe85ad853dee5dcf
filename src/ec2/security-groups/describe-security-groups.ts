import type {
  DescribeSecurityGroupsRequest,
  DescribeSecurityGroupsResult,
  IpPermission as Ec2Permission,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { securityGroups, type IpPermission, type SecurityGroup } from '../../store/network.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';

/** EC2's DescribeSecurityGroups. Throws `InvalidGroup.NotFound` for an id or name that does not exist. */
export async function describeSecurityGroups(
  ctx: Ec2Context,
  { GroupIds = [], GroupNames = [], Filters = [] }: DescribeSecurityGroupsRequest,
): Promise<DescribeSecurityGroupsResult> {
  await ensureDefaultVpc(ctx);
  const all = securityGroups.list(ctx.db);
  const missing =
    GroupIds.find((id) => !all.some(({ groupId }) => groupId === id)) ??
    GroupNames.find((name) => !all.some(({ groupName }) => groupName === name));
  if (missing !== undefined)
    throw new Ec2Error('InvalidGroup.NotFound', `The security group '${missing}' does not exist`, {
      hint: 'bonami sg ls',
    });
  const tests = filterTests<SecurityGroup>(Filters, {
    description: ({ description }) => description,
    'group-id': ({ groupId }) => groupId,
    'group-name': ({ groupName }) => groupName,
    'vpc-id': ({ vpcId }) => vpcId,
    'tag:*': ({ groupId }, key) => tagsOf(ctx.db, groupId)[key] ?? [],
  });
  const found = all
    .filter(({ groupId }) => GroupIds.length === 0 || GroupIds.includes(groupId))
    .filter(({ groupName }) => GroupNames.length === 0 || GroupNames.includes(groupName))
    .filter((group) => tests.every((test) => test(group)));
  return {
    SecurityGroups: found.map((group) => ({
      GroupId: group.groupId,
      GroupName: group.groupName,
      Description: group.description,
      VpcId: group.vpcId,
      OwnerId: ctx.ownerId,
      IpPermissions: group.ipPermissions.map(ec2Permission),
      IpPermissionsEgress: group.ipPermissionsEgress.map(ec2Permission),
      Tags: Object.entries(tagsOf(ctx.db, group.groupId)).map(([Key, Value]) => ({ Key, Value })),
    })),
  };
}

function ec2Permission({
  ipProtocol,
  fromPort,
  toPort,
  ipRanges,
  userIdGroupPairs,
}: IpPermission): Ec2Permission {
  const described = (description: string | null): { Description?: string } =>
    description === null ? {} : { Description: description };
  return {
    IpProtocol: ipProtocol,
    ...(fromPort === null ? {} : { FromPort: fromPort }),
    ...(toPort === null ? {} : { ToPort: toPort }),
    IpRanges: ipRanges.map(({ cidrIp, description }) => ({ CidrIp: cidrIp, ...described(description) })),
    UserIdGroupPairs: userIdGroupPairs.map(({ groupId, description }) => ({
      GroupId: groupId,
      ...described(description),
    })),
  };
}
