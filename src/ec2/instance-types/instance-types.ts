// EC2's instance types by rule: a family is an architecture, a ratio of memory to vCPUs and a list of sizes. Facts
// from AWS: "Amazon EC2 instance type specifications".
import { Ec2Error } from '../../core/errors.ts';
import type { Architecture } from '../../core/architecture.ts';
import { networkPerformanceOf } from './network-performance.ts';

export interface InstanceType {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly architectures: readonly Architecture[];
  readonly burstable: boolean;
  readonly currentGeneration: boolean;
  readonly maxNetworkInterfaces: number;
  /** Addresses of each family, the primary one included. */
  readonly ipv4PerInterface: number;
  readonly ipv6PerInterface: number;
  /** What its network does at its best, and what it always does; megabits a second. */
  readonly networkMbps: number;
  readonly networkBaselineMbps: number;
}

/** Sizes as vCPUs and GiB. */
type Sizes = Readonly<Record<string, readonly [vcpus: number, gib: number]>>;

interface Family {
  readonly names: readonly string[];
  readonly arm?: boolean;
  readonly previous?: boolean;
  readonly sizes: Sizes;
}

const BURSTABLE: Sizes = {
  nano: [2, 0.5],
  micro: [2, 1],
  small: [2, 2],
  medium: [2, 4],
  large: [2, 8],
  xlarge: [4, 16],
  '2xlarge': [8, 32],
};
const BURSTABLE_T2: Sizes = { ...BURSTABLE, nano: [1, 0.5], micro: [1, 1], small: [1, 2] };

/** `large` with 2 vCPUs, then doubling; `names` says how far. */
function doubling(gibPerVcpu: number, names: readonly string[]): Sizes {
  const vcpus: Readonly<Record<string, number>> = {
    medium: 1,
    large: 2,
    xlarge: 4,
    '2xlarge': 8,
    '3xlarge': 12,
    '4xlarge': 16,
    '6xlarge': 24,
    '8xlarge': 32,
    '9xlarge': 36,
    '12xlarge': 48,
    '16xlarge': 64,
    '18xlarge': 72,
    '24xlarge': 96,
    '32xlarge': 128,
    '48xlarge': 192,
  };
  return Object.fromEntries(
    names.map((name) => [name, [vcpus[name] ?? 0, (vcpus[name] ?? 0) * gibPerVcpu] as const]),
  );
}

const TO_24 = ['large', 'xlarge', '2xlarge', '4xlarge', '8xlarge', '12xlarge', '16xlarge', '24xlarge'];
const TO_32 = [...TO_24, '32xlarge'];
const TO_48 = [...TO_24, '48xlarge'];
const AMD_7 = ['medium', ...TO_32, '48xlarge'];
const GRAVITON = ['medium', 'large', 'xlarge', '2xlarge', '4xlarge', '8xlarge', '12xlarge', '16xlarge'];

const FAMILIES: readonly Family[] = [
  { names: ['t2'], sizes: BURSTABLE_T2, previous: false },
  { names: ['t3', 't3a'], sizes: BURSTABLE },
  { names: ['t4g'], arm: true, sizes: BURSTABLE },
  { names: ['m5', 'm5a'], sizes: doubling(4, TO_24) },
  { names: ['m6i'], sizes: doubling(4, TO_32) },
  { names: ['m6a'], sizes: doubling(4, [...TO_32, '48xlarge']) },
  { names: ['m7i'], sizes: doubling(4, TO_48) },
  { names: ['m7a'], sizes: doubling(4, AMD_7) },
  { names: ['m5d'], sizes: doubling(4, TO_24) },
  { names: ['m6id'], sizes: doubling(4, TO_32) },
  { names: ['m6g', 'm7g', 'm6gd', 'm7gd'], arm: true, sizes: doubling(4, GRAVITON) },
  {
    names: ['c5', 'c5d'],
    sizes: doubling(2, [
      'large',
      'xlarge',
      '2xlarge',
      '4xlarge',
      '9xlarge',
      '12xlarge',
      '18xlarge',
      '24xlarge',
    ]),
  },
  { names: ['c5a'], sizes: doubling(2, TO_24) },
  { names: ['c6i'], sizes: doubling(2, TO_32) },
  { names: ['c6a'], sizes: doubling(2, [...TO_32, '48xlarge']) },
  { names: ['c7i'], sizes: doubling(2, TO_48) },
  { names: ['c7a'], sizes: doubling(2, AMD_7) },
  { names: ['c6id'], sizes: doubling(2, TO_32) },
  { names: ['c6g', 'c7g', 'c6gd'], arm: true, sizes: doubling(2, GRAVITON) },
  { names: ['r5', 'r5a'], sizes: doubling(8, TO_24) },
  { names: ['r6i'], sizes: doubling(8, TO_32) },
  { names: ['r6a'], sizes: doubling(8, [...TO_32, '48xlarge']) },
  { names: ['r7i'], sizes: doubling(8, TO_48) },
  { names: ['r7a'], sizes: doubling(8, AMD_7) },
  { names: ['r5d'], sizes: doubling(8, TO_24) },
  { names: ['r6id'], sizes: doubling(8, TO_32) },
  { names: ['r6g', 'r7g', 'r6gd'], arm: true, sizes: doubling(8, GRAVITON) },
  { names: ['i3'], sizes: doubling(7.625, ['large', 'xlarge', '2xlarge', '4xlarge', '8xlarge', '16xlarge']) },
  {
    names: ['g4dn'],
    sizes: doubling(4, ['xlarge', '2xlarge', '4xlarge', '8xlarge', '12xlarge', '16xlarge']),
  },
  { names: ['p3'], sizes: { '2xlarge': [8, 61], '8xlarge': [32, 244], '16xlarge': [64, 488] } },
];

