// What is asked about, in the words of a person: `tcp/22`, `udp/53`, `icmp`, `icmp/8/0`, `proto/47`, `all`.
import { UsageError } from '../../core/errors.ts';
import type { Family } from '../../core/ip.ts';
import type { Ports } from '../../host/firewall/ports.ts';
import type { TrafficMatch } from '../../host/firewall/ruleset.ts';

/** The first packets of a conversation. */
export interface Traffic {
  readonly family: Family;
  /** Its number; undefined is every protocol. */
  readonly protocol: number | undefined;
  /** Destination ports of TCP and UDP. */
  readonly ports?: Ports;
  readonly icmp?: { readonly type: number; readonly code: number };
}

const TCP = 6;
const UDP = 17;
const ICMP = 1;
const ICMPV6 = 58;
const NAMES: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' };
const EVERY_PORT: Ports = { from: 0, to: 65_535 };
/** Echo requests, by family. */
const PING = { 4: 8, 6: 128 } as const;

const USAGE = { hint: 'tcp/22, tcp/8000-8100, udp/53, icmp, icmp/8/0, proto/47 or all' };

/** The family that a word itself is about; undefined when it goes with both. */
export function familyOfWord(word: string): Family | undefined {
  return /^icmpv6(\/|$)/i.test(word) ? 6 : /^icmp\//i.test(word) ? 4 : undefined;
}

/** Throws `UsageError` for what is no traffic. `icmp` alone is a ping of either family. */
export function parseTraffic(word: string, family: Family): Traffic {
  const [name = '', first, second, ...rest] = word.toLowerCase().split('/');
  const known = rest.length === 0 ? traffic(name, { first, second, family }) : undefined;
  if (known === undefined) throw new UsageError(`'${word}' is no traffic`, USAGE);
  return known;
}

interface Details {
  readonly first: string | undefined;
  readonly second: string | undefined;
  readonly family: Family;
}

function traffic(name: string, { first, second, family }: Details): Traffic | undefined {
  if (name === 'all') return first === undefined ? { family, protocol: undefined } : undefined;
  if (name === 'tcp' || name === 'udp') {
    const ports = first === undefined ? EVERY_PORT : parsePorts(first);
    if (ports === undefined || second !== undefined) return undefined;
    return { family, protocol: name === 'tcp' ? TCP : UDP, ports };
  }
  if (name === 'icmp' || name === 'icmpv6') {
    const type = first === undefined ? PING[family] : parseByte(first);
    const code = second === undefined ? 0 : parseByte(second);
    if (type === undefined || code === undefined) return undefined;
    return { family, protocol: family === 4 ? ICMP : ICMPV6, icmp: { type, code } };
  }
  const protocol = name === 'proto' ? parseByte(first ?? '') : undefined;
  if (protocol === undefined || second !== undefined) return undefined;
  const hasPorts = protocol === TCP || protocol === UDP;
  return { family, protocol, ...(hasPorts ? { ports: EVERY_PORT } : {}) };
}

function parsePorts(text: string): Ports | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  return from <= to && to <= EVERY_PORT.to ? { from, to } : undefined;
}

function parseByte(text: string): number | undefined {
  return /^\d{1,3}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}

/** The words again: `tcp/22`, `icmp/8/0`, `all traffic`. */
export function trafficText({ protocol, ports, icmp }: Traffic): string {
  if (protocol === undefined) return 'all traffic';
  const name = NAMES[protocol] ?? `protocol ${protocol}`;
  if (ports !== undefined) return `${name}/${portText(ports)}`;
  return icmp === undefined ? name : `${name}/${icmp.type}/${icmp.code}`;
}

export function portText({ from, to }: Ports): string {
  return from === to ? String(from) : `${from}-${to}`;
}

/** A protocol's name where EC2 has one for it. */
export function protocolName(protocol: number | undefined): string {
  return protocol === undefined ? 'all' : (NAMES[protocol] ?? String(protocol));
}

/** Where the answers to TCP and UDP go (AWS: "Network ACLs", ephemeral ports). */
export const ANSWER_PORTS: Ports = { from: 1024, to: 65_535 };
/** Those that Linux takes (ip(7), ip_local_port_range). */
export const LINUX_PORTS: Ports = { from: 32_768, to: 60_999 };

/** ICMP requests and their answers (RFC 792, RFC 950, RFC 4443); conversations begin with nothing else. */
const ANSWERS: Readonly<Record<4 | 6, Readonly<Record<number, number>>>> = {
  4: { 8: 0, 13: 14, 15: 16, 17: 18 },
  6: { 128: 129, 139: 140 },
};

/** What comes back. */
export function answerTo({ family, protocol, ports, icmp }: Traffic): Traffic {
  if (ports !== undefined) return { family, protocol, ports: ANSWER_PORTS };
  const type = icmp && ANSWERS[family][icmp.type];
  return { family, protocol, ...(type === undefined ? {} : { icmp: { type, code: 0 } }) };
}

/** Whether a conversation can begin with it: an ICMP error or answer alone belongs to none. */
export function beginsConversation({ family, icmp }: Traffic): boolean {
  return icmp === undefined || icmp.type in ANSWERS[family];
}

/** How much of some traffic a match is about. */
export interface Share {
  /** In ports, where it has any; otherwise all of it is the one range, or none is. */
  readonly ranges: readonly Ports[];
  /** It is about a part that ranges cannot tell: one protocol of all. */
  readonly isPart: boolean;
}

const ONE: Ports = { from: 0, to: 0 };
const NONE: Share = { ranges: [], isPart: false };
const PART: Share = { ranges: [], isPart: true };

/** All of it, as ranges of ports. */
export function rangesOf({ ports = ONE }: Traffic): readonly Ports[] {
  return [ports];
}

export function shareOf(match: TrafficMatch, asked: Traffic): Share {
  const whole = { ranges: rangesOf(asked), isPart: false };
  if (match.kind === 'all') return whole;
  // ICMP belongs to IPv4 and ICMPv6 to IPv6: of the other one there are no packets.
  if (match.kind === 'icmp' && match.protocol !== (asked.family === 4 ? ICMP : ICMPV6)) return NONE;
  if (asked.protocol === undefined) return PART;
  if (match.protocol !== asked.protocol) return NONE;
  if (match.kind === 'protocol') return whole;
  if (match.kind === 'ports') {
    const { from, to } = asked.ports ?? EVERY_PORT;
    const [first, last] = [Math.max(from, match.from), Math.min(to, match.to)];
    return first > last ? NONE : { ranges: [{ from: first, to: last }], isPart: false };
  }
  if (asked.icmp === undefined) return PART;
  const isSame =
    match.type === asked.icmp.type && (match.code === undefined || match.code === asked.icmp.code);
  return isSame ? whole : NONE;
}
