import { accessSync, constants, statSync } from 'node:fs';

const DEVICE = '/dev/vhost-net';

/** How a machine's user gets at the kernel's own carrier of packets. */
export interface Vhost {
  /** The group that may open it, where not everybody may. */
  readonly groups: readonly number[];
}

/**
 * Whether a machine may have its packets carried by the kernel (vhost-net); undefined where the host does not have it
 * or has it for root alone. `uid` is the machine's user, undefined for our own.
 */
export function findVhost(uid: number | undefined, device = DEVICE): Vhost | undefined {
  try {
    const { mode, gid } = statSync(device);
    if (mode & constants.S_IROTH && mode & constants.S_IWOTH) return { groups: [] };
    if (uid === undefined) {
      accessSync(device, constants.R_OK | constants.W_OK);
      return { groups: [] };
    }
    return mode & constants.S_IRGRP && mode & constants.S_IWGRP && gid !== 0 ? { groups: [gid] } : undefined;
  } catch {
    return undefined;
  }
}
