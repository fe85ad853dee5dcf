// What an interface's security groups say.
import { familyOf } from '../../core/ip.ts';
import { UPLINK_POOL } from '../../host/link/uplink.ts';
import type { SecurityGroup } from '../../store/security-groups.ts';
import { allow, drop, type Step } from './explanation.ts';
import { allowingRules, type Allowing } from './judge.ts';
import type { InterfacePlace, Place } from './place.ts';
import { groupText, ruleText } from './rule-text.ts';
import { portText, protocolName, trafficText, type Traffic } from './traffic.ts';

export interface GroupsQuestion {
  readonly direction: 'ingress' | 'egress';
  /** The other end's address, as the groups see it. */
  readonly other: string;
  /** The other end, where a hint may say more than its address. */
  readonly otherPlace: Place;
  readonly traffic: Traffic;
}

/** Groups only allow, and their rules are united (AWS: "Security group rules"). */
export function groupStep(place: InterfacePlace, question: GroupsQuestion): Step {
  const { direction, other, traffic } = question;
  const groups = groupsOf(place);
  const allowing = allowingRules({ records: place.records, groups, direction, other, traffic });
  if (allowing !== undefined)
    return allow(direction, allowing.map((each) => allowText(place, each)).join(', '));
  const names = groups.map(groupText).join(' or ');
  const way = direction === 'egress' ? 'to' : 'from';
  return drop(
    direction,
    `no ${direction} rule of ${names} allows ${trafficText(traffic)} ${way} ${other}`,
    hintFor(groups, question),
  );
}

function groupsOf({ records, networkInterface }: InterfacePlace): readonly SecurityGroup[] {
  return records.groups.filter(({ groupId }) => networkInterface.securityGroupIds.includes(groupId));
}

function allowText({ records }: InterfacePlace, { group, rule }: Allowing): string {
  return `${rule.securityGroupRuleId} of ${groupText(group)}: ${ruleText(records, rule)}`;
}

function hintFor(
  groups: readonly SecurityGroup[],
  { direction, other, otherPlace, traffic }: GroupsQuestion,
): string | undefined {
  const group = groups.find(({ groupName }) => groupName !== 'default') ?? groups[0];
  if (group === undefined) return undefined;
  const block = hintBlock(otherPlace, other);
  const end = direction === 'egress' ? `--to ${block}` : `--from ${block}`;
  return `bonami sg authorize ${group.groupId} ${ruleWords(traffic)} ${end}`;
}

function hintBlock(place: Place, address: string): string {
  if (place.kind === 'host' && address === place.address) return UPLINK_POOL;
  if (place.kind === 'outside' && place.isInternet) return familyOf(address) === 4 ? '0.0.0.0/0' : '::/0';
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}

/** As `bonami sg authorize` takes them. */
function ruleWords({ protocol, ports, icmp }: Traffic): string {
  const proto = protocol === 6 ? '' : `--proto ${protocolName(protocol)}`;
  if (ports !== undefined) return `${proto} -p ${portText(ports)}`.trim();
  return icmp === undefined ? proto : `${proto} --type ${icmp.type}`;
}
