// The router of a private network: a namespace with one bridge per subnet. Ports are isolated and the bridge answers
// ARP for everybody (proxy_arp_pvlan), so traffic between two machines of one subnet is routed through the namespace
// and meets its forward hook. Nothing depends on br_netfilter or on conntrack in the bridge family.
import { existsSync } from 'node:fs';
import { HostError } from '../../core/errors.ts';
import { probeKernel } from './kernel-state.ts';
import { ipBatch, setSysctls, within, type NamedNamespace, type Namespace } from './namespace.ts';
import { routerChanges } from './router-changes.ts';

/** What a router shall be. Addresses and blocks are IPv4 or IPv6 in canonical text. */
export interface Router {
  /** The network's own blocks; addresses in them that nobody has go nowhere. */
  readonly blocks: readonly string[];
  /** Addresses of services that the router itself offers: names and metadata. */
  readonly serviceAddresses: readonly string[];
  /** The host's end of the uplink. */
  readonly hostAddress: string;
  readonly segments: readonly Segment[];
  readonly ports: readonly Port[];
  readonly crossings: readonly Crossing[];
}

export interface Segment {
  readonly bridge: string;
  readonly mac: string;
  /** The router's addresses in the subnet, with their prefix lengths. */
  readonly gateways: readonly string[];
  /** Number of its routing table. */
  readonly table: number;
  /** Where traffic of its machines goes that leaves the network's blocks; what no route has goes nowhere. */
  readonly routes: readonly SegmentRoute[];
}

export interface SegmentRoute {
  readonly destination: string;
  readonly hop: Hop;
}

export type Hop =
  | { readonly kind: 'uplink' }
  | { readonly kind: 'nowhere' }
  | { readonly kind: 'machine'; readonly bridge: string; readonly address: string }
  | { readonly kind: 'crossing'; readonly link: string };

/** A machine's tap. */
export interface Port {
  readonly tap: string;
  readonly bridge: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  /** User that may open the tap. */
  readonly uid: number;
  /** Pairs of queues that a machine may open. */
  readonly queues: number;
  /** What may be sent to the machine; as much as it can when absent. */
  readonly bitsPerSecond?: number;
}

/** A link to another router, made by `joinRouters`. */
export interface Crossing {
  readonly link: string;
  /** The other end's. */
  readonly peerMac: string;
}

export const LINK_MTU = 9001;
export const UPLINK_NAME = 'up0';
const TUN_DEVICE = '/dev/net/tun';
/** Missing when the kernel was built or booted without it (`ipv6.disable=1`). */
const IPV6_SETTINGS = '/proc/sys/net/ipv6/conf';

/**
 * Makes a router what it shall be, from whatever the kernel has now: what is missing is made, what is stale goes,
 * and the rest is not touched, so that machines do not notice. `guard` puts the firewall into force; a new tap passes
 * nothing before.
 */
export async function ensureRouter(
  namespace: Namespace,
  router: Router,
  guard: () => Promise<void>,
): Promise<void> {
  if (router.ports.length > 0 && !existsSync(TUN_DEVICE))
    throw new HostError('NoTunDevice', `'${TUN_DEVICE}' does not exist, so a machine cannot have a network`, {
      hint: 'sudo modprobe tun',
    });
  const dual = router.blocks.some((block) => block.includes(':'));
  if (dual && !existsSync(IPV6_SETTINGS))
    throw new HostError('NoIpv6', "this host's kernel has no IPv6, and the network has an IPv6 block", {
      hint: 'bonami vpc set VPC --ipv6 off',
    });
  const changes = routerChanges(router, await probeKernel(namespace, { dual }));
  // Before the links: a bridge takes what is set for new ones.
  if (changes.isNew) await setSysctls(namespace, NAMESPACE_SETTINGS);
  await ipBatch(namespace, changes.links);
  // Every time: some of them appear when somebody loads br_netfilter, and others can be set by hand.
  await setSysctls(
    namespace,
    Object.assign(
      {},
      BRIDGING_OFF,
      ...router.segments.map(({ bridge }) => bridgeSettings(bridge, dual)),
      ...router.crossings.map(({ link }) => ({ [`net.ipv4.conf.${link}.rp_filter`]: LOOSE })),
      ...(dual ? [DUAL_SETTINGS, ...router.crossings.map(({ link }) => ipv6On(link))] : []),
    ) as Record<string, number>,
  );
  await ipBatch(namespace, [...changes.addresses, ...changes.neighbours]);
  if (changes.addresses6.length > 0) await ipBatch6(namespace, changes.addresses6);
  await guard();
  await limitPorts(
    namespace,
    router.ports.filter(({ tap }) => changes.downTaps.includes(tap)),
  );
  await ipBatch(namespace, changes.up);
  // A static forwarding entry, because flooding is off and a learned one ages out.
  const entries = changes.forwarding.map((entry) => `fdb replace ${entry} master static`);
  if (entries.length > 0) await within(namespace, 'bridge', ['-batch', '-'], `${entries.join('\n')}\n`);
}

