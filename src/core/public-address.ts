import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** IPv4 that is not the public internet: IANA's special-purpose registry (RFC 6890), multicast, and class E. */
const SPECIAL_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** Parts of 2000::/3 that are not: Teredo and other protocols, documentation, 6to4 (an IPv4 address in disguise). */
const SPECIAL_IPV6: readonly (readonly [string, number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const special = new BlockList();
for (const [network, prefix] of SPECIAL_IPV4) special.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of SPECIAL_IPV6) special.addSubnet(network, prefix, 'ipv6');
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/**
 * Whether an address lies on the public internet. Everything else (this host, its networks, our own VPCs, metadata
 * services, IPv4 written as IPv6) is refused to names that come from outside.
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, 'ipv4');
  if (!isIPv6(address) || address.includes('%')) return false;
  return globalUnicast.check(address, 'ipv6') && !special.check(address, 'ipv6');
}

/** Networks that a mirror of one's own may be in: RFC 1918, RFC 6598, RFC 4193. Never link-local ones. */
const PRIVATE_IPV4: readonly (readonly [string, number])[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
];
/** Metadata services inside those networks: Alibaba's, EC2's and Google's. Nobody's mirror. */
const METADATA: readonly (readonly [string, 'ipv4' | 'ipv6'])[] = [
  ['100.100.100.200', 'ipv4'],
  ['fd00:ec2::254', 'ipv6'],
  ['fd20:ce::254', 'ipv6'],
];

const own = new BlockList();
for (const [network, prefix] of PRIVATE_IPV4) own.addSubnet(network, prefix, 'ipv4');
own.addSubnet('fc00::', 7, 'ipv6');
const metadata = new BlockList();
for (const [address, family] of METADATA) metadata.addAddress(address, family);
const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether a host of this name may be reached at this address: on the public internet always; in a private network
 * when exactly that name is among `allowedHosts`; on this host itself only when the name says so too (`localhost`,
 * `127.0.0.1`), for a name server can answer anything. A metadata service may never.
 */
export function mayConnect(name: string, address: string, allowedHosts: readonly string[]): boolean {
  if (isPublicAddress(address)) return true;
  if (!allowedHosts.some((allowed) => bare(allowed) === bare(name))) return false;
  return isOwnNetwork(address) || (isLoopback(address) && saysLoopback(bare(name)));
}

function isOwnNetwork(address: string): boolean {
  return isIn(own, address) && !isIn(metadata, address);
}

function isLoopback(address: string): boolean {
  return isIn(loopback, address);
}

function saysLoopback(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost') || isLoopback(name);
}

function isIn(list: BlockList, address: string): boolean {
  if (isIPv4(address)) return list.check(address, 'ipv4');
  // BlockList would find `::ffff:10.0.0.1` in 10.0.0.0/8; an address in disguise is nobody's wish.
  if (!isIPv6(address) || address.includes('%') || address.toLowerCase().startsWith('::ffff:')) return false;
  return list.check(address, 'ipv6');
}

/** A host name as URLs write it, without the brackets of an IPv6 address. */
function bare(name: string): string {
  return name.toLowerCase().replace(/^\[(.*)\]$/, '$1');
}
