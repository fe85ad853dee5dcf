import { createHash } from 'node:crypto';
import { formatCidr, parseCidr, parseIpv4, formatIpv4 } from '../../core/cidr.ts';
import { linkName } from '../../core/link-name.ts';
import type { Allow, GroupRules, NetworkRuleset, TrafficMatch } from '../../host/firewall/ruleset.ts';
import type { IpPermission, NetworkInterface, SecurityGroup, Vpc } from '../../store/network.ts';

export interface RulesetParts {
  readonly vpc: Vpc;
  readonly groups: readonly SecurityGroup[];
  /** The interfaces that are plugged, with the hop limit of their instances. */
  readonly interfaces: readonly { readonly networkInterface: NetworkInterface; readonly hopLimit: number }[];
}

export const METADATA_ADDRESS = '169.254.169.254';

/**
 * Security groups as firewall rules. Pure. EC2's semantics: rules only allow; the rules of all groups of an
 * interface are united; a rule that names a group means the addresses of its members (AWS: "Security group rules").
 */
export function networkRuleset({ vpc, groups, interfaces }: RulesetParts): NetworkRuleset {
  return {
    bridgePrefix: 'snt',
    cidr: vpc.cidrBlock,
    hasWayOut: vpc.internetGatewayId !== null,
    metadataAddress: METADATA_ADDRESS,
    ports: interfaces.map(({ networkInterface: each, hopLimit }) => ({
      key: linkName('eni', each.networkInterfaceId),
      addresses: [checkedAddress(each.privateIpAddress)],
      groupKeys: each.securityGroupIds.map(groupKey),
      hopLimit,
    })),
    groups: groups.map((group) =>
      groupRules(
        group,
        interfaces.map(({ networkInterface }) => networkInterface),
      ),
    ),
  };
}

function groupRules(group: SecurityGroup, interfaces: readonly NetworkInterface[]): GroupRules {
  return {
    key: groupKey(group.groupId),
    members: interfaces
      .filter(({ securityGroupIds }) => securityGroupIds.includes(group.groupId))
      .map((each) => checkedAddress(each.privateIpAddress)),
    ingress: group.ipPermissions.flatMap(allows),
    egress: group.ipPermissionsEgress.flatMap(allows),
  };
}

/** A name for nftables: hexadecimal only, whatever the id is. */
export function groupKey(groupId: string): string {
  return `sg_${createHash('sha256').update(groupId).digest('hex').slice(0, 12)}`;
}

function allows(permission: IpPermission): readonly Allow[] {
  const match = trafficMatch(permission);
  return [
    // Parsed and printed again: what reaches the firewall is ours.
    ...permission.ipRanges.map(({ cidrIp }): Allow => ({
      peer: { cidr: formatCidr(parseCidr(cidrIp)) },
      match,
    })),
    ...permission.userIdGroupPairs.map(({ groupId }): Allow => ({
      peer: { groupKey: groupKey(groupId) },
      match,
    })),
  ];
}

function trafficMatch({ ipProtocol, fromPort, toPort }: IpPermission): TrafficMatch {
  switch (ipProtocol) {
    case '-1':
      return { protocol: 'all' };
    case 'icmp':
      return { protocol: 'icmp', type: specific(fromPort), code: specific(toPort) };
    case 'tcp':
    case 'udp':
      return { protocol: ipProtocol, from: fromPort ?? 0, to: toPort ?? 65_535 };
  }
}

/** -1 and null both mean every type or code. */
function specific(value: number | null): number | undefined {
  return value === null || value < 0 ? undefined : value;
}

function checkedAddress(address: string): string {
  const value = parseIpv4(address);
  if (value === undefined) throw new Error(`'${address}' is no IPv4 address`);
  return formatIpv4(value);
}
