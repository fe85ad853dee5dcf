// What leads from the router that is to the router that shall be. Pure: lines for `ip -batch`.
import { networkOf } from '../../core/cidr.ts';
import { familyOf, formatIpv6 } from '../../core/ip.ts';
import type { KernelState, LinkState } from './kernel-state.ts';
import { CROSSING, OTHER_END, routeChanges } from './route-changes.ts';
import { LINK_MTU, type Port, type Router, type Segment } from './router.ts';

export interface RouterChanges {
  /** Nothing has been set up yet. */
  readonly isNew: boolean;
  /** Links that go and come, their masters and flags. */
  readonly links: readonly string[];
  /** Taps that nothing passes yet. */
  readonly downTaps: readonly string[];
  /** Addresses, routes and rules, by family. */
  readonly addresses: readonly string[];
  readonly addresses6: readonly string[];
  /** What the router need not ask for. The kernel forgets some by itself, so one that is missing is no fault. */
  readonly neighbours: readonly string[];
  /** For when the firewall is in force. */
  readonly up: readonly string[];
  /** `MAC dev TAP`. */
  readonly forwarding: readonly string[];
}

/** Links that are ours to take away. */
const BRIDGE = /^snt[0-9a-f]{12}$/;
const TAP = /^eni[0-9a-f]{12}$/;

export function routerChanges(router: Router, now: KernelState): RouterChanges {
  const bridges = router.segments.flatMap((segment) => bridgeChanges(segment, now.links.get(segment.bridge)));
  const taps = router.ports.map((port) => tapChanges(port, router, now));
  const wanted = new Set([
    ...router.segments.map(({ bridge }) => bridge),
    ...router.ports.map(({ tap }) => tap),
    ...router.crossings.map(({ link }) => link),
  ]);
  const stale = [...now.links.keys()].filter(
    (name) => (BRIDGE.test(name) || TAP.test(name) || CROSSING.test(name)) && !wanted.has(name),
  );
  const isNew = now.links.get('lo')?.isUp !== true;
  const kept = without(now, stale);
  const downTaps = taps.filter(({ isUp }) => !isUp).map(({ tap }) => tap);
  return {
    isNew,
    links: [
      ...(isNew ? ['link set lo up'] : []),
      ...stale.map((name) => `link del ${name}`),
      ...bridges,
      ...taps.flatMap(({ lines }) => lines),
    ],
    downTaps,
    addresses: [...addressChanges(router, kept), ...routeChanges(router, kept, 4)],
    addresses6: routeChanges(router, kept, 6),
    neighbours: neighbourChanges(router, kept),
    up: downTaps.map((name) => `link set ${name} up`),
    forwarding: router.ports.map(({ mac, tap }) => `${mac} dev ${tap}`),
  };
}

/** What is left when links have gone: their addresses, routes and neighbours go with them. */
function without(state: KernelState, links: readonly string[]): KernelState {
  const isGone = (device: string | undefined): boolean => device !== undefined && links.includes(device);
  return {
    ...state,
    routes: state.routes.filter(({ device }) => !isGone(device)),
    neighbours: state.neighbours.filter(({ device }) => !isGone(device)),
  };
}

function bridgeChanges({ bridge, mac }: Segment, now: LinkState | undefined): readonly string[] {
  return [
    ...(now === undefined ? [`link add ${bridge} type bridge stp_state 0 mcast_snooping 0`] : []),
    // An explicit address: otherwise it would follow the ports as they come and go.
    ...(now?.mac === mac && now.mtu === LINK_MTU
      ? []
      : [`link set ${bridge} address ${mac} mtu ${LINK_MTU}`]),
  ];
}

interface TapChanges {
  readonly tap: string;
  readonly isUp: boolean;
  readonly lines: readonly string[];
}

/**
 * Isolated: it reaches the bridge, never another port. What the router itself sends to many reaches it only where
 * IPv6 needs that (RFC 4861: neighbour solicitations); other machines' broadcasts stop at the isolation.
 */
function tapChanges(port: Port, router: Router, state: KernelState): TapChanges {
  const { tap, bridge, uid, queues, addresses } = port;
  const now = state.links.get(tap);
  const isMultiqueue = queues > 1;
  // A machine holds a tap that has a carrier: it keeps its tap, whatever it is.
  const isUsable = now !== undefined && (now.hasCarrier || now.isMultiqueue === isMultiqueue);
  const hasBridge = state.links.has(bridge);
  const multicast = addresses.some((address) => familyOf(address) === 6) ? 'on' : 'off';
  const isPlugged = isUsable && hasBridge && now.master === bridge && now.isIsolated;
  return {
    tap,
    isUp: isUsable && now.isUp,
    lines: [
      ...(isUsable
        ? []
        : [
            ...(now === undefined ? [] : [`link del ${tap}`]),
            `tuntap add dev ${tap} mode tap user ${uid}${isMultiqueue ? ' multi_queue' : ''}`,
            `link set ${tap} mtu ${LINK_MTU}`,
          ]),
      ...(isPlugged
        ? []
        : [
            `link set ${tap} master ${bridge}`,
            `link set ${tap} type bridge_slave isolated on learning off flood off mcast_flood ${multicast}`,
          ]),
    ],
  };
}

