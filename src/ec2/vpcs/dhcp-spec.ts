// What DHCP and DNS say in a VPC: EC2's words in, dnsmasq's out. Pure.
import { addressAt, formatIpv4, netmask, parseCidr } from '../../core/cidr.ts';
import { HOST_LABEL, privateDnsName, privateDomain, privateHostName } from '../../core/private-names.ts';
import type { DhcpHost } from '../../host/dhcp/dnsmasq.ts';
import type { DhcpNetwork } from '../../host/dhcp/dnsmasq-config.ts';
import { LINK_MTU } from '../../host/link/router.ts';
import { addressesOf } from '../../store/network-interfaces.ts';
import { METADATA_ADDRESS, resolverAddress, bridgeOf, tapOf } from './router-spec.ts';
import type { PluggedInterface, VpcRecords } from './vpc-records.ts';

/** Where Name tags are looked up: `web.internal`. */
const NAMES_DOMAIN = 'internal';
/** EC2's name for its own resolver in DHCP options. */
const PROVIDED = 'AmazonProvidedDNS';

export interface DhcpCircumstances {
  readonly region: string;
  /** Servers that know the names of the outside. */
  readonly upstream: readonly string[];
}

export function dhcpNetwork(
  { vpc, subnets, dhcpOptions }: VpcRecords,
  { region, upstream }: DhcpCircumstances,
): DhcpNetwork {
  const resolver = resolverAddress(vpc);
  const chosen = (key: string): readonly string[] | undefined => dhcpOptions?.configurations[key];
  const nodeType = chosen('netbios-node-type')?.[0];
  return {
    blocks: [vpc.cidrBlock],
    segments: subnets.map((subnet) => {
      const cidr = parseCidr(subnet.cidrBlock);
      return {
        bridge: bridgeOf(subnet.subnetId),
        network: formatIpv4(cidr.network),
        netmask: netmask(cidr),
        router: addressAt(cidr, 1),
        ...(subnet.ipv6 === null ? {} : { network6: subnet.ipv6.cidrBlock.split('/')[0] ?? '' }),
      };
    }),
    resolver,
    answersNames: vpc.enableDnsSupport,
    domain: privateDomain(region),
    searchDomain: chosen('domain-name')?.[0] ?? privateDomain(region),
    nameServers: (chosen('domain-name-servers') ?? [PROVIDED]).flatMap((server) =>
      server === PROVIDED ? (vpc.enableDnsSupport ? [resolver] : []) : [server],
    ),
    timeServers: chosen('ntp-servers') ?? [],
    netbiosServers: chosen('netbios-name-servers') ?? [],
    ...(nodeType === undefined ? {} : { netbiosNodeType: nodeType }),
    metadataAddress: METADATA_ADDRESS,
    mtu: LINK_MTU,
    upstream,
  };
}

export function dhcpHosts({ plugged }: VpcRecords, region: string): readonly DhcpHost[] {
  return plugged.map((each) => {
    const { networkInterface } = each;
    const [address6] = networkInterface.ipv6Addresses;
    return {
      key: tapOf(networkInterface),
      mac: networkInterface.macAddress,
      address: networkInterface.privateIpAddress,
      ...(address6 === undefined ? {} : { address6 }),
      hostname: privateHostName(networkInterface.privateIpAddress),
      names: namesOf(each, region),
    };
  });
}

/** An instance's Name tag names its first interface, where it can be a name. */
function namesOf({ networkInterface, name = '' }: PluggedInterface, region: string): DhcpHost['names'] {
  const isPrimary = networkInterface.attachment?.deviceIndex === 0;
  const label = name.toLowerCase();
  const given = isPrimary && HOST_LABEL.test(label) ? [`${label}.${NAMES_DOMAIN}`] : [];
  return addressesOf(networkInterface).flatMap((address, index) => {
    const own = address.includes(':') ? [] : [privateDnsName(address, region)];
    const isFirst = index === 0 || address === networkInterface.ipv6Addresses[0];
    const names = [...own, ...(isFirst ? given : [])];
    return names.length > 0 ? [{ address, names }] : [];
  });
}