/** Types that EC2 itself offers to 32-bit images; here every x86_64 type can run them. */
const LISTED_I386 = new Set(['t2.nano', 't2.micro', 't2.small', 't2.medium']);

/** Addresses per interface, and interfaces, by size (AWS: "IP addresses per network interface"). */
const INTERFACES: Readonly<Record<string, readonly [interfaces: number, addresses: number]>> = {
  nano: [2, 2],
  micro: [2, 2],
  small: [3, 4],
  medium: [2, 4],
  large: [3, 10],
  xlarge: [4, 15],
  '2xlarge': [4, 15],
};
const INTERFACES_BURSTABLE: typeof INTERFACES = { ...INTERFACES, medium: [3, 6], large: [3, 12] };

const T2_INTERFACES: typeof INTERFACES = {
  nano: [2, 2],
  micro: [2, 2],
  small: [3, 4],
  medium: [3, 6],
  large: [3, 12],
  xlarge: [3, 15],
  '2xlarge': [3, 15],
};

/** Types that do not follow their size. */
const INTERFACES_BY_NAME: typeof INTERFACES = {
  't3a.small': [2, 4],
  'g4dn.xlarge': [3, 10],
  'g4dn.2xlarge': [3, 10],
  'g4dn.4xlarge': [3, 10],
  'g4dn.8xlarge': [4, 15],
  'g4dn.16xlarge': [4, 15],
  'p3.16xlarge': [8, 30],
};

export const INSTANCE_TYPES: readonly InstanceType[] = FAMILIES.flatMap(
  ({ names, arm = false, previous = false, sizes }) =>
    names.flatMap((family) =>
      Object.entries(sizes).map(([size, [vcpus, gib]]) =>
        instanceType({ family, size, vcpus, gib, arm, previous }),
      ),
    ),
);

interface TypeParts {
  readonly family: string;
  readonly size: string;
  readonly vcpus: number;
  readonly gib: number;
  readonly arm: boolean;
  readonly previous: boolean;
}

function instanceType({ family, size, vcpus, gib, arm, previous }: TypeParts): InstanceType {
  const name = `${family}.${size}`;
  const burstable = family.startsWith('t');
  const [maxNetworkInterfaces, addresses] = interfacesOf({ family, size, vcpus, burstable });
  const { baselineMbps, peakMbps } = networkPerformanceOf(name, vcpus);
  return {
    name,
    vcpus,
    memoryMiB: gib * 1024,
    architectures: arm ? ['arm64'] : LISTED_I386.has(name) ? ['i386', 'x86_64'] : ['x86_64'],
    burstable,
    currentGeneration: !previous,
    maxNetworkInterfaces,
    ipv4PerInterface: addresses,
    ipv6PerInterface: addresses,
    networkMbps: peakMbps,
    networkBaselineMbps: baselineMbps,
  };
}

function interfacesOf({
  family,
  size,
  vcpus,
  burstable,
}: Pick<TypeParts, 'family' | 'size' | 'vcpus'> & { readonly burstable: boolean }): readonly [
  number,
  number,
] {
  const exception = INTERFACES_BY_NAME[`${family}.${size}`];
  if (exception) return exception;
  if (family === 't2' && size in T2_INTERFACES) return T2_INTERFACES[size] ?? [2, 2];
  const small = (burstable ? INTERFACES_BURSTABLE : INTERFACES)[size];
  if (small) return small;
  return vcpus >= 64 ? [15, 50] : [8, 30];
}

/** The type of this name. Throws EC2's `InvalidParameterValue`, with near names as a hint. */
export function findInstanceType(name: string): InstanceType {
  const found = INSTANCE_TYPES.find((type) => type.name === name);
  if (found) return found;
  const [family = '', size = ''] = name.split('.');
  const near = INSTANCE_TYPES.filter(
    (type) => type.name.startsWith(`${family}.`) || type.name.endsWith(`.${size}`),
  ).slice(0, 4);
  throw new Ec2Error('InvalidParameterValue', `Invalid value '${name}' for InstanceType.`, {
    hint:
      near.length > 0 ? `${near.map((type) => type.name).join(', ')}; all: bonami type ls` : 'bonami type ls',
  });
}
