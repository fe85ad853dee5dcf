// What groups and lists say of traffic, and which of their lines says it. Pure.
import { blockContains, familyOf } from '../../core/ip.ts';
import { united, without, type Ports } from '../../host/firewall/ports.ts';
import type { NetworkAcl, NetworkAclEntry } from '../../store/network-acls.ts';
import { addressesOf } from '../../store/network-interfaces.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../store/security-groups.ts';
import { aclMatch, trafficMatch } from '../security-groups/ruleset.ts';
import type { VpcRecords } from '../vpcs/vpc-records.ts';
import { rangesOf, shareOf, type Traffic } from './traffic.ts';

export interface Allowing {
  readonly group: SecurityGroup;
  readonly rule: SecurityGroupRule;
}

export interface GroupsAsked {
  readonly records: VpcRecords;
  readonly groups: readonly SecurityGroup[];
  readonly direction: 'ingress' | 'egress';
  /** Address of the other end. */
  readonly other: string;
  readonly traffic: Traffic;
}

/** The rules that together allow all of it; undefined when some of it is left. */
export function allowingRules(asked: GroupsAsked): readonly Allowing[] | undefined {
  const { records, groups, direction, other, traffic } = asked;
  const used: Allowing[] = [];
  let left = rangesOf(traffic);
  for (const group of groups)
    for (const rule of group.rules) {
      if (rule.isEgress !== (direction === 'egress') || !isPeer(records, rule, other)) continue;
      const rest = without(left, shareOf(trafficMatch(rule), traffic).ranges);
      if (rest.length === left.length && rest.every((each, index) => isSame(each, left[index]))) continue;
      used.push({ group, rule });
      if (rest.length === 0) return used;
      left = rest;
    }
  return undefined;
}

function isSame(a: Ports, b: Ports | undefined): boolean {
  return a.from === b?.from && a.to === b.to;
}

/** Whether a rule's other end is at this address: in its block or list, or a member of its group. */
export function isPeer(records: VpcRecords, { peer }: SecurityGroupRule, address: string): boolean {
  switch (peer.kind) {
    case 'ipv4':
    case 'ipv6':
      return blockContains(peer.cidr, address);
    case 'prefixList':
      return records.prefixLists
        .filter(({ prefixListId }) => prefixListId === peer.prefixListId)
        .some(({ entries }) => entries.some(({ cidr }) => blockContains(cidr, address)));
    case 'group':
      return membersOf(records, peer.groupId).has(address);
  }
}

/** Addresses of the running members of a group, of this VPC or of one that it is peered with. */
export function membersOf({ plugged, peerings }: VpcRecords, groupId: string): ReadonlySet<string> {
  const all = [...plugged, ...peerings.flatMap(({ peerPlugged }) => peerPlugged)];
  return new Set(
    all
      .filter(({ networkInterface }) => networkInterface.securityGroupIds.some((id) => id === groupId))
      .flatMap(({ networkInterface }) => addressesOf(networkInterface)),
  );
}

export interface AclAsked {
  readonly acl: NetworkAcl;
  readonly direction: 'in' | 'out';
  readonly other: string;
  readonly traffic: Traffic;
}

export interface AclAnswer {
  /** What passes, in ascending ranges; see `Share`. */
  readonly passes: readonly Ports[];
  /** The entries that let something pass. */
  readonly allowedBy: readonly NetworkAclEntry[];
  /** The first entry that stops something; undefined when only the last one (`*`) does. */
  readonly deniedBy: NetworkAclEntry | undefined;
  readonly isAllAllowed: boolean;
}

/** By number, the first that matches decides (AWS: "Network ACL rules"). */
export function judgeAcl({ acl, direction, other, traffic }: AclAsked): AclAnswer {
  const allowedBy: NetworkAclEntry[] = [];
  let deniedBy: NetworkAclEntry | undefined;
  let left = rangesOf(traffic);
  let passes: readonly Ports[] = [];
  for (const entry of entriesOf(acl, direction, other)) {
    const { ranges, isPart } = shareOf(aclMatch(entry), traffic);
    const taken = without(left, without(left, ranges));
    if (entry.ruleAction === 'allow' && taken.length > 0) {
      allowedBy.push(entry);
      passes = [...passes, ...taken];
    }
    if (entry.ruleAction === 'deny' && (taken.length > 0 || (isPart && left.length > 0))) deniedBy ??= entry;
    left = without(left, ranges);
  }
  return {
    passes: united(passes),
    allowedBy,
    deniedBy,
    isAllAllowed: deniedBy === undefined && left.length === 0,
  };
}

function entriesOf(
  { entries }: NetworkAcl,
  direction: 'in' | 'out',
  other: string,
): readonly NetworkAclEntry[] {
  return entries
    .filter(({ egress }) => egress === (direction === 'out'))
    .filter(({ cidrBlock }) => familyOf(cidrBlock) === familyOf(other) && blockContains(cidrBlock, other))
    .toSorted((a, b) => a.ruleNumber - b.ruleNumber);
}
