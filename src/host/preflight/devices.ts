// What machines open: /dev/kvm and /dev/net/tun.
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { hostArchitecture } from '../../core/architecture.ts';
import { errnoOf } from '../../core/errors.ts';
import { probeAccelerator } from '../qemu/accelerator.ts';
import { MACHINE_TABLE } from '../qemu/machine-table.ts';
import type { Finding } from './finding.ts';

export async function kvm(knownFacts: string): Promise<Finding> {
  const architecture = hostArchitecture() ?? 'x86_64';
  const verdict = await probeAccelerator({
    architecture,
    hostArchitecture: architecture,
    binary: MACHINE_TABLE[architecture].binary,
    knownFacts,
  });
  if (verdict.accelerator === 'kvm')
    return { name: 'kvm', status: 'ok', fact: 'runs guest kernels (proved)' };
  return {
    name: 'kvm',
    status: 'warn',
    fact: `not usable: ${verdict.reason}. Guests are emulated (TCG): much slower, and not a security boundary`,
    ...(verdict.remedy === undefined ? {} : { remedy: verdict.remedy }),
  };
}

/**
 * QEMU opens it as the user who started it, or under a user id of its own when that is root: distributions ship it
 * with mode 0666 (systemd: 50-udev-default.rules).
 */
export function tun(device: string, isRoot: boolean): Finding {
  if (!existsSync(device))
    return { name: 'tun', status: 'fail', fact: `${device} does not exist`, remedy: 'sudo modprobe tun' };
  const remedy = `sudo chmod 0666 ${device}`;
  if (isRoot && (statSync(device).mode & 0o006) !== 0o006)
    return {
      name: 'tun',
      status: 'fail',
      fact: `${device} is for root only, but machines run as users of their own`,
      remedy,
    };
  try {
    accessSync(device, constants.R_OK | constants.W_OK);
  } catch (error) {
    return { name: 'tun', status: 'fail', fact: `${device} may not be opened (${errnoOf(error)})`, remedy };
  }
  return { name: 'tun', status: 'ok', fact: `${device} can be opened by machines` };
}
