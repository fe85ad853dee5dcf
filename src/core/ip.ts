// Addresses and blocks of either family, in the one text that the kernel and nft print (RFC 5952).
import { isIPv6 } from 'node:net';
import { formatCidr, parseCidr, parseIpv4 } from './cidr.ts';
import { BonamiError } from './errors.ts';

export type Family = 4 | 6;

/** The family of a canonical address or block. */
export function familyOf(text: string): Family {
  return text.includes(':') ? 6 : 4;
}

/** Parses an IPv6 address without a zone; undefined when it is none. */
export function parseIpv6(text: string): bigint | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  const [, head = text, quad] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const low = quad === undefined ? undefined : parseIpv4(quad);
  const tail =
    low === undefined ? '' : `${Math.floor(low / 65_536).toString(16)}:${(low % 65_536).toString(16)}`;
  const [left = '', right] = `${head}${tail}`.split('::');
  const groups = (part: string | undefined): string[] => (part ?? '').split(':').filter(Boolean);
  const [before, after] = [groups(left), groups(right)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) + BigInt(`0x${group}`), 0n);
}

/** RFC 5952, section 4: lower case, no leading zeros, the longest run of zeros (of two or more) as `::`. */
export function formatIpv6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (groups[start + length] === '0') length++;
    if (length > best.length) best = { start, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.start).join(':')}::${groups.slice(best.start + best.length).join(':')}`;
}

/** An IPv6 block; `network` is the numeric network address. */
export interface Cidr6 {
  readonly network: bigint;
  readonly prefix: number;
}

/** Parses `a::/n`. Throws `InvalidParameterValue` when it is malformed or has host bits set. */
export function parseCidr6(text: string): Cidr6 {
  const [address = '', length = '', ...rest] = text.split('/');
  const network = parseIpv6(address);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (network === undefined || prefix < 0 || prefix > 128 || rest.length > 0)
    throw new BonamiError('InvalidParameterValue', `'${text}' is not an IPv6 CIDR block`, {
      hint: 'like fd00:1234:5678:100::/56',
    });
  if (network & ((1n << BigInt(128 - prefix)) - 1n))
    throw new BonamiError('InvalidParameterValue', `The CIDR block '${text}' has host bits set`);
  return { network, prefix };
}

/** The address `offset` places after the network address. */
export function addressAt6({ network }: Cidr6, offset: bigint): string {
  return formatIpv6(network + offset);
}

export function contains6({ network, prefix }: Cidr6, address: bigint): boolean {
  return address >> BigInt(128 - prefix) === network >> BigInt(128 - prefix);
}

/** A block of either family in its canonical text. Throws `InvalidParameterValue`. */
export function canonicalBlock(text: string): string {
  if (!text.includes(':')) return formatCidr(parseCidr(text));
  const { network, prefix } = parseCidr6(text);
  return `${formatIpv6(network)}/${prefix}`;
}

/** An address of either family in its canonical text; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  if (parseIpv4(text) !== undefined) return text;
  const value = parseIpv6(text);
  return value === undefined ? undefined : formatIpv6(value);
}

/** Whether a canonical block has a canonical address of its family in it. */
export function blockContains(block: string, address: string): boolean {
  if (familyOf(block) !== familyOf(address)) return false;
  if (familyOf(block) === 6) return contains6(parseCidr6(block), parseIpv6(address) ?? -1n);
  const { network, prefix } = parseCidr(block);
  const value = parseIpv4(address) ?? -1;
  return value >= network && value < network + 2 ** (32 - prefix);
}

/** Whether a canonical block is another one, or a part of it. */
export function blockWithin(inner: string, outer: string): boolean {
  return prefixOf(inner) >= prefixOf(outer) && blockContains(outer, inner.split('/')[0] ?? '');
}

/** Whether two canonical blocks share an address. */
export function blocksOverlap(a: string, b: string): boolean {
  const [first = '', second = ''] = [a.split('/')[0], b.split('/')[0]];
  return familyOf(a) === familyOf(b) && (blockContains(a, second) || blockContains(b, first));
}

/** Addresses that no host may have (IANA: "IPv4 Special-Purpose Address Registry"). */
export const UNUSABLE_IPV4 = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'];

/** The length of a block's prefix. */
export function prefixOf(block: string): number {
  return Number(block.split('/')[1]);
}
