import type {
  IpPermission,
  RevokedSecurityGroupRule,
  SecurityGroupRule as Ec2Rule,
  UserIdGroupPair,
} from '@aws-sdk/client-ec2';
import type { Db } from '../../store/database.ts';
import { vpcPeeringConnections } from '../../store/gateways.ts';
import {
  securityGroups,
  type RulePeer,
  type SecurityGroup,
  type SecurityGroupRule,
} from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

type Facts = Pick<Ec2Context, 'db' | 'ownerId' | 'region'>;
type GroupPeer = Extract<RulePeer, { kind: 'group' }>;

/** Rules of one direction as DescribeSecurityGroups shows them: one permission for each protocol and range of ports. */
export function ec2Permissions(ctx: Facts, rules: readonly SecurityGroupRule[]): IpPermission[] {
  const byTraffic = new Map<string, SecurityGroupRule[]>();
  for (const rule of rules) {
    const key = `${rule.ipProtocol} ${rule.fromPort} ${rule.toPort}`;
    byTraffic.set(key, [...(byTraffic.get(key) ?? []), rule]);
  }
  return [...byTraffic.values()].map((members) => ec2Permission(ctx, members));
}

function ec2Permission(ctx: Facts, members: readonly SecurityGroupRule[]): IpPermission {
  const [first] = members;
  const permission = {
    IpProtocol: first?.ipProtocol ?? '-1',
    ...(first?.fromPort == null ? {} : { FromPort: first.fromPort }),
    ...(first?.toPort == null ? {} : { ToPort: first.toPort }),
    IpRanges: [] as NonNullable<IpPermission['IpRanges']>,
    Ipv6Ranges: [] as NonNullable<IpPermission['Ipv6Ranges']>,
    PrefixListIds: [] as NonNullable<IpPermission['PrefixListIds']>,
    UserIdGroupPairs: [] as NonNullable<IpPermission['UserIdGroupPairs']>,
  };
  for (const { peer, description } of members) {
    const described = description === null ? {} : { Description: description };
    switch (peer.kind) {
      case 'ipv4':
        permission.IpRanges.push({ CidrIp: peer.cidr, ...described });
        break;
      case 'ipv6':
        permission.Ipv6Ranges.push({ CidrIpv6: peer.cidr, ...described });
        break;
      case 'prefixList':
        permission.PrefixListIds.push({ PrefixListId: peer.prefixListId, ...described });
        break;
      case 'group':
        permission.UserIdGroupPairs.push({ ...referencedGroup(ctx, peer), ...described });
    }
  }
  return permission;
}

/** One rule as DescribeSecurityGroupRules shows it: there, what has no ports has -1. */
export function ec2Rule(ctx: Facts, { groupId }: SecurityGroup, rule: SecurityGroupRule): Ec2Rule {
  const { securityGroupRuleId, peer } = rule;
  return {
    SecurityGroupRuleId: securityGroupRuleId,
    GroupId: groupId,
    GroupOwnerId: ctx.ownerId,
    ...content(rule),
    ...(peer.kind === 'group' ? { ReferencedGroupInfo: referencedGroup(ctx, peer) } : {}),
    Tags: ec2Tags(ctx.db, securityGroupRuleId),
    SecurityGroupRuleArn: `arn:aws:ec2:${ctx.region}:${ctx.ownerId}:security-group-rule/${securityGroupRuleId}`,
  };
}

/** One rule as the revoking actions answer it. */
export function revokedRule({ groupId }: SecurityGroup, rule: SecurityGroupRule): RevokedSecurityGroupRule {
  return {
    SecurityGroupRuleId: rule.securityGroupRuleId,
    GroupId: groupId,
    ...content(rule),
    ...(rule.peer.kind === 'group' ? { ReferencedGroupId: rule.peer.groupId } : {}),
  };
}

function content({
  isEgress,
  ipProtocol,
  fromPort,
  toPort,
  peer,
  description,
}: SecurityGroupRule): RevokedSecurityGroupRule {
  return {
    IsEgress: isEgress,
    IpProtocol: ipProtocol,
    FromPort: fromPort ?? -1,
    ToPort: toPort ?? -1,
    ...(peer.kind === 'ipv4' ? { CidrIpv4: peer.cidr } : {}),
    ...(peer.kind === 'ipv6' ? { CidrIpv6: peer.cidr } : {}),
    ...(peer.kind === 'prefixList' ? { PrefixListId: peer.prefixListId } : {}),
    ...(description === null ? {} : { Description: description }),
  };
}

function referencedGroup(
  { db, ownerId }: Facts,
  { groupId, vpcPeeringConnectionId }: GroupPeer,
): UserIdGroupPair {
  if (vpcPeeringConnectionId === null) return { GroupId: groupId, UserId: ownerId };
  const vpcId = securityGroups.get(db, groupId)?.vpcId;
  return {
    GroupId: groupId,
    UserId: ownerId,
    ...(vpcId === undefined ? {} : { VpcId: vpcId }),
    VpcPeeringConnectionId: vpcPeeringConnectionId,
    PeeringStatus: isStale(db, { groupId, vpcPeeringConnectionId }) ? 'deleted' : 'active',
  };
}

/** Whether a rule names a group that cannot be reached any more: it, or its peering, is gone (AWS: "stale rules"). */
export function isStale(db: Db, { groupId, vpcPeeringConnectionId }: Omit<GroupPeer, 'kind'>): boolean {
  if (securityGroups.get(db, groupId) === undefined) return true;
  return (
    vpcPeeringConnectionId !== null &&
    vpcPeeringConnections.get(db, vpcPeeringConnectionId)?.status !== 'active'
  );
}
