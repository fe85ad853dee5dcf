import { describe, expect, test } from 'vitest';
import type { Architecture } from '../../../../src/core/architecture.ts';
import { checkFits, type Fit } from '../../../../src/ec2/instance-types/check-fits.ts';
import { findInstanceType } from '../../../../src/ec2/instance-types/instance-types.ts';

const HOST = { cpus: 4, memoryMiB: 4096 };
/** What this host has left for machines: its memory without its own reserve. */
const FREE = 4096 - 256;

function fit(typeName: string, fields: Partial<Fit> & { readonly architecture?: Architecture } = {}): Fit {
  const type = findInstanceType(typeName);
  const { architecture = 'x86_64', ...rest } = fields;
  return {
    type,
    image: { name: 'an-image', architecture },
    cpus: type.vcpus,
    memoryMiB: type.memoryMiB,
    count: 1,
    ...rest,
  };
}

/** Checks the fit and gives the warnings. */
function check(asked: Fit, host = HOST): readonly string[] {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  checkFits({ report: { warn, info: warn, progress: () => undefined } }, asked, host);
  return warnings;
}

describe('an architecture', () => {
  test.each([
    ['t3.micro', 'x86_64'],
    ['t3.micro', 'i386'],
    ['t2.micro', 'i386'],
    ['t4g.micro', 'arm64'],
    ['t4g.micro', 'armhf'],
  ] as const)('%s runs %s', (type, architecture) => {
    expect(check(fit(type, { architecture }))).toEqual([]);
  });

  test.each([
    ['t3.micro', 'arm64', 'x86_64', '-t t4g.micro'],
    ['t3.micro', 'armhf', 'x86_64', '-t t4g.micro'],
    ['t4g.micro', 'x86_64', 'arm64', '-t t3.micro'],
    ['t4g.micro', 'i386', 'arm64', '-t t3.micro'],
  ] as const)('%s does not run %s, and the error names both and a type that does', (...row) => {
    const [type, architecture, own, hint] = row;
    expect(() => check(fit(type, { architecture }))).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `The architecture '${own}' of the specified instance type '${type}' does not match the architecture '${architecture}' of the specified AMI 'an-image'.`,
        hint,
      }),
    );
  });

  test.each([
    [4, 16_384, '-t t4g.xlarge'],
    [64, 131_072, '-t c6g.16xlarge'],
  ])(
    'that is missing has a hint near %d vCPUs and %d MiB, where those are wished',
    (cpus, memoryMiB, hint) => {
      expect(() => check(fit('t3.micro', { architecture: 'arm64', cpus, memoryMiB }))).toThrow(
        expect.objectContaining({ code: 'InvalidParameterValue', hint }),
      );
    },
  );
});

describe('a number of vCPUs', () => {
  test.each([0, -1, 1.5, 256, Number.NaN])('cannot be %d, and the error says so', (cpus) => {
    expect(() => check(fit('t3.micro', { cpus }))).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `${cpus} is not a number of vCPUs`,
        hint: '--cpus 2',
      }),
    );
  });

  test("may be the host's without a word, and more with a warning that names both", () => {
    expect(check(fit('t3.micro', { cpus: 1 }))).toEqual([]);
    expect(check(fit('t3.micro', { cpus: 4 }))).toEqual([]);
    expect(check(fit('t3.micro', { cpus: 5 }))).toEqual(["5 vCPUs share this host's 4 processors"]);
    expect(check(fit('t3.micro', { cpus: 255 }))).toEqual(["255 vCPUs share this host's 4 processors"]);
  });
});

describe('memory', () => {
  test.each([63, 0, -512, 512.5, Number.NaN])('cannot be %d MiB, and the error says so', (memoryMiB) => {
    expect(() => check(fit('t3.micro', { memoryMiB }))).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `${memoryMiB} MiB is not enough memory for a machine`,
        hint: '--memory 512',
      }),
    );
  });

  test.each([64, FREE])('may be %d MiB', (memoryMiB) => {
    expect(check(fit('t3.micro', { memoryMiB }))).toEqual([]);
  });

  test('that the host does not have is refused, with the largest type that fits as a hint, of the same family where it can be', () => {
    expect(() => check(fit('t3.micro', { memoryMiB: FREE + 1 }))).toThrow(
      expect.objectContaining({
        code: 'InsufficientInstanceCapacity',
        message: `An instance of ${FREE + 1} MiB (t3.micro) does not fit: ${FREE} MiB of this host's memory are available`,
        hint: '-t t3.small, or --memory MiB',
      }),
    );
  });

  test('is counted for all instances together', () => {
    expect(check(fit('t3.micro', { count: 3 }))).toEqual([]);
    expect(() => check(fit('t3.micro', { count: 4 }))).toThrow(
      expect.objectContaining({
        code: 'InsufficientInstanceCapacity',
        message: `4 instances of 1024 MiB (t3.micro) do not fit: ${FREE} MiB of this host's memory are available`,
        hint: '-t t3.nano, or --memory MiB',
      }),
    );
  });

  test('offers only types that run the image', () => {
    expect(() => check(fit('t4g.medium', { architecture: 'arm64' }))).toThrow(
      expect.objectContaining({ hint: '-t t4g.small, or --memory MiB' }),
    );
  });

  test('that an architecture cannot address is refused, with the largest type that it can', () => {
    expect(() => check(fit('t4g.medium', { architecture: 'armhf' }))).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `4096 MiB (t4g.medium) are more than the 3071 MiB that a machine of the architecture 'armhf' can have`,
        hint: '-t t4g.small',
      }),
    );
    expect(check(fit('t4g.medium', { architecture: 'armhf', memoryMiB: 3071 }))).toEqual([]);
  });

  test('is never less than none, and a part of a MiB does not count', () => {
    expect(() => check(fit('t3.nano'), { cpus: 4, memoryMiB: 100 })).toThrow(
      expect.objectContaining({
        message: expect.stringContaining("does not fit: 0 MiB of this host's memory"),
        hint: 'end something that uses memory',
      }),
    );
    expect(() => check(fit('t3.nano'), { cpus: 4, memoryMiB: 767.9 })).toThrow('511 MiB');
  });
});

test('without a host given, this one is asked', () => {
  expect(() =>
    checkFits(
      { report: { warn: () => undefined, info: () => undefined, progress: () => undefined } },
      fit('t3.nano', { memoryMiB: 2 ** 40 }),
    ),
  ).toThrow(/\(t3\.nano\) does not fit: [1-9]\d* MiB of this host's memory are available/);
});
