// The way between a router's namespace and what it stands on: a veth pair with a link-local /30 of its own.
import {
  addressAt,
  containsAddress,
  overlaps,
  parseCidr,
  parseIpv4,
  subBlock,
  type Cidr,
} from '../../core/cidr.ts';
import { HostError } from '../../core/errors.ts';
import type { Ground } from '../ground.ts';
import { withLock } from '../process/lock.ts';
import { ask, ipBatch, setSysctls, within, type NamedNamespace, type Namespace } from './namespace.ts';
import { UPLINK_NAME } from './router.ts';

/** Away from 169.254.169.0/24, where the metadata service is. */
export const UPLINK_POOL = '169.254.96.0/20';
/** Prefix of the names of the host's ends. */
export const UPLINK_PREFIX = 'bnv';
const UPLINK_MTU = 1500;

export interface Uplink {
  readonly hostAddress: string;
  readonly routerAddress: string;
  /** Whether the host has a route to the network; not when the host itself uses those addresses. */
  readonly routed: boolean;
}

export interface UplinkRequest {
  readonly ground: Ground;
  readonly namespace: NamedNamespace;
  readonly hostLink: string;
  /** The network behind it. */
  readonly cidr: string;
  /** Public addresses that are behind it too. */
  readonly carriers: readonly string[];
}

/**
 * Joins a router to what it stands on, or mends what is there. The host gets a route to the network unless it has
 * addresses or routes of its own in there: a foreign route is never touched, ours gives way.
 */
export async function ensureUplink(request: UplinkRequest): Promise<Uplink> {
  const { ground, namespace, hostLink, cidr } = request;
  return withLock(ground.uplinkLock, { purpose: 'choose an uplink' }, async () => {
    const [used, inside] = await Promise.all([hostNetworks(ground.namespace), connectedInside(namespace)]);
    const foreign = used.filter(({ device }) => device !== hostLink);
    const standing = standingEnds(used, { hostLink, inside });
    const ends = standing ?? (await createEnds(request, foreign));
    const routed = !ground.isRootless && !foreign.some(({ cidr: each }) => overlaps(each, parseCidr(cidr)));
    const wanted = new Set([
      ...(routed ? [cidr] : []),
      ...request.carriers
        .map((address) => `${address}/32`)
        .filter((each) => !foreign.some(({ kind, text }) => kind === 'route' && text === each)),
    ]);
    // Routes go with their link.
    const present = new Set(standing === undefined ? [] : routesBy(used, hostLink));
    await ipBatch(ground.namespace, [
      ...[...wanted]
        .filter((each) => !present.has(each))
        .map((each) => `route replace ${each} via ${ends.routerAddress}`),
      ...[...present].filter((each) => !wanted.has(each)).map((each) => `route del ${each} dev ${hostLink}`),
    ]);
    return { ...ends, routed };
  });
}

type Ends = Omit<Uplink, 'routed'>;

function routesBy(used: readonly HostNetwork[], hostLink: string): readonly string[] {
  return used.filter((each) => each.device === hostLink && each.kind === 'route').map(({ text }) => text);
}

/** An uplink as it is, with the host's routes by it; undefined when a part of it is missing. */
export async function standingUplink(
  ground: Ground,
  { namespace, hostLink }: Pick<UplinkRequest, 'namespace' | 'hostLink'>,
): Promise<(Uplink & { readonly routes: readonly string[] }) | undefined> {
  const [used, inside] = await Promise.all([hostNetworks(ground.namespace), connectedInside(namespace)]);
  const ends = standingEnds(used, { hostLink, inside });
  const routes = routesBy(used, hostLink);
  return ends && { ...ends, routed: routes.length > 0, routes };
}

/** Both ends as they are, by the routes that their addresses make; undefined when one of them has lost its. */
function standingEnds(
  used: readonly HostNetwork[],
  { hostLink, inside }: { readonly hostLink: string; readonly inside: readonly string[] },
): Ends | undefined {
  const own = used.find(({ device, kind }) => device === hostLink && kind === 'connected');
  if (own === undefined || !inside.includes(own.text)) return undefined;
  return { hostAddress: addressAt(own.cidr, 1), routerAddress: addressAt(own.cidr, 2) };
}

