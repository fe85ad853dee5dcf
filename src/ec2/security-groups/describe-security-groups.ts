import type {
  DescribeSecurityGroupsRequest,
  DescribeSecurityGroupsResult,
  SecurityGroup as Ec2Group,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { securityGroups, type SecurityGroup, type SecurityGroupRule } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { ec2Tags, tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc, presentDefaultVpc } from '../vpcs/default-vpc.ts';
import { ec2Permissions } from './ec2-rule.ts';

/** EC2's DescribeSecurityGroups; a name means a group of the default VPC. Throws `InvalidGroup.NotFound`. */
export async function describeSecurityGroups(
  ctx: Ec2Context,
  { GroupIds = [], GroupNames = [], Filters = [] }: DescribeSecurityGroupsRequest,
): Promise<DescribeSecurityGroupsResult> {
  await ensureDefaultVpc(ctx);
  const named = GroupNames.length === 0 ? undefined : namedGroups(ctx.db, GroupNames);
  const tests = filterTests(Filters, filters(ctx));
  const found = recordsOf(ctx.db, 'securityGroup', GroupIds)
    .filter(({ groupId }) => named === undefined || named.has(groupId))
    .filter((group) => tests.every((test) => test(group)));
  return { SecurityGroups: found.map((group) => ec2Group(ctx, group)) };
}

function namedGroups(db: Db, names: readonly string[]): ReadonlySet<string> {
  const { vpcId } = presentDefaultVpc(db);
  const present = securityGroups.listBy(db, 'vpc_id', vpcId);
  return new Set(
    names.map((name) => {
      const found = present.find(({ groupName }) => groupName === name);
      if (found === undefined)
        throw new Ec2Error(
          'InvalidGroup.NotFound',
          `The security group '${name}' does not exist in default VPC '${vpcId}'`,
          { hint: 'bonami sg ls' },
        );
      return found.groupId;
    }),
  );
}

function ec2Group(ctx: Ec2Context, group: SecurityGroup): Ec2Group {
  return {
    GroupId: group.groupId,
    GroupName: group.groupName,
    Description: group.description,
    VpcId: group.vpcId,
    OwnerId: ctx.ownerId,
    IpPermissions: ec2Permissions(
      ctx,
      group.rules.filter(({ isEgress }) => !isEgress),
    ),
    IpPermissionsEgress: ec2Permissions(
      ctx,
      group.rules.filter(({ isEgress }) => isEgress),
    ),
    Tags: ec2Tags(ctx.db, group.groupId),
    SecurityGroupArn: `arn:aws:ec2:${ctx.region}:${ctx.ownerId}:security-group/${group.groupId}`,
  };
}

function filters(ctx: Ec2Context): FilterTable<SecurityGroup> {
  return {
    description: ({ description }) => description,
    'group-id': ({ groupId }) => groupId,
    'group-name': ({ groupName }) => groupName,
    'owner-id': () => ctx.ownerId,
    'vpc-id': ({ vpcId }) => vpcId,
    ...tagFilters<SecurityGroup>(ctx.db, ({ groupId }) => groupId),
    ...ruleFilters(ctx, false),
    ...ruleFilters(ctx, true),
  };
}

type RuleReader = (rule: SecurityGroupRule) => string | number | null | undefined;

/** `ip-permission.…` and `egress.ip-permission.…` (AWS: DescribeSecurityGroups, Filter). */
function ruleFilters(ctx: Ec2Context, isEgress: boolean): FilterTable<SecurityGroup> {
  const readers: Readonly<Record<string, RuleReader>> = {
    cidr: ({ peer }) => (peer.kind === 'ipv4' ? peer.cidr : null),
    'from-port': ({ fromPort }) => fromPort,
    'group-id': ({ peer }) => (peer.kind === 'group' ? peer.groupId : null),
    'group-name': ({ peer }) =>
      peer.kind === 'group' ? securityGroups.get(ctx.db, peer.groupId)?.groupName : null,
    'ipv6-cidr': ({ peer }) => (peer.kind === 'ipv6' ? peer.cidr : null),
    'prefix-list-id': ({ peer }) => (peer.kind === 'prefixList' ? peer.prefixListId : null),
    protocol: ({ ipProtocol }) => ipProtocol,
    'to-port': ({ toPort }) => toPort,
    'user-id': ({ peer }) => (peer.kind === 'group' ? ctx.ownerId : null),
  };
  return Object.fromEntries(
    Object.entries(readers).map(([name, read]) => [
      `${isEgress ? 'egress.' : ''}ip-permission.${name}`,
      ({ rules }: SecurityGroup) =>
        rules
          .filter((rule) => rule.isEgress === isEgress)
          .flatMap((rule) => {
            const value = read(rule);
            return value == null ? [] : String(value);
          }),
    ]),
  );
}
