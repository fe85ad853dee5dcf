import { findVhost, type Vhost } from '../../host/qemu/vhost.ts';
import type { Instance } from '../../store/instances.ts';

/** How the kernel carries an instance's packets, where it can; an emulated processor gains nothing from it. */
export function vhostOf({ accelerator, uid }: Instance): Vhost | undefined {
  return accelerator === 'kvm' ? findVhost(uid ?? undefined) : undefined;
}
