// Security groups and network ACLs as firewall rules. Pure.
import { createHash } from 'node:crypto';
import { canonicalAddress, canonicalBlock } from '../../core/ip.ts';
import { linkName } from '../../core/link-name.ts';
import type {
  AclEntry,
  Allow,
  GroupRules,
  Guard,
  NetworkRuleset,
  PortRules,
  SegmentRules,
  TrafficMatch,
} from '../../host/firewall/ruleset.ts';
import type { NetworkAclEntry } from '../../store/network-acls.ts';
import { addressesOf } from '../../store/network-interfaces.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../store/security-groups.ts';
import type { Subnet } from '../../store/vpcs.ts';
import { networkLimit } from '../instance-types/network-limit.ts';
import { blocksOf, bridgeOf, crossingLink, METADATA_ADDRESS, tapOf, waysOut } from '../vpcs/router-spec.ts';
import type { PluggedInterface, VpcRecords } from '../vpcs/vpc-records.ts';

/**
 * What may pass in a VPC. Groups only allow; the rules of all groups of an interface are united; a rule that names a
 * group means the addresses of its members (AWS: "Security group rules"). `crossings` are the links to peers that
 * are there.
 */
export function networkRuleset(records: VpcRecords, crossings: ReadonlySet<string>): NetworkRuleset {
  const { vpc, plugged } = records;
  const segments = records.subnets.map((subnet) => segmentRules(records, subnet));
  const peers = records.peerings.filter((peering) => crossings.has(crossingLink(peering)));
  return {
    bridgePrefix: 'snt',
    blocks: blocksOf(vpc),
    hasWayOut: segments.some((segment) => segment.waysOut.length > 0),
    metadataAddress: METADATA_ADDRESS,
    segments,
    ports: plugged.map(portRules),
    groups: [
      ...records.groups.map((group) => groupRules(records, group)),
      // Only who is in them: their rules are judged where they are.
      ...peers.flatMap(({ peerGroups, peerPlugged }) =>
        peerGroups
          .filter(({ groupId }) => isReferenced(records, groupId))
          .map((group) => ({
            key: groupKey(group.groupId),
            members: membersOf(peerPlugged, group),
            ingress: [],
            egress: [],
          })),
      ),
    ],
    crossings: peers.map((peering) => ({ link: crossingLink(peering), blocks: blocksOf(peering.peer) })),
    publicAddresses: publicAddresses(records),
  };
}

/** Elastic addresses of machines, as the firewall translates them; a NAT gateway's is for its own use. */
function publicAddresses({ addresses, plugged }: VpcRecords): NetworkRuleset['publicAddresses'] {
  return addresses.flatMap(({ publicIp, carrierIp, association }) =>
    association !== null &&
    plugged.some(
      ({ networkInterface: { networkInterfaceId } }) => networkInterfaceId === association.networkInterfaceId,
    )
      ? [{ address: publicIp, carrier: carrierIp, privateAddress: association.privateIpAddress }]
      : [],
  );
}

/** What proves on each tap who speaks. */
export function guardsOf({ vpc, plugged, peerings }: VpcRecords): readonly Guard[] {
  // Rules that name a peer's groups know its members by their addresses too.
  const known = [vpc, ...peerings.map(({ peer }) => peer)].flatMap(blocksOf);
  return plugged.map(({ networkInterface, instance }) => {
    const bitsPerSecond = networkLimit(instance);
    return {
      tap: tapOf(networkInterface),
      mac: networkInterface.macAddress,
      addresses: addressesOf(networkInterface).map(checkedAddress),
      ...(networkInterface.sourceDestCheck ? {} : { forwardsExcept: known }),
      ...(bitsPerSecond === undefined ? {} : { bytesPerSecond: Math.floor(bitsPerSecond / 8) }),
    };
  });
}

function portRules({ networkInterface: each, instance }: PluggedInterface): PortRules {
  return {
    key: linkName('eni', each.networkInterfaceId),
    mac: each.macAddress,
    addresses: addressesOf(each).map(checkedAddress),
    groupKeys: each.securityGroupIds.map(groupKey),
    hopLimit: instance.metadataOptions.httpPutResponseHopLimit,
  };
}

function groupRules(records: VpcRecords, group: SecurityGroup): GroupRules {
  return {
    key: groupKey(group.groupId),
    members: membersOf(records.plugged, group),
    ingress: group.rules.filter(({ isEgress }) => !isEgress).flatMap((rule) => allows(records, rule)),
    egress: group.rules.filter(({ isEgress }) => isEgress).flatMap((rule) => allows(records, rule)),
  };
}

/** Members by their private addresses (AWS: "Security group referencing"). */
function membersOf(plugged: readonly PluggedInterface[], { groupId }: SecurityGroup): readonly string[] {
  return plugged
    .filter(({ networkInterface: { securityGroupIds } }) => securityGroupIds.includes(groupId))
    .flatMap(({ networkInterface }) => addressesOf(networkInterface).map(checkedAddress));
}

function isReferenced({ groups }: VpcRecords, groupId: string): boolean {
  return groups.some(({ rules }) =>
    rules.some(({ peer }) => peer.kind === 'group' && peer.groupId === groupId),
  );
}

