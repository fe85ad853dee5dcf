// What EBS' volume types may be asked for and what they give (AWS: "Amazon EBS volume types").
import { Ec2Error } from '../../core/errors.ts';
import type { VolumeType } from '../../store/schemas.ts';

interface Traits {
  /** GiB. */
  readonly size: readonly [least: number, most: number];
  readonly bootable: boolean;
  /** IOPS that may be asked for; undefined where the size decides. */
  readonly iops?: { readonly least: number; readonly most: number; readonly perGib: number };
  /** MiB/s that may be asked for. */
  readonly throughput?: { readonly least: number; readonly most: number };
  /** What a volume gives, bursts included. */
  readonly gives: (asked: Asked) => Performance;
}

interface Asked {
  readonly size: number;
  readonly iops: number | null;
  readonly throughput: number | null;
}

/** What a volume can do in a second. */
export interface Performance {
  readonly iops: number;
  /** MiB/s. */
  readonly throughput: number;
}

const GP3 = { iops: 3000, throughput: 125 };
/** MiB/s that a hard disk type gives for each TiB of its size when it bursts. */
const burst = (perTib: number, most: number, size: number): number =>
  Math.max(1, Math.min(most, Math.round((perTib * size) / 1024)));

const TRAITS: Readonly<Record<VolumeType, Traits>> = {
  gp3: {
    size: [1, 65_536],
    bootable: true,
    iops: { least: 3000, most: 80_000, perGib: 500 },
    throughput: { least: 125, most: 2000 },
    gives: ({ iops, throughput }) => ({
      iops: iops ?? GP3.iops,
      throughput: throughput ?? GP3.throughput,
    }),
  },
  gp2: {
    size: [1, 16_384],
    bootable: true,
    gives: ({ size }) => ({
      iops: Math.min(16_000, Math.max(3000, 3 * size)),
      throughput: size <= 170 ? 128 : 250,
    }),
  },
  io1: {
    size: [4, 16_384],
    bootable: true,
    iops: { least: 100, most: 64_000, perGib: 50 },
    gives: ({ iops }) => provisioned(iops, 1000),
  },
  io2: {
    size: [4, 65_536],
    bootable: true,
    iops: { least: 100, most: 256_000, perGib: 1000 },
    gives: ({ iops }) => provisioned(iops, 4000),
  },
  st1: {
    size: [125, 16_384],
    bootable: false,
    gives: ({ size }) => ({ iops: 500, throughput: burst(250, 500, size) }),
  },
  sc1: {
    size: [125, 16_384],
    bootable: false,
    gives: ({ size }) => ({ iops: 250, throughput: burst(80, 250, size) }),
  },
  standard: { size: [1, 1024], bootable: true, gives: () => ({ iops: 200, throughput: 90 }) },
};

/** A quarter of a MiB/s for each of the volume's IOPS, up to the type's own limit. */
function provisioned(iops: number | null, most: number): Performance {
  const given = iops ?? 100;
  return { iops: given, throughput: Math.min(most, Math.max(1, Math.round(given * 0.25))) };
}

/** What a volume of this type gives. */
export function performanceOf({
  volumeType,
  ...asked
}: Asked & { readonly volumeType: VolumeType }): Performance {
  return TRAITS[volumeType].gives(asked);
}

export interface VolumeRequest extends Asked {
  readonly volumeType: VolumeType;
  readonly isRoot: boolean;
}

/**
 * Throws EC2's error for what a volume type does not have: `InvalidParameterValue` for a size or a number out of its
 * range, `InvalidParameterCombination` for IOPS or a throughput that it cannot be asked for, or lacks.
 */
export function checkVolumeType({ volumeType, size, iops, throughput, isRoot }: VolumeRequest): void {
  const traits = TRAITS[volumeType];
  const [least, most] = traits.size;
  if (!Number.isInteger(size) || size < least || size > most)
    throw value(
      `Volume of ${size}GiB is invalid for the volume type '${volumeType}'`,
      `${least} to ${most} GiB`,
    );
  if (isRoot && !traits.bootable)
    throw combination(`Volume type '${volumeType}' cannot be used as a boot volume`, 'gp3 or gp2 can');
  if (iops !== null) checkIops({ volumeType, size, iops }, traits);
  else if (volumeType === 'io1' || volumeType === 'io2')
    throw new Ec2Error('MissingParameter', `The volume type '${volumeType}' needs a number of IOPS`, {
      hint: `${volumeType},iops=1000`,
    });
  if (throughput !== null) checkThroughput({ volumeType, iops, throughput }, traits);
}

interface IopsRequest {
  readonly volumeType: VolumeType;
  readonly size: number;
  readonly iops: number;
}

function checkIops({ volumeType, size, iops }: IopsRequest, { iops: range }: Traits): void {
  if (range === undefined)
    throw combination(
      `The parameter iops is not supported for ${volumeType} volumes`,
      'gp3, io1 and io2 have it',
    );
  if (!Number.isInteger(iops) || iops < range.least || iops > range.most)
    throw value(`Volume iops of ${iops} is not from ${range.least} to ${range.most}`, `for ${volumeType}`);
  // A gp3 volume has its first 3,000 at any size.
  if (iops > Math.max(range.perGib * size, volumeType === 'gp3' ? GP3.iops : 0))
    throw combination(
      `Iops to volume size ratio of ${(iops / size).toFixed(1)} is too high; maximum is ${range.perGib}`,
      `a volume of at least ${Math.ceil(iops / range.perGib)} GiB`,
    );
}

interface ThroughputRequest {
  readonly volumeType: VolumeType;
  readonly iops: number | null;
  readonly throughput: number;
}

function checkThroughput(
  { volumeType, iops, throughput }: ThroughputRequest,
  { throughput: range }: Traits,
): void {
  if (range === undefined)
    throw combination(`The parameter throughput is not supported for ${volumeType} volumes`, 'gp3 has it');
  if (!Number.isInteger(throughput) || throughput < range.least || throughput > range.most)
    throw value(
      `Throughput of ${throughput} MiB/s is not from ${range.least} to ${range.most}`,
      `for ${volumeType}`,
    );
  if (throughput > (iops ?? GP3.iops) * 0.25)
    throw combination(
      `Throughput (MiB/s) to iops ratio of ${(throughput / (iops ?? GP3.iops)).toFixed(3)} is too high; maximum is 0.25`,
      `iops=${throughput * 4}`,
    );
}

function value(message: string, hint: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', message, { hint });
}

function combination(message: string, hint: string): Ec2Error {
  return new Ec2Error('InvalidParameterCombination', message, { hint });
}
