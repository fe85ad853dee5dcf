import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findInstanceType, INSTANCE_TYPES } from '../../../../src/ec2/instance-types/instance-types.ts';

describe('the table of instance types', () => {
  test('has each name once', () => {
    const names = INSTANCE_TYPES.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  test('has no size that its rule does not know', () => {
    expect(
      INSTANCE_TYPES.filter(
        ({ vcpus, memoryMiB }) => !(vcpus >= 1 && Number.isInteger(memoryMiB) && memoryMiB >= 512),
      ),
    ).toEqual([]);
  });

  test.each([
    ['t2.micro', 1, 1024, ['i386', 'x86_64']],
    ['t2.large', 2, 8192, ['x86_64']],
    ['t3.nano', 2, 512, ['x86_64']],
    ['t4g.small', 2, 2048, ['arm64']],
    ['m5.large', 2, 8192, ['x86_64']],
    ['m6g.medium', 1, 4096, ['arm64']],
    ['m7a.48xlarge', 192, 786_432, ['x86_64']],
    ['c5.18xlarge', 72, 147_456, ['x86_64']],
    ['r7g.16xlarge', 64, 524_288, ['arm64']],
    ['i3.large', 2, 15_616, ['x86_64']],
    ['p3.2xlarge', 8, 62_464, ['x86_64']],
  ])('says that %s has %d vCPUs and %d MiB for %j', (name, vcpus, memoryMiB, architectures) => {
    expect(findInstanceType(name)).toMatchObject({ name, vcpus, memoryMiB, architectures });
  });

  test.each([
    ['t2.micro', 64, 1024],
    ['t3.micro', 64, 5000],
    ['m5.large', 750, 10_000],
    ['m5.24xlarge', 25_000, 25_000],
    ['r5a.8xlarge', 7500, 10_000],
    ['c5.9xlarge', 12_000, 12_000],
    ['m6g.8xlarge', 12_000, 12_000],
    ['m6i.2xlarge', 3125, 12_500],
    ['c7a.48xlarge', 50_000, 50_000],
    ['m7g.medium', 520, 12_500],
    ['m7g.xlarge', 1875, 12_500],
    ['m7g.2xlarge', 3750, 15_000],
    ['r7g.16xlarge', 30_000, 30_000],
    ['g4dn.xlarge', 5000, 25_000],
  ])('says that %s always has %d Mbit/s and at best %d', (name, networkBaselineMbps, networkMbps) => {
    expect(findInstanceType(name)).toMatchObject({ networkBaselineMbps, networkMbps });
  });

  test('has no network that is best below what it always has', () => {
    expect(
      INSTANCE_TYPES.filter(
        (type) => !(type.networkMbps >= type.networkBaselineMbps && type.networkBaselineMbps > 0),
      ),
    ).toEqual([]);
  });

  test.each([
    ['t3.micro', 2, 2],
    ['t3.small', 3, 4],
    ['t3a.small', 2, 4],
    ['t3.medium', 3, 6],
    ['m6g.medium', 2, 4],
    ['t3.large', 3, 12],
    ['m5.large', 3, 10],
    ['t2.xlarge', 3, 15],
    ['t3.xlarge', 4, 15],
    ['m5.12xlarge', 8, 30],
    ['m5.16xlarge', 15, 50],
    ['g4dn.12xlarge', 8, 30],
    ['g4dn.16xlarge', 4, 15],
    ['p3.16xlarge', 8, 30],
  ])('says that %s has %d interfaces of %d addresses', (name, maxNetworkInterfaces, ipv4PerInterface) => {
    expect(findInstanceType(name)).toMatchObject({ maxNetworkInterfaces, ipv4PerInterface });
  });

  test('counts the t families as burstable, and no other', () => {
    const families = INSTANCE_TYPES.filter(({ burstable }) => burstable).map(
      ({ name }) => name.split('.')[0],
    );
    expect([...new Set(families)]).toEqual(['t2', 't3', 't3a', 't4g']);
  });
});

/** What DescribeInstanceTypes answered, where a copy of it lies beside the project; it is not part of it. */
const REFERENCE = join(import.meta.dirname, '../../../../../shared/data/instance-types.json');
/** Families that EC2 no longer lists. */
const RETIRED = new Set(['p3']);
/** Not `currentGeneration`: EC2 changes it with time. */
const FACTS = [
  'vcpus',
  'memoryMiB',
  'architectures',
  'burstable',
  'maxNetworkInterfaces',
  'ipv4PerInterface',
] as const;

describe('beside the answer of EC2', () => {
  test('every type of the table has the same facts', (context) => {
    if (!existsSync(REFERENCE)) context.skip(`there is no ${REFERENCE}`);
    const records = JSON.parse(readFileSync(REFERENCE, 'utf8')) as Readonly<Record<string, unknown>>[];
    const theirs = new Map(records.map((record) => [record['name'], record]));
    expect(theirs.size).toBeGreaterThan(INSTANCE_TYPES.length);
    const listed = INSTANCE_TYPES.filter(({ name }) => !RETIRED.has(name.split('.')[0] ?? ''));
    const facts = (record: object = {}): object =>
      Object.fromEntries(Object.entries(record).filter(([key]) => ['name', ...FACTS].includes(key)));
    expect(listed.map(facts)).toEqual(
      listed.map(({ name }) => expect.objectContaining(facts(theirs.get(name)))),
    );
    expect(listed.filter(({ name }) => !theirs.has(name))).toEqual([]);
  });
});

describe('findInstanceType', () => {
  const hintFor = (name: string): string | undefined => {
    try {
      findInstanceType(name);
    } catch (error) {
      return (error as { hint?: string }).hint;
    }
    return undefined;
  };

  test.each(['t3.huge', 'z9.large', 't3', '', 'T3.micro', 't3.micro ', 'constructor'])(
    "'%s' is no type, and the error names it",
    (name) => {
      expect(() => findInstanceType(name)).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `Invalid value '${name}' for InstanceType.`,
          hint: expect.stringContaining('bonami type ls'),
        }),
      );
    },
  );

  test('offers the sizes of the family', () => {
    expect(hintFor('m5.huge')).toBe('m5.large, m5.xlarge, m5.2xlarge, m5.4xlarge; all: bonami type ls');
  });

  test('offers the families of the size', () => {
    expect(hintFor('z9.nano')).toBe('t2.nano, t3.nano, t3a.nano, t4g.nano; all: bonami type ls');
  });

  test('offers nothing where nothing is near', () => {
    expect(hintFor('z9.huge')).toBe('bonami type ls');
    expect(hintFor('')).toBe('bonami type ls');
  });
});
