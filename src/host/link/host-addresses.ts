// What addresses a host has, which is its own way out, and whom it has met on its links: what public addresses are
// judged by.
import { ask, within, type Namespace } from './namespace.ts';
import { UPLINK_PREFIX } from './uplink.ts';

export interface HostAddress {
  readonly address: string;
  /** Length of the prefix of the network that its link is in. */
  readonly prefix: number;
  readonly device: string;
}

export interface HostAddresses {
  /** IPv4 addresses of the host's links, those to our routers left out. */
  readonly addresses: readonly HostAddress[];
  /** The address that its default route leaves with. */
  readonly primary: string | undefined;
  /** Routers that it sends through. */
  readonly gateways: readonly string[];
  /** Single addresses that it has a route to: another home's, say. */
  readonly routed: readonly string[];
  /** Others that it has seen on its links. */
  readonly neighbours: readonly { readonly address: string; readonly mac: string }[];
}

/** An address that no host has (RFC 5737): the way to it is the way to everywhere. */
const ANYWHERE = '192.0.2.1';

/** Reads a namespace's addresses; nothing is sent. */
export async function readHostAddresses(namespace: Namespace): Promise<HostAddresses> {
  const [links, way, routes, neighbours] = await Promise.all([
    within(namespace, 'ip', ['-4', '-j', 'addr', 'show']),
    // Without a default route the answer is an error.
    ask(namespace, 'ip', ['-4', '-j', 'route', 'get', ANYWHERE]),
    within(namespace, 'ip', ['-4', '-j', 'route', 'show', 'table', 'all']),
    within(namespace, 'ip', ['-4', '-j', 'neigh', 'show']),
  ]);
  const known = parsed<RouteEntry>(routes).filter(({ dev = '' }) => !isOurs(dev));
  return {
    addresses: parsed<LinkEntry>(links)
      .filter(({ ifname = '' }) => !isOurs(ifname))
      .flatMap(({ ifname: device = '', addr_info: info = [] }) =>
        info.map(({ local: address, prefixlen: prefix }) => ({ address, prefix, device })),
      ),
    primary: way.exitCode === 0 ? parsed<RouteEntry>(way.stdout)[0]?.prefsrc : undefined,
    gateways: known.flatMap(({ gateway }) => gateway ?? []),
    routed: parsed<RouteEntry>(routes).flatMap(({ dst = '', type }) =>
      type === 'local' || type === 'broadcast' || dst === 'default' || /\/(?!32$)/.test(dst)
        ? []
        : dst.replace(/\/32$/, ''),
    ),
    neighbours: parsed<NeighbourEntry>(neighbours).flatMap(({ dst, lladdr: mac, state = [] }) =>
      mac === undefined || state.includes('FAILED') ? [] : { address: dst, mac },
    ),
  };
}

function isOurs(device: string): boolean {
  return new RegExp(`^${UPLINK_PREFIX}[0-9a-f]{12}$`).test(device);
}

interface LinkEntry {
  readonly ifname?: string;
  readonly addr_info?: readonly { readonly local: string; readonly prefixlen: number }[];
}
interface RouteEntry {
  readonly dst?: string;
  readonly dev?: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly prefsrc?: string;
}
interface NeighbourEntry {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

function parsed<T>(text: string): readonly T[] {
  return JSON.parse(text.trim() || '[]') as readonly T[];
}
