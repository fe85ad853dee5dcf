// The way between a router's namespace and its host: a veth pair with a link-local /30 of its own.
import { run } from '../command.ts';
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
import { withLock } from '../process/lock.ts';
import { ipBatch } from './namespace.ts';

/** Away from 169.254.169.0/24, where the metadata service is. */
export const UPLINK_POOL = '169.254.96.0/20';
/** Shared by every bonami home of this host: two of them must not choose the same /30. */
const HOST_LOCK = '/run/lock/bonami-uplink.lock';
const UPLINK_NAME = 'up0';
const UPLINK_MTU = 1500;

export interface Uplink {
  readonly hostLink: string;
  readonly hostAddress: string;
  readonly routerAddress: string;
  /** Whether the host has a route to the network; not when the host itself uses those addresses. */
  readonly routed: boolean;
}

export interface UplinkRequest {
  readonly namespace: string;
  readonly hostLink: string;
  readonly cidr: string;
}

/**
 * Joins a router to its host. The host gets a route to the network unless it has addresses or routes of its own in
 * there: a foreign route is never touched.
 */
export async function createUplink({ namespace, hostLink, cidr }: UplinkRequest): Promise<Uplink> {
  return withLock(HOST_LOCK, { purpose: 'choose an uplink' }, async () => {
    await deleteUplink(hostLink);
    const used = await hostNetworks();
    const block = freeBlock(used.map(({ cidr: each }) => each));
    const hostAddress = addressAt(block, 1);
    const routerAddress = addressAt(block, 2);
    const routed = !used.some(({ cidr: each }) => overlaps(each, parseCidr(cidr)));
    await ipBatch([
      `link add ${hostLink} type veth peer name ${UPLINK_NAME} netns ${namespace}`,
      `addr add ${hostAddress}/30 dev ${hostLink}`,
      `link set ${hostLink} up`,
    ]);
    await ipBatch(
      [
        `addr add ${routerAddress}/30 dev ${UPLINK_NAME}`,
        `link set ${UPLINK_NAME} mtu ${UPLINK_MTU} up`,
        `route replace default via ${hostAddress}`,
      ],
      namespace,
    );
    if (routed) await ipBatch([`route replace ${cidr} via ${routerAddress}`]);
    await run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1']);
    return { hostLink, hostAddress, routerAddress, routed };
  });
}

/** The host's end takes the other one and the route with it. Absent is success. */
export async function deleteUplink(hostLink: string): Promise<void> {
  const { exitCode } = await run('ip', ['link', 'show', hostLink], { answers: [1] });
  if (exitCode === 0) await run('ip', ['link', 'del', hostLink]);
}

export interface HostNetwork {
  readonly cidr: Cidr;
  readonly device: string;
}

/** Every IPv4 network that the host has an address in or a route to, default routes left out. */
export async function hostNetworks(): Promise<readonly HostNetwork[]> {
  const [addresses, routes] = await Promise.all([
    run('ip', ['-4', '-j', 'addr', 'show']),
    run('ip', ['-4', '-j', 'route', 'show', 'table', 'all']),
  ]);
  const fromAddresses = (JSON.parse(addresses.stdout || '[]') as AddressEntry[]).flatMap(
    ({ ifname, addr_info: info }) =>
      info.map(({ local, prefixlen }) => ({ device: ifname, cidr: networkOf(local, prefixlen) })),
  );
  const fromRoutes = (JSON.parse(routes.stdout || '[]') as RouteEntry[])
    .filter(({ dst, type }) => dst !== 'default' && type !== 'broadcast' && type !== 'multicast')
    .map(({ dst, dev = '' }) => {
      const [address = '', prefix = '32'] = dst.split('/');
      return { device: dev, cidr: networkOf(address, Number(prefix)) };
    });
  return [...fromAddresses, ...fromRoutes];
}

interface AddressEntry {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
}
interface RouteEntry {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
}

function networkOf(address: string, prefix: number): Cidr {
  const value = parseIpv4(address) ?? 0;
  const size = 2 ** (32 - prefix);
  return { network: Math.floor(value / size) * size, prefix };
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
