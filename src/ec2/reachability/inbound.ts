// What may reach an instance, in words. Pure.
import type { Family } from '../../core/ip.ts';
import { addressesOf } from '../../store/network-interfaces.ts';
import type { SecurityGroupRule } from '../../store/security-groups.ts';
import { trafficMatch } from '../security-groups/ruleset.ts';
import type { PluggedInterface, VpcRecords } from '../vpcs/vpc-records.ts';
import { explainPath } from './explain-path.ts';
import { isPeer, membersOf } from './judge.ts';
import { INTERNET, type InterfacePlace } from './place.ts';
import { rulePeer, ruleTraffic } from './rule-text.ts';
import type { Traffic } from './traffic.ts';

/** A running instance's interface, and who may reach it. */
export interface Inbound {
  readonly InstanceId: string;
  readonly Name?: string;
  readonly NetworkInterfaceId: string;
  readonly PrivateIpAddress: string;
  /** What its groups let in. */
  readonly Allowed: readonly InboundAllowed[];
  /** What the whole way lets in from anywhere outside. */
  readonly Internet: {
    readonly Reachable: boolean;
    readonly PublicIp?: string;
    readonly Traffic: readonly string[];
    /** Why there is nothing. */
    readonly Reason?: string;
  };
}

export interface InboundAllowed {
  readonly From: string;
  readonly Traffic: readonly string[];
  /** Who that is at the moment, where a group is named. */
  readonly Members?: readonly string[];
}

export function inboundOf(records: VpcRecords): readonly Inbound[] {
  return records.plugged
    .filter(({ instance }) => instance.state === 'running')
    .map((plugged) => ({
      InstanceId: plugged.instance.instanceId,
      ...(plugged.name === undefined ? {} : { Name: plugged.name }),
      NetworkInterfaceId: plugged.networkInterface.networkInterfaceId,
      PrivateIpAddress: plugged.networkInterface.privateIpAddress,
      Allowed: allowedOf(records, plugged),
      Internet: fromInternet(records, plugged),
    }));
}

/** The ingress rules of all its groups, those with one other end together. */
function allowedOf(records: VpcRecords, plugged: PluggedInterface): readonly InboundAllowed[] {
  const byPeer = new Map<string, InboundAllowed>();
  for (const rule of ingressRules(records, plugged)) {
    const from = rulePeer(records, rule);
    const { Traffic: known = [] } = byPeer.get(from) ?? {};
    byPeer.set(from, {
      From: from,
      Traffic: [...new Set([...known, ruleTraffic(rule)])],
      ...(rule.peer.kind === 'group' ? { Members: namesOf(records, plugged, rule.peer.groupId) } : {}),
    });
  }
  return [...byPeer.values()];
}

function ingressRules(
  { groups }: VpcRecords,
  { networkInterface: { securityGroupIds } }: PluggedInterface,
): readonly SecurityGroupRule[] {
  return groups
    .filter(({ groupId }) => securityGroupIds.includes(groupId))
    .flatMap(({ rules }) => rules.filter(({ isEgress }) => !isEgress));
}

/** The group's other members, by their names. */
function namesOf(records: VpcRecords, own: PluggedInterface, groupId: string): readonly string[] {
  const addresses = membersOf(records, groupId);
  const all = [...records.plugged, ...records.peerings.flatMap(({ peerPlugged }) => peerPlugged)];
  const members = all.filter(
    ({ networkInterface, instance }) =>
      instance.instanceId !== own.instance.instanceId &&
      addressesOf(networkInterface).some((address) => addresses.has(address)) &&
      networkInterface.securityGroupIds.some((id) => id === groupId),
  );
  return [...new Set(members.map(({ name, instance }) => name ?? instance.instanceId))];
}

function fromInternet(records: VpcRecords, plugged: PluggedInterface): Inbound['Internet'] {
  const { networkInterfaceId } = plugged.networkInterface;
  const elastics = records.addresses.filter(
    ({ association }) => association?.networkInterfaceId === networkInterfaceId,
  );
  const rules = ingressRules(records, plugged).filter((rule) => isPeer(records, rule, INTERNET[4]));
  if (elastics.length === 0) return { Reachable: false, Traffic: [], Reason: 'no elastic address' };
  const [elastic] = elastics;
  const shown = elastic === undefined ? {} : { PublicIp: elastic.publicIp };
  if (rules.length === 0) return { Reachable: false, ...shown, Traffic: [], Reason: 'no rule for everybody' };
  const reached: string[] = [];
  let reason: string | undefined;
  for (const address of elastics)
    for (const rule of rules) {
      const to = placeOf(records, plugged, address);
      const traffic = to && trafficOf(rule);
      if (to === undefined || traffic === undefined) continue;
      const from = { kind: 'outside', address: INTERNET[4], isInternet: true } as const;
      const { droppedBy } = explainPath({ from, to, traffic });
      if (droppedBy === undefined) reached.push(ruleTraffic(rule));
      else reason ??= droppedBy.by;
    }
  if (reached.length > 0) return { Reachable: true, ...shown, Traffic: [...new Set(reached)] };
  return { Reachable: false, ...shown, Traffic: [], ...(reason === undefined ? {} : { Reason: reason }) };
}

function placeOf(
  records: VpcRecords,
  { networkInterface, instance, name }: PluggedInterface,
  elastic: VpcRecords['addresses'][number],
): InterfacePlace | undefined {
  const subnet = records.subnets.find(({ subnetId }) => subnetId === networkInterface.subnetId);
  const address = elastic.association?.privateIpAddress;
  if (subnet === undefined || address === undefined) return undefined;
  return {
    kind: 'interface',
    records,
    subnet,
    networkInterface,
    instance,
    name,
    isPlugged: true,
    address,
    elastic,
    named: 'elastic',
  };
}

/** All that a rule is about, in IPv4; undefined for what has no IPv4 packets or begins nothing. */
function trafficOf(rule: SecurityGroupRule): Traffic | undefined {
  const match = trafficMatch(rule);
  const family: Family = 4;
  switch (match.kind) {
    case 'all':
      return { family, protocol: undefined };
    case 'ports':
      return { family, protocol: match.protocol, ports: { from: match.from, to: match.to } };
    case 'icmp':
      return match.protocol === 1
        ? { family, protocol: 1, icmp: { type: match.type, code: match.code ?? 0 } }
        : undefined;
    case 'protocol':
      return match.protocol === 58
        ? undefined
        : { family, protocol: match.protocol, ...portsOf(match.protocol) };
  }
}

function portsOf(protocol: number): Pick<Traffic, 'ports'> {
  return protocol === 6 || protocol === 17 ? { ports: { from: 0, to: 65_535 } } : {};
}
