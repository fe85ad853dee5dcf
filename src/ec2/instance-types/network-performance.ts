// What an instance type's network does (AWS: "Amazon EC2 instance network bandwidth" and the types' specifications), by
// rule where AWS follows one.

/** Megabits a second: what is always there, and what can be had for a while. */
export interface NetworkPerformance {
  readonly baselineMbps: number;
  readonly peakMbps: number;
}

/** Megabits a second by size; the baseline alone where it is all that there is. */
type BySize = Readonly<Record<string, number | readonly [baseline: number, peak: number]>>;

const UP_TO_10: BySize = {
  medium: [500, 10_000],
  large: [750, 10_000],
  xlarge: [1250, 10_000],
  '2xlarge': [2500, 10_000],
  '4xlarge': [5000, 10_000],
};
const BURSTABLE: BySize = {
  nano: [32, 5000],
  micro: [64, 5000],
  small: [128, 5000],
  medium: [256, 5000],
  large: [512, 5000],
  xlarge: [1024, 5000],
  '2xlarge': [2048, 5000],
};
const T2: BySize = {
  nano: [32, 512],
  micro: [64, 1024],
  small: [128, 1024],
  medium: [256, 1024],
  large: [512, 1024],
  xlarge: [750, 1024],
  '2xlarge': [1000, 1024],
};
const FIFTH: BySize = {
  ...UP_TO_10,
  '8xlarge': 10_000,
  '12xlarge': 12_000,
  '16xlarge': 20_000,
  '24xlarge': 25_000,
};
const FIFTH_AMD: BySize = {
  ...UP_TO_10,
  '8xlarge': [7500, 10_000],
  '12xlarge': 10_000,
  '16xlarge': 12_000,
  '24xlarge': 20_000,
};
const C5: BySize = {
  ...UP_TO_10,
  '9xlarge': 12_000,
  '12xlarge': 12_000,
  '18xlarge': 25_000,
  '24xlarge': 25_000,
};
const GRAVITON_2: BySize = { ...UP_TO_10, '8xlarge': 12_000, '12xlarge': 20_000, '16xlarge': 25_000 };

const FAMILIES: Readonly<Record<string, BySize>> = {
  t2: T2,
  ...Object.fromEntries(['t3', 't3a', 't4g'].map((family) => [family, BURSTABLE])),
  ...Object.fromEntries(['m5', 'm5d', 'r5', 'r5d'].map((family) => [family, FIFTH])),
  ...Object.fromEntries(['m5a', 'r5a'].map((family) => [family, FIFTH_AMD])),
  ...Object.fromEntries(['c5', 'c5d'].map((family) => [family, C5])),
  c5a: { ...FIFTH, '24xlarge': 20_000 },
  ...Object.fromEntries(['m6g', 'm6gd', 'c6g', 'c6gd', 'r6g', 'r6gd'].map((family) => [family, GRAVITON_2])),
  i3: { ...UP_TO_10, '8xlarge': 10_000, '16xlarge': 25_000 },
  g4dn: {
    xlarge: [5000, 25_000],
    '2xlarge': [10_000, 25_000],
    '4xlarge': [20_000, 25_000],
    '8xlarge': 50_000,
    '12xlarge': 50_000,
    '16xlarge': 50_000,
  },
  p3: { '2xlarge': [2500, 10_000], '8xlarge': 10_000, '16xlarge': 25_000 },
};

/** The network of a type like `m7g.large` that has so many vCPUs. */
export function networkPerformanceOf(instanceType: string, vcpus: number): NetworkPerformance {
  const [family = '', size = ''] = instanceType.split('.');
  const told = FAMILIES[family]?.[size];
  if (told !== undefined) {
    const [baselineMbps, peakMbps] = typeof told === 'number' ? [told, told] : told;
    return { baselineMbps, peakMbps };
  }
  // Since the sixth generation it grows with the vCPUs: 12.5 Gbit/s for each 32 of them, Graviton3's 15.
  const isGraviton3 = /^[cmr]7g/.test(family);
  const byVcpus = Math.min(50_000, vcpus * (isGraviton3 ? 468.75 : 390.625));
  // Its smallest size has a little more than its share.
  const baselineMbps = isGraviton3 && vcpus === 1 ? 520 : byVcpus;
  return { baselineMbps, peakMbps: Math.max(baselineMbps, isGraviton3 && vcpus > 4 ? 15_000 : 12_500) };
}

/** As EC2 writes it: `Up to 10 Gigabit`. T2's is told in words only. */
export function networkPerformanceText(
  instanceType: string,
  { baselineMbps, peakMbps }: NetworkPerformance,
): string {
  if (instanceType.startsWith('t2.')) return baselineMbps < 750 ? 'Low to Moderate' : 'Moderate';
  return `${peakMbps > baselineMbps ? 'Up to ' : ''}${peakMbps / 1000} Gigabit`;
}