function addressChanges(router: Router, { links, connected }: KernelState): readonly string[] {
  const local = links.get('lo');
  const services = router.serviceAddresses.map((address) => `${address}/32`);
  const crossings = router.crossings.map(({ link }) => ({ link, wanted: [] }));
  const segments = router.segments.map(({ bridge, gateways }) => ({ link: bridge, wanted: gateways }));
  return [
    ...missing('lo', services, local),
    ...[...segments, ...crossings].flatMap(({ link, wanted }) => [
      ...missing(link, wanted, links.get(link)),
      ...(links.get(link)?.isUp === true ? unrouted(link, wanted, links.get(link), connected) : []),
      ...(links.get(link)?.isUp === true ? [] : [`link set ${link} up`]),
    ]),
    ...router.segments.flatMap(({ bridge, gateways }) =>
      (links.get(bridge)?.addresses ?? [])
        .filter((address) => !gateways.includes(address))
        .map((address) => `addr del ${address} dev ${bridge}`),
    ),
  ];
}

function missing(link: string, wanted: readonly string[], now: LinkState | undefined): readonly string[] {
  return wanted
    .filter((address) => now?.addresses.includes(address) !== true)
    .map((address) => `addr add ${address} dev ${link}${familyOf(address) === 6 ? ' nodad' : ''}`);
}

/**
 * An address whose route has been taken away gets it back as the kernel makes it; adding the address anew would take
 * every other route of the link away. Appended: somebody may have put another one in its place, which goes later.
 */
function unrouted(
  link: string,
  wanted: readonly string[],
  now: LinkState | undefined,
  connected: ReadonlySet<string>,
): readonly string[] {
  return wanted
    .filter((address) => familyOf(address) === 4 && now?.addresses.includes(address) === true)
    .filter((address) => !connected.has(`${link} ${networkOf(address)}`))
    .map(
      (address) =>
        `route append ${networkOf(address)} dev ${link} proto kernel scope link src ${address.split('/')[0]}`,
    );
}

/**
 * A permanent entry for each machine: nobody has to be asked, and nobody's answer is believed. Also for the link-local
 * address that follows from its MAC, by which others could claim to be where its leases are sent.
 */
function neighbourChanges(
  { ports, crossings, blocks }: Router,
  { neighbours }: KernelState,
): readonly string[] {
  const dual = blocks.some((block) => familyOf(block) === 6);
  const known = new Set(
    neighbours
      .filter(({ isPermanent }) => isPermanent)
      .map(({ address, mac, device }) => `${address} ${mac} ${device}`),
  );
  const wanted = [
    ...ports.flatMap(({ addresses, mac, bridge }) => {
      const hasIpv6 = addresses.some((address) => familyOf(address) === 6);
      return [...addresses, ...(hasIpv6 ? [linkLocal(mac)] : [])].map((address) => ({
        address,
        mac,
        device: bridge,
      }));
    }),
    ...crossings.flatMap(({ link, peerMac }) => [
      { address: OTHER_END[4], mac: peerMac, device: link },
      ...(dual ? [{ address: OTHER_END[6], mac: peerMac, device: link }] : []),
    ]),
  ];
  const addresses = new Set(wanted.map(({ address, device }) => `${address} ${device}`));
  return [
    ...neighbours
      .filter(({ device, isPermanent }) => isPermanent && BRIDGE.test(device))
      .filter(({ address, device }) => !addresses.has(`${address} ${device}`))
      .map(({ address, device }) => `neigh del ${address} dev ${device}`),
    ...wanted
      .filter(({ address, mac, device }) => !known.has(`${address} ${mac} ${device}`))
      .map(
        ({ address, mac, device }) => `neigh replace ${address} lladdr ${mac} dev ${device} nud permanent`,
      ),
  ];
}

/** The address that a link makes of its MAC (RFC 4291, appendix A). */
function linkLocal(mac: string): string {
  const digits = BigInt(`0x${mac.replaceAll(':', '')}`);
  const [high, low] = [digits >> 24n, digits & 0xff_ffffn];
  return formatIpv6((0xfe80n << 112n) | ((high ^ 0x02_0000n) << 40n) | (0xfffen << 24n) | low);
}