/** A name for nftables: hexadecimal only, whatever the id is. */
export function groupKey(groupId: string): string {
  return `sg_${createHash('sha256').update(groupId).digest('hex').slice(0, 12)}`;
}

function allows(records: VpcRecords, rule: SecurityGroupRule): readonly Allow[] {
  const match = trafficMatch(rule);
  // Parsed and printed again: what reaches the firewall is ours.
  const block = (cidr: string): Allow => ({ peer: { block: canonicalBlock(cidr) }, match });
  const { peer } = rule;
  switch (peer.kind) {
    case 'ipv4':
    case 'ipv6':
      return [block(peer.cidr)];
    case 'prefixList': {
      const list = records.prefixLists.find(({ prefixListId }) => prefixListId === peer.prefixListId);
      return (list?.entries ?? []).map(({ cidr }) => block(cidr));
    }
    case 'group':
      // Of a group that is gone, or whose peering is, nobody is a member.
      return isKnown(records, peer.groupId) ? [{ peer: { groupKey: groupKey(peer.groupId) }, match }] : [];
  }
}

function isKnown({ groups, peerings }: VpcRecords, groupId: string): boolean {
  return [groups, ...peerings.map(({ peerGroups }) => peerGroups)].some((some) =>
    some.some((group) => group.groupId === groupId),
  );
}

const PORT_PROTOCOLS = { tcp: 6, udp: 17 } as const;
const ICMP_PROTOCOLS = { icmp: 1, icmpv6: 58 } as const;

/** What a rule is about. Shared with whoever explains it. */
export function trafficMatch({
  ipProtocol,
  fromPort,
  toPort,
}: Pick<SecurityGroupRule, 'ipProtocol' | 'fromPort' | 'toPort'>): TrafficMatch {
  if (ipProtocol === '-1') return { kind: 'all' };
  if (ipProtocol === 'tcp' || ipProtocol === 'udp')
    return { kind: 'ports', protocol: PORT_PROTOCOLS[ipProtocol], from: fromPort ?? 0, to: toPort ?? 65_535 };
  if (ipProtocol === 'icmp' || ipProtocol === 'icmpv6')
    return icmpMatch(ICMP_PROTOCOLS[ipProtocol], fromPort ?? -1, toPort ?? -1);
  return { kind: 'protocol', protocol: Number(ipProtocol) };
}

/** -1 is every type, or every code. */
function icmpMatch(protocol: 1 | 58, type: number, code: number): TrafficMatch {
  if (type < 0) return { kind: 'protocol', protocol };
  return { kind: 'icmp', protocol, type, ...(code < 0 ? {} : { code }) };
}

function segmentRules(records: VpcRecords, subnet: Subnet): SegmentRules {
  const acl = records.networkAcls.find(({ networkAclId }) => networkAclId === subnet.networkAcl.networkAclId);
  const side = (egress: boolean): readonly AclEntry[] | undefined =>
    aclEntries(
      (acl?.entries ?? []).filter((entry) => entry.egress === egress),
      blocksOf(records.vpc).length,
    );
  const [inbound, outbound] = [side(false), side(true)];
  return {
    bridge: bridgeOf(subnet.subnetId),
    ...(inbound === undefined ? {} : { inbound }),
    ...(outbound === undefined ? {} : { outbound }),
    waysOut: waysOut(records, subnet),
  };
}

/** In the order of their numbers; undefined when the first ones already let everything pass, as a new ACL's do. */
function aclEntries(entries: readonly NetworkAclEntry[], families: number): readonly AclEntry[] | undefined {
  const ordered = [...entries].sort((a, b) => a.ruleNumber - b.ruleNumber);
  const everything = families === 1 ? ['0.0.0.0/0'] : ['0.0.0.0/0', '::/0'];
  const isOpen = everything.every((block) => {
    const first = ordered.find(({ cidrBlock }) => cidrBlock.includes(':') === block.includes(':'));
    return first?.ruleAction === 'allow' && first.protocol === '-1' && first.cidrBlock === block;
  });
  if (isOpen) return undefined;
  return ordered.map((entry) => ({
    action: entry.ruleAction,
    block: canonicalBlock(entry.cidrBlock),
    match: aclMatch(entry),
  }));
}

/** What an entry of a network ACL is about. Shared with whoever explains it. */
export function aclMatch({ protocol, portRange, icmpTypeCode }: NetworkAclEntry): TrafficMatch {
  const number = Number(protocol);
  if (number === -1) return { kind: 'all' };
  if (number === 6 || number === 17)
    return { kind: 'ports', protocol: number, from: portRange?.from ?? 0, to: portRange?.to ?? 65_535 };
  if (number === 1 || number === 58)
    return icmpMatch(number, icmpTypeCode?.type ?? -1, icmpTypeCode?.code ?? -1);
  return { kind: 'protocol', protocol: number };
}

function checkedAddress(address: string): string {
  const canonical = canonicalAddress(address);
  if (canonical === undefined) throw new Error(`'${address}' is no address`);
  return canonical;
}
