// What the router itself answers.
import { UPLINK_NAME } from '../link/router.ts';
import { ofFamily } from './block.ts';
import { baseChain, chain, links, map, REFUSED, type Part } from './nft.ts';
import type { NetworkRuleset, PortRules } from './ruleset.ts';

/** ct mark of a connection whose answer is no token. */
const NO_TOKEN_MARK = '0x1d5';
/** How such answers begin (imds/server.ts): refusals, and contents, whose type is told first. */
const NO_TOKEN = ['HTTP/1.1 4', 'HTTP/1.1 5', 'HTTP/1.1 200 OK\r\nContent-Type:'];

/**
 * What a DHCPv6 client asks (RFC 8415, 7.3): no relay's messages, which name another client, and no declining of an
 * address, after which the server gives it to nobody for ten minutes.
 */
const DHCPV6_REQUESTS = '{ 1, 3, 4, 5, 6, 8, 11 }';

/** How IPv6 finds its neighbours; it is no traffic that anybody's rules are about. */
const NEIGHBOURS = 'nd-neighbor-solicit, nd-neighbor-advert';

/** What machines may reach on the router: DHCP, names, metadata, ping. Everything else is dropped. */
export function localParts({
  bridgePrefix,
  metadataAddress,
  ports,
  crossings,
}: NetworkRuleset): readonly Part[] {
  const machines = `iifname "${bridgePrefix}*"`;
  const outside = `iifname ${links([UPLINK_NAME, ...crossings.map(({ link }) => link)])}`;
  return [
    chain('dhcp', [...ports.map(dhcpLine), REFUSED]),
    chain('dhcp6', [`udp sport 546 @th,64,8 ${DHCPV6_REQUESTS} accept`, REFUSED]),
    baseChain('local_in', 'filter hook input priority filter', [
      'iifname "lo" accept',
      // First: with answers to renewals a machine has a conversation with the server, in which it could say anything.
      `${machines} udp dport 67 jump dhcp`,
      `${machines} udp dport 547 jump dhcp6`,
      'ct state established,related accept',
      `${machines} meta l4proto { tcp, udp } th dport 53 accept`,
      `${machines} ip daddr ${metadataAddress} tcp dport 80 accept`,
      `${machines} icmp type echo-request accept`,
      `${machines} icmpv6 type { echo-request, nd-router-solicit, ${NEIGHBOURS} } accept`,
      `${machines} icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } accept`,
      `iifname "${UPLINK_NAME}" icmp type echo-request accept`,
      `${outside} icmpv6 type { ${NEIGHBOURS} } accept`,
      REFUSED,
    ]),
    // The kernel tells IPv6 neighbours to speak without their router, which their ports do not allow; unlike for IPv4
    // it has no switch for that.
    baseChain('local_out', 'filter hook output priority filter', ['icmpv6 type nd-redirect drop']),
    ...tokenParts(metadataAddress, ports),
  ];
}

/**
 * DHCP knows a machine by the MAC inside the message, from which it would decline or give back a neighbour's address;
 * so that one must be the sender's own, and there is no relay (RFC 2131, giaddr and chaddr).
 */
function dhcpLine({ mac }: PortRules): string {
  return `ether saddr ${mac} udp sport 68 @th,256,80 0x00000000${mac.replaceAll(':', '')} accept`;
}

/**
 * Only the answer to a token PUT has its TTL limited (AWS: HttpPutResponseHopLimit). Which one that is, the service's
 * own words tell, for what a machine asks may be cut or joined as it likes: unlimited are connections whose answer
 * begins as no token's does. Each connection has one answer.
 */
function tokenParts(metadataAddress: string, ports: NetworkRuleset['ports']): readonly Part[] {
  const limits = [...new Set(ports.map(({ hopLimit }) => hopLimit))];
  const entries = ports.flatMap(({ addresses, hopLimit }) =>
    ofFamily(addresses, 4).map((address) => [address, `jump hop_${hopLimit}`] as const),
  );
  const answers = `ip saddr ${metadataAddress} tcp sport 80`;
  return [
    map('hops', 'ipv4_addr : verdict', entries),
    ...limits.map((limit) => chain(`hop_${limit}`, [`ip ttl set ${limit}`])),
    baseChain('token_answers', 'filter hook output priority mangle', [
      ...NO_TOKEN.map((beginning) => `${answers} ${payload(beginning)} ct mark set ${NO_TOKEN_MARK}`),
      // A segment without content, like those that open a connection, is no part of an answer.
      `${answers} ct mark != ${NO_TOKEN_MARK} @ih,0,8 != 0 ip daddr vmap @hops`,
    ]),
  ];
}

/** A match of what a TCP segment's content begins with; nft takes 16 bytes at a time. */
function payload(beginning: string): string {
  const bytes = Buffer.from(beginning);
  const parts = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, index) => index * 16);
  return parts
    .map((at) => {
      const part = bytes.subarray(at, at + 16);
      return `@ih,${at * 8},${part.length * 8} 0x${part.toString('hex')}`;
    })
    .join(' ');
}
