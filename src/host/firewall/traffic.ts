// What a rule says of a packet, as nft has it.
import type { Family } from '../../core/ip.ts';
import { disjoint, FAMILIES, ofFamily } from './block.ts';
import { oneOf, REFUSED } from './nft.ts';
import type { TrafficMatch } from './ruleset.ts';

/** The other side as the packet names it. */
export type Side = 'saddr' | 'daddr';

/** How matches name the families. */
export const HEADER = { 4: 'ip', 6: 'ip6' } as const;
export const ADDRESS_TYPE = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const;
const NETWORK_PROTOCOL = { 4: 'ipv4', 6: 'ipv6' } as const;
export const TRANSPORT = { 6: 'tcp', 17: 'udp' } as const;
const ICMP = { 1: 'icmp', 58: 'icmpv6' } as const;
const ICMP_OF = { 4: 1, 6: 58 } as const;

/**
 * The match without addresses; empty for all traffic. Undefined when no packet of this family can match: ICMP belongs
 * to IPv4 and ICMPv6 to IPv6.
 */
export function trafficText(match: TrafficMatch, family: Family): string | undefined {
  switch (match.kind) {
    case 'all':
      return '';
    case 'protocol':
      return `meta l4proto ${match.protocol}`;
    case 'ports':
      return `${TRANSPORT[match.protocol]} dport ${portText(match)}`;
    case 'icmp': {
      if (match.protocol !== ICMP_OF[family]) return undefined;
      const name = ICMP[match.protocol];
      return `${name} type ${match.type}${match.code === undefined ? '' : ` ${name} code ${match.code}`}`;
    }
  }
}

export function portText({ from, to }: { readonly from: number; readonly to: number }): string {
  return from === to ? String(from) : `${from}-${to}`;
}

/** Addresses of one family, told by their blocks. */
export function inBlocks(family: Family, side: Side, blocks: readonly string[]): string {
  return `${HEADER[family]} ${side} ${oneOf(disjoint(blocks))}`;
}

/** A line for each family that has blocks. */
export function eachFamily(
  side: Side,
  blocks: readonly string[],
  line: (addresses: string) => string,
): readonly string[] {
  return FAMILIES.flatMap((family) => {
    const own = ofFamily(blocks, family);
    return own.length === 0 ? [] : [line(inBlocks(family, side, own))];
  });
}

/** Lines that drop what has an address outside of the blocks; all of a family that has none. */
export function refuseOutside(where: string, side: Side, blocks: readonly string[]): readonly string[] {
  return FAMILIES.map((family) => {
    const own = ofFamily(blocks, family);
    const outside =
      own.length === 0
        ? `meta nfproto ${NETWORK_PROTOCOL[family]}`
        : `${HEADER[family]} ${side} != ${oneOf(disjoint(own))}`;
    return statement(where, outside, REFUSED);
  });
}

/** Words of one rule; those that are empty say nothing. */
export function statement(...words: readonly string[]): string {
  return words.filter((word) => word !== '').join(' ');
}
