// nftables text. Pure. Only keys, addresses and numbers made by us reach it: names and descriptions never do.
// One statement a line: nft 1.0.6 refuses some one-line forms. Declaring, deleting and defining a table in one
// transaction replaces it atomically, whether it existed or not; conntrack entries live on, so flows are not cut.
import type {
  Allow,
  GroupRules,
  Guard,
  HostRuleset,
  NetworkRuleset,
  PortRules,
  TrafficMatch,
} from './ruleset.ts';

/** ct mark of a connection whose last request was a token PUT. */
const TOKEN_MARK = '0x1d5';

/** The table of a router's namespace: security groups, what machines may ask of the router, the hop limit. */
export function networkTable(rules: NetworkRuleset): string {
  return replaceTable('inet bonami', [
    ...rules.groups.map(({ key, members }) => set(`members_${key}`, 'type ipv4_addr', members)),
    verdictMap(
      'eni_out',
      entries(rules.ports, ({ key }) => `jump out_${key}`),
    ),
    verdictMap(
      'eni_in',
      entries(rules.ports, ({ key }) => `jump in_${key}`),
    ),
    verdictMap(
      'hops',
      entries(rules.ports, ({ hopLimit }) => `jump hop_${hopLimit}`),
    ),
    ...rules.groups.flatMap(groupChains),
    ...rules.ports.flatMap(portChains),
    ...[...new Set(rules.ports.map(({ hopLimit }) => hopLimit))].map((limit) =>
      chain(`hop_${limit}`, [`ip ttl set ${limit}`]),
    ),
    // Two base chains on purpose: `accept` ends only its own, so both ends of a packet are judged.
    chain('egress', [
      'type filter hook forward priority filter - 1; policy accept;',
      'ct state invalid drop',
      'ct state established,related accept',
      'ip saddr vmap @eni_out',
    ]),
    chain('ingress', [
      'type filter hook forward priority filter; policy drop;',
      'ct state established,related accept',
      'ip daddr vmap @eni_in',
      ...(rules.hasWayOut ? ['oifname "up0" accept'] : []),
      'counter drop',
    ]),
    chain('clamp', [
      'type filter hook forward priority mangle; policy accept;',
      'oifname "up0" tcp flags syn tcp option maxseg size set rt mtu',
    ]),
    chain('nat_out', [
      'type nat hook postrouting priority srcnat; policy accept;',
      // Behind the uplink's own address: the host may have another network with the same addresses.
      `oifname "up0" ip saddr ${rules.cidr} masquerade`,
    ]),
    ...localChains(rules),
  ]);
}

/** What machines may reach on the router itself: DHCP, names, metadata, ping. Everything else is dropped. */
function localChains({ bridgePrefix, metadataAddress }: NetworkRuleset): readonly string[] {
  const machines = `iifname "${bridgePrefix}*"`;
  return [
    chain('local_in', [
      'type filter hook input priority filter; policy drop;',
      'iifname "lo" accept',
      'ct state established,related accept',
      `${machines} udp sport 68 udp dport 67 accept`,
      `${machines} meta l4proto { tcp, udp } th dport 53 accept`,
      `${machines} ip daddr ${metadataAddress} tcp dport 80 accept`,
      `${machines} icmp type echo-request accept`,
      'iifname "up0" icmp type echo-request accept',
    ]),
    // Only the answer to a token PUT has its TTL limited (AWS: HttpPutResponseHopLimit): told by the request's first word.
    chain('token_requests', [
      'type filter hook input priority mangle; policy accept;',
      `ip daddr ${metadataAddress} tcp dport 80 @ih,0,32 0x50555420 ct mark set ${TOKEN_MARK}`,
      `ip daddr ${metadataAddress} tcp dport 80 @ih,0,32 { 0x47455420, 0x48454144 } ct mark set 0`,
    ]),
    chain('token_answers', [
      'type filter hook output priority mangle; policy accept;',
      `ip saddr ${metadataAddress} tcp sport 80 ct mark ${TOKEN_MARK} ip daddr vmap @hops`,
    ]),
  ];
}

