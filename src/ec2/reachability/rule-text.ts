// Rules and entries in a few words.
import type { NetworkAclEntry } from '../../store/network-acls.ts';
import type { SecurityGroup, SecurityGroupRule } from '../../store/security-groups.ts';
import type { VpcRecords } from '../vpcs/vpc-records.ts';
import { portText, protocolName } from './traffic.ts';

/** `tcp/22 from 0.0.0.0/0`, `everything to members of db (sg-…)`. */
export function ruleText(records: VpcRecords, rule: SecurityGroupRule): string {
  return `${ruleTraffic(rule)} ${rule.isEgress ? 'to' : 'from'} ${rulePeer(records, rule)}`;
}

/** `everything`, `tcp/22`, `icmp type 8 code 0`. */
export function ruleTraffic({ ipProtocol, fromPort, toPort }: SecurityGroupRule): string {
  if (ipProtocol === '-1') return 'everything';
  if (ipProtocol === 'tcp' || ipProtocol === 'udp') return portsOf(ipProtocol, fromPort, toPort);
  if (!ipProtocol.startsWith('icmp')) return `protocol ${ipProtocol}`;
  return icmpOf(ipProtocol, fromPort, toPort);
}

/** A block, a group or a list; with the rule's description, when it has one. */
export function rulePeer(records: VpcRecords, { peer, description }: SecurityGroupRule): string {
  return `${peerText(records, peer)}${description === null ? '' : ` (${description})`}`;
}

function peerText(records: VpcRecords, peer: SecurityGroupRule['peer']): string {
  switch (peer.kind) {
    case 'ipv4':
    case 'ipv6':
      return peer.cidr;
    case 'prefixList': {
      const list = records.prefixLists.find(({ prefixListId }) => prefixListId === peer.prefixListId);
      return `prefix list ${list === undefined ? '' : `${list.prefixListName} `}(${peer.prefixListId})`;
    }
    case 'group': {
      const all = [records.groups, ...records.peerings.map(({ peerGroups }) => peerGroups)].flat();
      const group = all.find(({ groupId }) => groupId === peer.groupId);
      return group === undefined ? `${peer.groupId}, which is gone` : `members of ${groupText(group)}`;
    }
  }
}

export function groupText({ groupName, groupId }: SecurityGroup): string {
  return `${groupName} (${groupId})`;
}

/** `entry 100 denies tcp/22 from 0.0.0.0/0`. */
export function entryText(entry: NetworkAclEntry): string {
  const { ruleNumber, ruleAction, egress, cidrBlock } = entry;
  const verb = ruleAction === 'allow' ? 'allows' : 'denies';
  return `entry ${ruleNumber} ${verb} ${entryTraffic(entry)} ${egress ? 'to' : 'from'} ${cidrBlock}`;
}

function entryTraffic({ protocol, portRange, icmpTypeCode }: NetworkAclEntry): string {
  if (protocol === '-1') return 'everything';
  const name = protocolName(Number(protocol));
  if (portRange !== null) return portsOf(name, portRange.from, portRange.to);
  if (icmpTypeCode !== null) return icmpOf(name, icmpTypeCode.type, icmpTypeCode.code);
  return name === protocol ? `protocol ${protocol}` : name;
}

function portsOf(name: string, from: number | null, to: number | null): string {
  const ports = { from: from ?? 0, to: to ?? 65_535 };
  return ports.from === 0 && ports.to === 65_535 ? name : `${name}/${portText(ports)}`;
}

function icmpOf(name: string, type: number | null, code: number | null): string {
  if (type === null || type < 0) return name;
  return `${name} type ${type}${code === null || code < 0 ? '' : ` code ${code}`}`;
}
