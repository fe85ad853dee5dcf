import { existsSync } from 'node:fs';
import { HostError } from '../../core/errors.ts';
import { LINK_MTU } from './router.ts';
import { ipBatch, within } from './namespace.ts';

const TUN_DEVICE = '/dev/net/tun';

export interface Port {
  readonly namespace: string;
  readonly bridge: string;
  readonly tap: string;
  readonly mac: string;
  readonly address: string;
  /** User that may open the tap. */
  readonly uid: number;
}

/**
 * Makes a machine's tap: an isolated port of its bridge. Nothing passes it before a machine opens it, and by then
 * its guard must be in force. Whatever was left under its name goes first.
 */
export async function createPort({ namespace, bridge, tap, mac, address, uid }: Port): Promise<void> {
  if (!existsSync(TUN_DEVICE))
    throw new HostError('NoTunDevice', `'${TUN_DEVICE}' does not exist, so a machine cannot have a network`, {
      hint: 'sudo modprobe tun',
    });
  const lines = [
    `tuntap add dev ${tap} mode tap user ${uid}`,
    `link set ${tap} mtu ${LINK_MTU}`,
    `link set ${tap} master ${bridge}`,
    `link set ${tap} type bridge_slave isolated on learning off flood off mcast_flood off`,
    `neigh replace ${address} lladdr ${mac} dev ${bridge} nud permanent`,
    `link set ${tap} up`,
  ];
  try {
    await ipBatch(lines, namespace);
  } catch {
    await deletePort({ namespace, tap });
    await ipBatch(lines, namespace);
  }
}

/** A static forwarding entry, because flooding is off and a learned one ages out. */
export async function addressPort({
  namespace,
  tap,
  mac,
}: Pick<Port, 'namespace' | 'tap' | 'mac'>): Promise<void> {
  await within(namespace, 'bridge', ['fdb', 'replace', mac, 'dev', tap, 'master', 'static']);
}

/** Absent is success. */
export async function deletePort({ namespace, tap }: Pick<Port, 'namespace' | 'tap'>): Promise<void> {
  if (await hasLink(namespace, tap)) await ipBatch([`link del ${tap}`], namespace);
}

async function hasLink(namespace: string, link: string): Promise<boolean> {
  const links = JSON.parse((await within(namespace, 'ip', ['-j', 'link', 'show'])) || '[]') as {
    ifname: string;
  }[];
  return links.some(({ ifname }) => ifname === link);
}