/** The table of one tap: nobody speaks with another's MAC, IP or ARP. What makes an address a proof of identity. */
export function guardTable({ tap, mac, addresses }: Guard): string {
  const own = `{ ${addresses.join(', ')} }`;
  return replaceTable(guardName(tap), [
    chain('in', [
      `type filter hook ingress device "${tap}" priority filter; policy drop;`,
      `ether saddr != ${mac} counter drop`,
      `ether type arp arp htype 1 arp saddr ether ${mac} arp saddr ip { 0.0.0.0, ${addresses.join(', ')} } accept`,
      `ip saddr ${own} accept`,
      'ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept',
      'counter drop',
    ]),
  ]);
}

export function guardName(tap: string): string {
  return `netdev guard_${tap}`;
}

/** The host's own table for one uplink: NAT to the outside, nothing on the host itself and in other networks. */
export function hostTable(rules: HostRuleset): string {
  const { table, hostLink, uplinkPrefix, cidr, routerAddress, hasWayOut } = rules;
  return replaceTable(`inet ${table}`, [
    chain('guests_to_host', [
      'type filter hook input priority filter; policy accept;',
      `iifname "${hostLink}" ct state established,related accept`,
      `iifname "${hostLink}" counter drop`,
    ]),
    // Security groups know a machine and this host by their addresses, so nobody may pass for them by way of the
    // host: neither machines of another network, which NAT would give an uplink's address, nor a forger outside.
    chain('through_host', [
      'type filter hook forward priority filter; policy accept;',
      `iifname "${hostLink}" oifname "${uplinkPrefix}*" counter drop`,
      `oifname "${hostLink}" ip saddr { 169.254.0.0/16, ${cidr} } counter drop`,
    ]),
    ...(hasWayOut
      ? [
          chain('nat_out', [
            'type nat hook postrouting priority srcnat; policy accept;',
            `ip saddr ${routerAddress} oifname != "${hostLink}" masquerade`,
          ]),
        ]
      : []),
  ]);
}

function replaceTable(name: string, parts: readonly string[]): string {
  return `table ${name}\ndelete table ${name}\ntable ${name} {\n${parts.join('')}}\n`;
}

function chain(name: string, lines: readonly string[]): string {
  return `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
}

function set(name: string, type: string, elements: readonly string[]): string {
  return `  set ${name} {\n    ${type}\n${elements.length > 0 ? `    elements = { ${elements.join(', ')} }\n` : ''}  }\n`;
}

function verdictMap(name: string, elements: readonly string[]): string {
  return `  map ${name} {\n    type ipv4_addr : verdict\n${elements.length > 0 ? `    elements = { ${elements.join(', ')} }\n` : ''}  }\n`;
}

function entries(ports: readonly PortRules[], verdict: (port: PortRules) => string): readonly string[] {
  return ports.flatMap((port) => port.addresses.map((address) => `${address} : ${verdict(port)}`));
}

function portChains({ key, groupKeys }: PortRules): readonly string[] {
  return [
    chain(`out_${key}`, [...groupKeys.map((group) => `jump ${group}_out`), 'counter drop']),
    chain(`in_${key}`, [...groupKeys.map((group) => `jump ${group}_in`), 'counter drop']),
  ];
}

function groupChains({ key, ingress, egress }: GroupRules): readonly string[] {
  return [
    chain(
      `${key}_in`,
      ingress.map((rule) => `${peer('saddr', rule)}${traffic(rule.match)} accept`),
    ),
    chain(
      `${key}_out`,
      egress.map((rule) => `${peer('daddr', rule)}${traffic(rule.match)} accept`),
    ),
  ];
}

function peer(side: 'saddr' | 'daddr', { peer: other }: Allow): string {
  return 'cidr' in other ? `ip ${side} ${other.cidr}` : `ip ${side} @members_${other.groupKey}`;
}

function traffic(match: TrafficMatch): string {
  switch (match.protocol) {
    case 'all':
      return '';
    case 'tcp':
    case 'udp':
      return ` ${match.protocol} dport ${match.from === match.to ? match.from : `${match.from}-${match.to}`}`;
    case 'icmp':
      if (match.type === undefined) return ' ip protocol icmp';
      return ` icmp type ${match.type}${match.code === undefined ? '' : ` icmp code ${match.code}`}`;
  }
}