async function createEnds(
  { ground, namespace, hostLink }: UplinkRequest,
  used: readonly HostNetwork[],
): Promise<Ends> {
  await deleteUplink(ground.namespace, hostLink);
  const block = freeBlock(used.map(({ cidr }) => cidr));
  const [hostAddress, routerAddress] = [addressAt(block, 1), addressAt(block, 2)];
  await ipBatch(ground.namespace, [
    `link add ${hostLink} type veth peer name ${UPLINK_NAME} netns ${namespace.name}`,
    `addr add ${hostAddress}/30 dev ${hostLink}`,
    `link set ${hostLink} up`,
  ]);
  await ipBatch(namespace, [
    `addr add ${routerAddress}/30 dev ${UPLINK_NAME}`,
    `link set ${UPLINK_NAME} mtu ${UPLINK_MTU} up`,
  ]);
  // Never set back: others may rely on it by then.
  await setSysctls(ground.namespace, { 'net.ipv4.ip_forward': 1 });
  return { hostAddress, routerAddress };
}

/** The host's end takes the other one and the routes with it. Absent is success. */
export async function deleteUplink(namespace: Namespace, hostLink: string): Promise<void> {
  if (!(await linksOf(namespace)).includes(hostLink)) return;
  const { exitCode } = await ask(namespace, 'ip', ['link', 'del', hostLink]);
  // It goes by itself, a moment after the namespace of its other end.
  if (exitCode !== 0 && (await linksOf(namespace)).includes(hostLink))
    await ipBatch(namespace, [`link del ${hostLink}`]);
}

/** The names of a namespace's links. */
export async function linksOf(namespace: Namespace): Promise<readonly string[]> {
  const links = await within(namespace, 'ip', ['-j', 'link', 'show']);
  return (JSON.parse(links || '[]') as { ifname: string }[]).map(({ ifname }) => ifname);
}

async function connectedInside(namespace: Namespace): Promise<readonly string[]> {
  const routes = await within(namespace, 'ip', ['-4', '-j', 'route', 'show', 'proto', 'kernel']);
  return (JSON.parse(routes || '[]') as RouteEntry[]).flatMap(({ dst, dev }) =>
    dev === UPLINK_NAME ? [dst] : [],
  );
}

export interface HostNetwork {
  readonly cidr: Cidr;
  readonly device: string;
  /** An address of the host, the route that the kernel makes for one, or another route. */
  readonly kind: 'address' | 'connected' | 'route';
  /** The block as text. */
  readonly text: string;
}

/** Every IPv4 network that a namespace has an address in or a route to, default routes left out. */
export async function hostNetworks(namespace: Namespace): Promise<readonly HostNetwork[]> {
  const [addresses, routes] = await Promise.all([
    within(namespace, 'ip', ['-4', '-j', 'addr', 'show']),
    within(namespace, 'ip', ['-4', '-j', 'route', 'show', 'table', 'all']),
  ]);
  const fromAddresses = (JSON.parse(addresses || '[]') as AddressEntry[]).flatMap(
    ({ ifname, addr_info: info }) =>
      info.map(({ local, prefixlen }) => network(`${local}/${prefixlen}`, ifname, 'address')),
  );
  const fromRoutes = (JSON.parse(routes || '[]') as RouteEntry[])
    .filter(({ dst, type = 'unicast' }) => dst !== 'default' && !NOT_NETWORKS.has(type))
    .map(({ dst, dev = '', protocol }) =>
      network(dst.includes('/') ? dst : `${dst}/32`, dev, protocol === 'kernel' ? 'connected' : 'route'),
    );
  return [...fromAddresses, ...fromRoutes];
}

/** Types of routes that tell nothing about networks (ip-route(8)). */
const NOT_NETWORKS: ReadonlySet<string> = new Set(['broadcast', 'multicast', 'local']);

interface AddressEntry {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}
interface RouteEntry {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
  readonly protocol?: string;
}

function network(text: string, device: string, kind: HostNetwork['kind']): HostNetwork {
  const [address = '', length = '32'] = text.split('/');
  const prefix = Number(length);
  const value = parseIpv4(address) ?? 0;
  const size = 2 ** (32 - prefix);
  return { cidr: { network: Math.floor(value / size) * size, prefix }, device, kind, text };
}

function freeBlock(used: readonly Cidr[]): Cidr {
  const pool = parseCidr(UPLINK_POOL);
  for (let index = 0; index < 1024; index++) {
    const block = subBlock(pool, 30, index);
    if (containsAddress(pool, block.network) && !used.some((each) => overlaps(each, block))) return block;
  }
  throw new HostError('NoFreeUplink', `no free link-local network is left in ${UPLINK_POOL}`, {
    hint: 'bonami doctor --fix',
  });
}
