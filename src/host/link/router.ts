// The router of a private network: a namespace with one bridge per subnet. Ports are isolated and the bridge answers
// ARP for everybody (proxy_arp_pvlan), so traffic between two machines of one subnet is routed through the namespace
// and meets its forward hook. Nothing depends on br_netfilter or on conntrack in the bridge family.
import { createNamespace, ipBatch, setSysctls } from './namespace.ts';

export interface Segment {
  readonly bridge: string;
  /** Router's address in the subnet, with its prefix length. */
  readonly gateway: string;
}

export interface Router {
  readonly namespace: string;
  /** The whole network; addresses in it that nobody has go nowhere. */
  readonly cidr: string;
  /** Addresses of services that the router itself offers: names and metadata. */
  readonly serviceAddresses: readonly string[];
  readonly segments: readonly Segment[];
}

export const LINK_MTU = 9001;

/** Builds the namespace of a router; the caller has made sure that there is none. */
export async function createRouter({ namespace, cidr, serviceAddresses, segments }: Router): Promise<void> {
  await createNamespace(namespace);
  await setSysctls(
    {
      'net.ipv4.ip_forward': 1,
      'net.ipv4.conf.all.send_redirects': 0,
      'net.ipv4.conf.default.send_redirects': 0,
      'net.ipv4.conf.default.accept_redirects': 0,
      // IPv6 is cleanly absent, so that what tries it fails at once instead of waiting.
      'net.ipv6.conf.all.disable_ipv6': 1,
      'net.ipv6.conf.default.disable_ipv6': 1,
      'net.bridge.bridge-nf-call-iptables': 0,
      'net.bridge.bridge-nf-call-ip6tables': 0,
      'net.bridge.bridge-nf-call-arptables': 0,
    },
    namespace,
  );
  await ipBatch(
    [
      'link set lo up',
      ...serviceAddresses.map((address) => `addr add ${address}/32 dev lo`),
      ...segments.flatMap(({ bridge, gateway }, index) => [
        `link add ${bridge} type bridge stp_state 0 mcast_snooping 0`,
        // An explicit address: otherwise it would follow the ports as they come and go.
        `link set ${bridge} address 02:ff:00:00:00:${(index + 1).toString(16).padStart(2, '0')} mtu ${LINK_MTU}`,
        `addr add ${gateway} dev ${bridge}`,
        `link set ${bridge} up`,
      ]),
      `route add blackhole ${cidr}`,
    ],
    namespace,
  );
  await setSysctls(
    Object.assign({}, ...segments.map(({ bridge }) => bridgeSettings(bridge))) as Record<string, number>,
    namespace,
  );
}

function bridgeSettings(bridge: string): Readonly<Record<string, number>> {
  return {
    [`net.ipv4.conf.${bridge}.proxy_arp_pvlan`]: 1,
    [`net.ipv4.conf.${bridge}.send_redirects`]: 0,
    [`net.ipv4.conf.${bridge}.rp_filter`]: 1,
    // The kernel would delay each proxied answer by up to 0.8 s.
    [`net.ipv4.neigh.${bridge}.proxy_delay`]: 0,
  };
}
