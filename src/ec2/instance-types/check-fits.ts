import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import type { Architecture } from '../../core/architecture.ts';
import { Ec2Error } from '../../core/errors.ts';
import { MACHINE_TABLE } from '../../host/qemu/machine-table.ts';
import type { Image } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { INSTANCE_TYPES, type InstanceType } from './instance-types.ts';

export interface Fit {
  readonly type: InstanceType;
  readonly image: Pick<Image, 'architecture' | 'name'>;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly count: number;
}

/** MiB that the host keeps for itself. */
const HOST_RESERVE = 256;

/**
 * Checks that a type can have the image and the host can have the type. Throws `InvalidParameterValue` for an
 * architecture that does not match or cannot have so much memory, `InsufficientInstanceCapacity` for more memory than
 * the host has left; says so, and goes on, when the machine has more vCPUs than the host.
 */
export function checkFits(
  ctx: Pick<Ec2Context, 'report'>,
  { type, image, cpus, memoryMiB, count }: Fit,
  host = hostCapacity(),
): void {
  if (!canRun(type, image.architecture)) {
    const [better] = INSTANCE_TYPES.filter((each) => canRun(each, image.architecture)).toSorted(
      (a, b) => distance(a, { cpus, memoryMiB }) - distance(b, { cpus, memoryMiB }),
    );
    throw new Ec2Error(
      'InvalidParameterValue',
      `The architecture '${type.architectures.join("', '")}' of the specified instance type '${type.name}' does not match the architecture '${image.architecture}' of the specified AMI '${image.name}'.`,
      { hint: better ? `-t ${better.name}` : 'bonami type ls' },
    );
  }
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 255)
    throw new Ec2Error('InvalidParameterValue', `${cpus} is not a number of vCPUs`, { hint: '--cpus 2' });
  if (!Number.isInteger(memoryMiB) || memoryMiB < 64)
    throw new Ec2Error('InvalidParameterValue', `${memoryMiB} MiB is not enough memory for a machine`, {
      hint: '--memory 512',
    });
  requireMemory({ type, image, memoryMiB, count }, host);
  if (cpus > host.cpus) ctx.report.warn(`${cpus} vCPUs share this host's ${host.cpus} processors`);
}

function requireMemory({ type, image, memoryMiB, count }: Omit<Fit, 'cpus'>, host: HostCapacity): void {
  const { maximumMemoryMiB } = MACHINE_TABLE[image.architecture];
  const free = host.memoryMiB - HOST_RESERVE;
  const fitting = INSTANCE_TYPES.filter(
    (each) =>
      canRun(each, image.architecture) &&
      each.memoryMiB <= maximumMemoryMiB &&
      each.memoryMiB * count <= free,
  ).toSorted(
    (a, b) => b.memoryMiB - a.memoryMiB || Number(isOfFamily(b, type)) - Number(isOfFamily(a, type)),
  );
  if (memoryMiB > maximumMemoryMiB)
    throw new Ec2Error(
      'InvalidParameterValue',
      `${memoryMiB} MiB (${type.name}) are more than the ${maximumMemoryMiB} MiB that a machine of the architecture '${image.architecture}' can have`,
      { hint: fitting[0] ? `-t ${fitting[0].name}` : `--memory ${maximumMemoryMiB}` },
    );
  if (memoryMiB * count <= free) return;
  throw new Ec2Error(
    'InsufficientInstanceCapacity',
    `${count > 1 ? `${count} instances` : 'An instance'} of ${memoryMiB} MiB (${type.name}) ${count > 1 ? 'do' : 'does'} not fit: ${Math.max(0, Math.floor(free))} MiB of this host's memory are available`,
    { hint: fitting[0] ? `-t ${fitting[0].name}, or --memory MiB` : 'end something that uses memory' },
  );
}

/** How far a type is from a wished size: every doubling or halving counts one. */
function distance(
  { vcpus, memoryMiB }: InstanceType,
  wish: { readonly cpus: number; readonly memoryMiB: number },
): number {
  return Math.abs(Math.log2(vcpus / wish.cpus)) + Math.abs(Math.log2(memoryMiB / wish.memoryMiB));
}

function isOfFamily(a: InstanceType, b: InstanceType): boolean {
  return a.name.split('.')[0] === b.name.split('.')[0];
}

function canRun({ architectures }: InstanceType, architecture: Architecture): boolean {
  // Every 64-bit x86 processor runs 32-bit systems; ARM's 32-bit mode is emulated where it is missing.
  if (architecture === 'i386') return architectures.includes('x86_64');
  if (architecture === 'armhf') return architectures.includes('arm64');
  return architectures.includes(architecture);
}

export interface HostCapacity {
  readonly cpus: number;
  readonly memoryMiB: number;
}

/** Processors, and memory that can be had without swapping (proc(5): MemAvailable). */
function hostCapacity(): HostCapacity {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return { cpus: availableParallelism(), memoryMiB: Number(available ?? 0) / 1024 };
}
