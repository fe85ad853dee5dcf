import type { Instance } from '../../store/instances.ts';

/** More of them have no use for a guest of a host's size. */
const MOST = 8;

/** Pairs of queues of an instance's interfaces: one for each vCPU, where vCPUs are processors of their own. */
export function queuePairs({ accelerator, cpus }: Pick<Instance, 'accelerator' | 'cpus'>): number {
  return accelerator === 'kvm' ? Math.min(cpus, MOST) : 1;
}
