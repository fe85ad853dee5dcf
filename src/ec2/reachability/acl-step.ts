// What a subnet's network ACL says. It remembers nothing, so answers are judged as well.
import { familyOf } from '../../core/ip.ts';
import { without, type Ports } from '../../host/firewall/ports.ts';
import type { NetworkAcl } from '../../store/network-acls.ts';
import { allow, drop, type Stage, type Step } from './explanation.ts';
import { judgeAcl, type AclAnswer } from './judge.ts';
import type { InterfacePlace } from './place.ts';
import { entryText } from './rule-text.ts';
import { ANSWER_PORTS, LINUX_PORTS, portText, protocolName, trafficText, type Traffic } from './traffic.ts';

export interface AclQuestion {
  readonly direction: 'in' | 'out';
  readonly other: string;
  readonly traffic: Traffic;
  /** It is about what comes back. */
  readonly isAnswer: boolean;
}

/** The ACL of an interface's subnet; for what leaves the subnet or comes from elsewhere only. */
export function aclStep({ records, subnet }: InterfacePlace, question: AclQuestion): Step {
  const { direction, isAnswer } = question;
  const stage: Stage = isAnswer ? `answer-acl-${direction}` : `acl-${direction}`;
  const { networkAclId } = subnet.networkAcl;
  const acl = records.networkAcls.find((each) => each.networkAclId === networkAclId);
  if (acl === undefined) return drop(stage, `${networkAclId} is gone`);
  const answer = judgeAcl({ acl, ...question });
  const name = `${acl.networkAclId}${acl.isDefault ? ' (default)' : ''} of ${subnet.subnetId}`;
  const range = isAnswer && question.traffic.ports !== undefined ? clientRange(answer.passes) : undefined;
  if (answer.isAllAllowed || range !== undefined)
    return allow(stage, `${name}: ${answer.allowedBy.map(entryText).join(', ')}${range ?? ''}`);
  return drop(stage, `${name}: ${refusal(answer, question)}`, hintFor(acl, answer, question));
}

/**
 * What is said of answers of which only a part passes; undefined when those to Linux are not all among it. Clients
 * choose their ports: most from 1024 on, Linux from a part of that.
 */
function clientRange(passes: readonly Ports[]): string | undefined {
  if (covers(passes, ANSWER_PORTS)) return '';
  if (!covers(passes, LINUX_PORTS)) return undefined;
  return `; that has the ports ${portText(LINUX_PORTS)} of Linux, not all of ${portText(ANSWER_PORTS)}`;
}

function covers(passes: readonly Ports[], wanted: Ports): boolean {
  return without([wanted], passes).length === 0;
}

function refusal(
  { deniedBy, allowedBy, passes }: AclAnswer,
  { traffic, other, direction }: AclQuestion,
): string {
  const what = `${trafficText(traffic)} ${direction === 'in' ? 'from' : 'to'} ${other}`;
  const partly =
    passes.length === 0 || allowedBy.length === 0
      ? ''
      : `, and only ${passes.map(portText).join(', ')} is allowed`;
  return deniedBy === undefined
    ? `no entry allows ${partly === '' ? '' : 'all of '}${what}${partly}`
    : `${entryText(deniedBy)}: ${what}`;
}

function hintFor(
  acl: NetworkAcl,
  { deniedBy }: AclAnswer,
  { direction, other, traffic }: AclQuestion,
): string | undefined {
  const number = freeNumber(acl, { isEgress: direction === 'out', before: deniedBy?.ruleNumber });
  if (number === undefined) return undefined;
  const cidr = `--cidr ${other}/${familyOf(other) === 4 ? 32 : 128}`;
  const words = [entryWords(traffic), direction === 'out' ? '--egress' : '', cidr].filter(
    (word) => word !== '',
  );
  return `bonami acl add ${acl.networkAclId} ${number} allow ${words.join(' ')}`;
}

/** A number that is tried before that of an entry, or after all others. */
function freeNumber(
  { entries }: NetworkAcl,
  { isEgress, before }: { readonly isEgress: boolean; readonly before: number | undefined },
): number | undefined {
  const used = new Set(
    entries.filter(({ egress }) => egress === isEgress).map(({ ruleNumber }) => ruleNumber),
  );
  if (before === undefined) {
    const next = Math.max(0, ...used) + 100;
    return next <= 32_766 ? next : undefined;
  }
  for (let number = before - 1; number > 0; number--) if (!used.has(number)) return number;
  return undefined;
}

/** As `bonami acl add` takes them. */
function entryWords({ protocol, ports, icmp }: Traffic): string {
  const proto = protocol === 6 ? '' : `--proto ${protocolName(protocol)}`;
  if (ports !== undefined) return `${proto} -p ${portText(ports)}`.trim();
  return icmp === undefined ? proto : `${proto} --icmp ${icmp.type}/${icmp.code}`;
}