async function limitPorts(namespace: Namespace, ports: readonly Port[]): Promise<void> {
  const limits = ports.flatMap(({ tap, bitsPerSecond }) =>
    bitsPerSecond === undefined ? [] : [limit(tap, bitsPerSecond)],
  );
  if (limits.length > 0) await within(namespace, 'tc', ['-batch', '-'], `${limits.join('\n')}\n`);
}

/** A queue of 50 ms, and a bucket that a timer of 4 ms can fill (tc-tbf(8)). */
function limit(tap: string, bitsPerSecond: number): string {
  const burst = Math.max(Math.ceil(bitsPerSecond / 8 / 250), 64 * 1024);
  return `qdisc replace dev ${tap} root tbf rate ${bitsPerSecond}bit burst ${burst} latency 50ms`;
}

async function ipBatch6(namespace: Namespace, lines: readonly string[]): Promise<void> {
  await within(namespace, 'ip', ['-6', '-batch', '-'], `${lines.join('\n')}\n`);
}

/**
 * A source must have a way back, by whatever link (sysctl, rp_filter). The strict check knows the main table only, where
 * nothing leads to a peer or to what is behind a machine that forwards. Who may speak from where is the firewall's.
 */
const LOOSE = 2;

const NAMESPACE_SETTINGS: Readonly<Record<string, number>> = {
  'net.ipv4.ip_forward': 1,
  'net.ipv4.conf.all.send_redirects': 0,
  'net.ipv4.conf.default.send_redirects': 0,
  'net.ipv4.conf.default.accept_redirects': 0,
  // The higher one of this and of a link's own holds, and a host may have it strict for all.
  'net.ipv4.conf.all.rp_filter': 0,
  // IPv6 is cleanly absent unless the network has a block of it, so that what tries it fails at once.
  'net.ipv6.conf.all.disable_ipv6': 1,
  'net.ipv6.conf.default.disable_ipv6': 1,
};

/** On by default where br_netfilter is loaded; a connection to an elastic address would be lost to the isolation. */
const BRIDGING_OFF: Readonly<Record<string, number>> = {
  'net.bridge.bridge-nf-call-iptables': 0,
  'net.bridge.bridge-nf-call-ip6tables': 0,
  'net.bridge.bridge-nf-call-arptables': 0,
};

const DUAL_SETTINGS: Readonly<Record<string, number>> = {
  'net.ipv6.conf.all.forwarding': 1,
  'net.ipv6.conf.all.accept_redirects': 0,
};

function bridgeSettings(bridge: string, dual: boolean): Readonly<Record<string, number>> {
  return {
    [`net.ipv4.conf.${bridge}.proxy_arp_pvlan`]: 1,
    [`net.ipv4.conf.${bridge}.send_redirects`]: 0,
    [`net.ipv4.conf.${bridge}.rp_filter`]: LOOSE,
    // The kernel would delay each proxied answer by up to 0.8 s.
    [`net.ipv4.neigh.${bridge}.proxy_delay`]: 0,
    ...(dual ? ipv6On(bridge) : {}),
  };
}

function ipv6On(link: string): Readonly<Record<string, number>> {
  return { [`net.ipv6.conf.${link}.disable_ipv6`]: 0, [`net.ipv6.conf.${link}.accept_ra`]: 0 };
}

/** Joins two routers by a link that has the same name in both. The first one's end has the first MAC. */
export async function joinRouters(
  [one, other]: readonly [NamedNamespace, NamedNamespace],
  { link, macs }: { readonly link: string; readonly macs: readonly [string, string] },
): Promise<void> {
  const end = (mac: string): string => `name ${link} address ${mac} mtu ${LINK_MTU}`;
  await ipBatch(one, [`link add ${end(macs[0])} type veth peer ${end(macs[1])} netns ${other.name}`]);
}
