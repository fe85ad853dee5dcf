import { familyOf } from '../../core/ip.ts';

export interface DhcpNetwork {
  /** IPv4 blocks of the network, for the names of its addresses. */
  readonly blocks: readonly string[];
  readonly segments: readonly DhcpSegment[];
  /** The name server's own address. */
  readonly resolver: string;
  /** Whether it answers at all. */
  readonly answersNames: boolean;
  /** Where addresses have their names. */
  readonly domain: string;
  /** What machines are told: the domain to search, the name servers, the time servers. */
  readonly searchDomain: string;
  readonly nameServers: readonly string[];
  readonly timeServers: readonly string[];
  /** What Windows asks for names that DNS does not know, and how (RFC 2132, sections 8.5 and 8.7). */
  readonly netbiosServers: readonly string[];
  readonly netbiosNodeType?: string;
  readonly metadataAddress: string;
  readonly mtu: number;
  /** Servers to ask about other names; none makes every other name unknown at once. */
  readonly upstream: readonly string[];
}

export interface DhcpSegment {
  readonly bridge: string;
  readonly network: string;
  readonly netmask: string;
  readonly router: string;
  /** The network address of its IPv6 block, a /64. */
  readonly network6?: string;
}

export interface DhcpFolders {
  /** Leases, a file per machine. */
  readonly dhcpHosts: string;
  /** Names, a file per machine. */
  readonly dnsNames: string;
}

export interface DhcpUser {
  /** dnsmasq's own user and group; in a user namespace there is nobody but root. */
  readonly user: string;
  readonly group: string;
}

/** dnsmasq's configuration; dnsmasq(8) explains every line. Pure. */
export function dnsmasqConfig(network: DhcpNetwork, folders: DhcpFolders, { user, group }: DhcpUser): string {
  const { segments, domain } = network;
  const dual = segments.some(({ network6 }) => network6 !== undefined);
  return `${[
    'keep-in-foreground',
    'log-facility=-',
    `user=${user}`,
    `group=${group}`,
    'pid-file=',
    // No lease file: every lease is fixed, so there is nothing to remember.
    'leasefile-ro',
    'bind-dynamic',
    ...segments.map(({ bridge }) => `interface=${bridge}`),
    `listen-address=${network.resolver}`,
    'listen-address=169.254.169.253',
    'except-interface=lo',
    ...(network.answersNames ? [] : ['port=0']),
    'no-resolv',
    'no-hosts',
    // Answer at once: nobody else hands out addresses here, and nobody can take one.
    'no-ping',
    'dhcp-authoritative',
    // dnsmasq's own word for it takes one domain only.
    ...(network.searchDomain.includes(' ')
      ? [`domain=${domain}`, `dhcp-option=15,"${network.searchDomain}"`]
      : [`domain=${network.searchDomain}`]),
    `local=/${domain}/`,
    ...network.blocks.map((block) => `synth-domain=${domain},${block},ip-`),
    `host-record=instance-data.${domain},${network.metadataAddress}`,
    // cloud-init tries these before it believes a resolver (cloudinit/util.py, is_resolvable): an answer from here
    // takes a millisecond, one from upstream may take seconds. Names without a dot never leave either.
    'domain-needed',
    'bogus-priv',
    'local=/invalid/',
    'local=/does-not-exist.example.com/',
    'local=/instance-data/',
    ...network.upstream.map((server) => `server=${server}`),
    ...segments.flatMap(({ network: start, netmask, router, network6 }, index) => [
      `dhcp-range=set:s${index},${start},static,${netmask},1h`,
      `dhcp-option=tag:s${index},3,${router}`,
      // Addresses by DHCPv6 only, and nothing on the link but the router (AWS: "IPv6 addressing").
      ...(network6 === undefined ? [] : [`dhcp-range=set:s${index},${network6},static,off-link,64,1h`]),
    ]),
    ...(dual ? ['enable-ra', 'ra-param=snt*,mtu:off,60,1800'] : []),
    ...option(6, network.nameServers),
    ...option(42, network.timeServers),
    ...option(44, network.netbiosServers),
    ...(network.netbiosNodeType === undefined ? [] : [`dhcp-option=46,${network.netbiosNodeType}`]),
    `dhcp-option=26,${network.mtu}`,
    `dhcp-hostsdir=${folders.dhcpHosts}`,
    `hostsdir=${folders.dnsNames}`,
  ].join('\n')}\n`;
}

/** An option with addresses; without any it is not sent at all, not even dnsmasq's own idea of it. */
function option(number: number, addresses: readonly string[]): readonly string[] {
  const own = addresses.filter((address) => familyOf(address) === 4);
  return own.length > 0 ? [`dhcp-option=${number},${own.join(',')}`] : number === 6 ? ['dhcp-option=6'] : [];
}
