import type { IpPermission, UserIdGroupPair } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { isId, type VpcPeeringConnectionId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { vpcPeeringConnections } from '../../store/gateways.ts';
import { securityGroups, type RulePeer, type SecurityGroup } from '../../store/security-groups.ts';
import { recordOf } from '../resource-kinds.ts';
import { canonicalCidr } from '../vpcs/cidr-block.ts';

export interface RequestedPeer {
  readonly peer: RulePeer;
  readonly description: string | null;
}

/**
 * The other ends that a permission names. `known` says what groups are looked up for: a rule that is made needs one
 * that can be reached, a rule that is taken back may name one that is gone.
 */
export function requestedPeers(
  db: Db,
  group: SecurityGroup,
  { IpRanges = [], Ipv6Ranges = [], PrefixListIds = [], UserIdGroupPairs = [] }: IpPermission,
  known: 'reachable' | 'whatever',
): readonly RequestedPeer[] {
  const described = (peer: RulePeer, { Description }: { readonly Description?: string | undefined }) => ({
    peer,
    description: checkedDescription(Description),
  });
  return [
    ...IpRanges.map((each) => described(blockPeer('ipv4', each.CidrIp), each)),
    ...Ipv6Ranges.map((each) => described(blockPeer('ipv6', each.CidrIpv6), each)),
    ...PrefixListIds.map((each) => described(prefixListPeer(db, each.PrefixListId), each)),
    ...UserIdGroupPairs.map((each) => described(groupPeer(db, group, each, known), each)),
  ];
}

/** A block in the form that EC2 keeps. */
export function blockPeer(kind: 'ipv4' | 'ipv6', text = ''): RulePeer {
  return {
    kind,
    cidr: kind === 'ipv4' ? canonicalCidr(text, 'cidrIp', 4) : canonicalCidr(text, 'cidrIpv6', 6),
  };
}

export function prefixListPeer(db: Db, prefixListId = ''): RulePeer {
  return { kind: 'prefixList', prefixListId: recordOf(db, 'prefixList', prefixListId).prefixListId };
}

/** A group of the same VPC by id or name, or one of a VPC at the other end of an active peering by its id. */
export function groupPeer(
  db: Db,
  group: SecurityGroup,
  { GroupId, GroupName, VpcPeeringConnectionId }: UserIdGroupPair,
  known: 'reachable' | 'whatever',
): RulePeer {
  if (GroupId === undefined) return namedGroup(db, group, GroupName);
  if (known === 'whatever' && isId('securityGroup', GroupId))
    return { kind: 'group', groupId: GroupId, vpcPeeringConnectionId: null };
  const { groupId, vpcId } = recordOf(db, 'securityGroup', GroupId);
  const vpcPeeringConnectionId = vpcId === group.vpcId ? null : peeringBetween(db, group.vpcId, vpcId);
  if (VpcPeeringConnectionId !== undefined && vpcPeeringConnectionId !== VpcPeeringConnectionId)
    throw new Ec2Error(
      'InvalidVpcPeeringConnectionID.NotFound',
      `The vpcPeeringConnection ID '${VpcPeeringConnectionId}' does not join '${group.groupId}' and '${groupId}'`,
      { hint: 'bonami peering ls' },
    );
  return { kind: 'group', groupId, vpcPeeringConnectionId };
}

function namedGroup(db: Db, { vpcId }: SecurityGroup, name: string | undefined): RulePeer {
  if (name === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter groupId', {
      hint: 'bonami sg ls',
    });
  const found = securityGroups.listBy(db, 'vpc_id', vpcId).find(({ groupName }) => groupName === name);
  if (found === undefined)
    throw new Ec2Error(
      'InvalidGroup.NotFound',
      `The security group '${name}' does not exist in VPC '${vpcId}'`,
      { hint: 'bonami sg ls' },
    );
  return { kind: 'group', groupId: found.groupId, vpcPeeringConnectionId: null };
}

function peeringBetween(db: Db, ours: string, theirs: string): VpcPeeringConnectionId {
  const found = vpcPeeringConnections
    .list(db)
    .find(
      ({ requesterVpcId, accepterVpcId, status }) =>
        status === 'active' &&
        [ours, theirs].includes(requesterVpcId) &&
        [ours, theirs].includes(accepterVpcId),
    );
  if (found === undefined)
    throw new Ec2Error(
      'InvalidGroup.NotFound',
      'You have specified two resources that belong to different networks.',
      { hint: `bonami peering create ${ours} ${theirs}` },
    );
  return found.vpcPeeringConnectionId;
}

/** AWS: IpRange, Description. */
const DESCRIPTION = /^[a-zA-Z0-9. _\-:/()#,@[\]+=&;{}!$*]{0,255}$/;

export function checkedDescription(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (!DESCRIPTION.test(text))
    throw new Ec2Error(
      'InvalidParameterValue',
      'Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*',
    );
  return text;
}
