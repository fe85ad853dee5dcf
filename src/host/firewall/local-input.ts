// What the router itself answers.
import { UPLINK_NAME } from '../link/router.ts';
import { ofFamily } from './block.ts';
import { baseChain, chain, links, map, REFUSED, type Part } from './nft.ts';
import type { NetworkRuleset } from './ruleset.ts';

/** ct mark of a connection whose last request was a token PUT. */
const TOKEN_MARK = '0x1d5';

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
    baseChain('local_in', 'filter hook input priority filter', [
      'iifname "lo" accept',
      'ct state established,related accept',
      `${machines} udp sport 68 udp dport 67 accept`,
      `${machines} udp sport 546 udp dport 547 accept`,
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

/** Only the answer to a token PUT has its TTL limited (AWS: HttpPutResponseHopLimit): told by the request's first word. */
function tokenParts(metadataAddress: string, ports: NetworkRuleset['ports']): readonly Part[] {
  const limits = [...new Set(ports.map(({ hopLimit }) => hopLimit))];
  const entries = ports.flatMap(({ addresses, hopLimit }) =>
    ofFamily(addresses, 4).map((address) => [address, `jump hop_${hopLimit}`] as const),
  );
  const requests = `ip daddr ${metadataAddress} tcp dport 80`;
  return [
    map('hops', 'ipv4_addr : verdict', entries),
    ...limits.map((limit) => chain(`hop_${limit}`, [`ip ttl set ${limit}`])),
    baseChain('token_requests', 'filter hook input priority mangle', [
      `${requests} @ih,0,32 0x50555420 ct mark set ${TOKEN_MARK}`,
      `${requests} @ih,0,32 { 0x47455420, 0x48454144 } ct mark set 0`,
    ]),
    baseChain('token_answers', 'filter hook output priority mangle', [
      `ip saddr ${metadataAddress} tcp sport 80 ct mark ${TOKEN_MARK} ip daddr vmap @hops`,
    ]),
  ];
}
