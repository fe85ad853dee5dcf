// What makes a MAC and an address a proof of identity: on its tap nobody speaks with another's.
import { parseIpv6 } from '../../core/ip.ts';
import { ofFamily } from './block.ts';
import { baseChain, oneOf, REFUSED, table, type Part } from './nft.ts';
import type { Guard } from './ruleset.ts';
import { inBlocks } from './traffic.ts';

/** The table of all taps of a router's namespace, with its family. */
export const guardsTableName = 'netdev bonami';

/** Room for several of the largest frames that a machine hands over at once (64 KiB and their headers). */
const LEAST_BURST = 256 * 1024;

/** Of the link, of nobody, and IPv4 addresses in disguise, which a machine's programs would take for them (RFC 4291). */
const NOBODYS6 = ['fe80::/10', '::/128', '::ffff:0:0/96'];

/** The guards of all taps, one chain each. */
export function guardsTable(guards: readonly Guard[]): string {
  return table(guardsTableName, guards.map(guardChain));
}

function guardChain({ tap, mac, addresses, forwardsExcept, bytesPerSecond }: Guard): Part {
  const [ipv4, ipv6] = [ofFamily(addresses, 4), ofFamily(addresses, 6)];
  return baseChain(tap, `filter hook ingress device "${tap}" priority filter`, [
    // The kernel takes a tag off before it asks, so that what is inside would pass for untagged.
    'ether type { 8021q, 8021ad } counter drop',
    `ether saddr != ${mac} counter drop`,
    `ether type arp arp htype 1 arp saddr ether ${mac} arp saddr ip { ${['0.0.0.0', ...ipv4].join(', ')} } accept`,
    'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
    ...(bytesPerSecond === undefined ? [] : [limit(bytesPerSecond)]),
    ...(ipv4.length > 0 ? sources4(ipv4, forwardsExcept) : []),
    ...(ipv6.length > 0 ? sources6(ipv6, forwardsExcept) : []),
    REFUSED,
  ]);
}

function limit(bytesPerSecond: number): string {
  const burst = Math.max(LEAST_BURST, Math.ceil(bytesPerSecond / 100));
  return `limit rate over ${bytesPerSecond} bytes/second burst ${burst} bytes counter drop`;
}

function sources4(own: readonly string[], forwardsExcept: readonly string[] | undefined): readonly string[] {
  return [
    `ip saddr ${oneOf(own)} accept`,
    ...(forwardsExcept === undefined
      ? []
      : [
          `${inBlocks(4, 'saddr', ['0.0.0.0/8', '169.254.0.0/16', ...ofFamily(forwardsExcept, 4)])} counter drop`,
          'meta protocol ip accept',
        ]),
  ];
}

/** Autoconfiguration speaks from link-local addresses and from none; nothing else may, and nobody is a router. */
function sources6(own: readonly string[], forwardsExcept: readonly string[] | undefined): readonly string[] {
  const targets = own.map((address) => `0x${(parseIpv6(address) ?? 0n).toString(16).padStart(32, '0')}`);
  const listeners = 'mld-listener-report, mld-listener-done, mld2-listener-report';
  return [
    'icmpv6 type { nd-router-advert, nd-redirect } counter drop',
    // The target of an advertisement, which nft 1.0.6 has no name for; 0x3fa are the first ten bits of fe80::/10.
    `icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa @th,64,128 != ${oneOf(targets)} counter drop`,
    `ip6 saddr ${oneOf(own)} accept`,
    `ip6 saddr fe80::/10 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, ${listeners} } accept`,
    'ip6 saddr fe80::/10 udp sport 546 udp dport 547 accept',
    `ip6 saddr :: icmpv6 type { nd-router-solicit, nd-neighbor-solicit, ${listeners} } accept`,
    ...(forwardsExcept === undefined
      ? []
      : [
          `${inBlocks(6, 'saddr', [...NOBODYS6, ...ofFamily(forwardsExcept, 6)])} counter drop`,
          'meta protocol ip6 accept',
        ]),
  ];
}
