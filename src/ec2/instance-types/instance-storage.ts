// The disks that come with an instance type (AWS: "Instance store volume limits for EC2 instances").

/** As many disks of this many GB (10^9 bytes). */
export interface InstanceStorage {
  readonly count: number;
  readonly sizeGB: number;
}

type BySize = Readonly<Record<string, readonly [count: number, sizeGB: number]>>;

const SIXTH: BySize = {
  medium: [1, 59],
  large: [1, 118],
  xlarge: [1, 237],
  '2xlarge': [1, 474],
  '4xlarge': [1, 950],
  '8xlarge': [1, 1900],
  '12xlarge': [2, 1425],
  '16xlarge': [2, 1900],
  '24xlarge': [4, 1425],
  '32xlarge': [4, 1900],
};
const FIFTH: BySize = {
  large: [1, 75],
  xlarge: [1, 150],
  '2xlarge': [1, 300],
  '4xlarge': [2, 300],
  '8xlarge': [2, 600],
  '12xlarge': [2, 900],
  '16xlarge': [4, 600],
  '24xlarge': [4, 900],
};
const C5D: BySize = {
  large: [1, 50],
  xlarge: [1, 100],
  '2xlarge': [1, 200],
  '4xlarge': [1, 400],
  '9xlarge': [1, 900],
  '12xlarge': [2, 900],
  '18xlarge': [2, 900],
  '24xlarge': [4, 900],
};

const FAMILIES: Readonly<Record<string, BySize>> = {
  c5d: C5D,
  m5d: FIFTH,
  r5d: FIFTH,
  ...Object.fromEntries(
    ['c6id', 'm6id', 'r6id', 'c6gd', 'm6gd', 'r6gd', 'm7gd'].map((family) => [family, SIXTH]),
  ),
  g4dn: {
    xlarge: [1, 125],
    '2xlarge': [1, 225],
    '4xlarge': [1, 225],
    '8xlarge': [1, 900],
    '12xlarge': [1, 900],
    '16xlarge': [1, 900],
  },
  i3: {
    large: [1, 475],
    xlarge: [1, 950],
    '2xlarge': [1, 1900],
    '4xlarge': [2, 1900],
    '8xlarge': [4, 1900],
    '16xlarge': [8, 1900],
  },
};

/** The disks of a type like `c5d.large`; undefined for one that has none. */
export function instanceStorageOf(instanceType: string): InstanceStorage | undefined {
  const [family = '', size = ''] = instanceType.split('.');
  const found = FAMILIES[family]?.[size];
  return found && { count: found[0], sizeGB: found[1] };
}
