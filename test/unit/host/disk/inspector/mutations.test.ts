import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { type InspectedDisk, inspect, placeToRead } from '../../../../../src/host/disk/inspector/inspect.ts';
import { DISK_FORMATS, type DiskFormat } from '../../../../../src/host/disk/qemu-img.ts';
import { PART_BYTES } from '../../../../../src/host/disk/inspector/window.ts';
import {
  codeOf,
  fileWith,
  mbrDisk,
  qcow2File,
  signVhd,
  signVhdx,
  vdiFile,
  vhdDynamic,
  vhdFixed,
  vhdxFile,
  vmdkFile,
  vmdkStream,
  windowOf,
} from '../../../../support/disk-headers.ts';
import { generator } from '../../../../support/random.ts';

const ROUNDS = 800;
const MAX_SIZE = 2 ** 41;
const KIB = 1024;

type Range = readonly [offset: number, length: number];

interface Seed {
  readonly file: Buffer;
  /** Where headers are; mutations fall here. */
  readonly headers: readonly Range[];
  /** Makes checksums and copies right again, so that mutations get past them. */
  readonly sign?: (file: Buffer) => void;
  /** Where `sign` writes beside the headers. */
  readonly copies?: readonly Range[];
}

const SEEDS: Readonly<Record<string, Seed>> = {
  'qcow2, version 2': { file: qcow2File({ version: 2 }), headers: [[0, 72]] },
  'qcow2, version 3': {
    file: qcow2File({ extensions: [[0x6803f857, 48, 'x'.repeat(48)]] }),
    headers: [[0, 200]],
  },
  raw: { file: mbrDisk(4 * 65536), headers: [[0, 2048]] },
  'VMDK, sparse': {
    file: vmdkFile(),
    headers: [
      [0, 80],
      [512, 400],
    ],
  },
  'VMDK, stream-optimized': {
    file: vmdkStream(),
    headers: [
      [0, 80],
      [512, 400],
      [130 * 512, 16],
      [131 * 512, 80],
      [132 * 512, 16],
    ],
  },
  'VMDK, a text': { file: fileWith({ 0: '# c\nversion=1\n' }, 4096), headers: [[0, 32]] },
  'VHD, fixed': {
    file: vhdFixed({ size: 65536n, creator: 'qem2' }, 65536),
    headers: [[65536, 100]],
    sign: (file) => signVhd(file.subarray(-512), 64),
  },
  'VHD, dynamic': {
    file: vhdDynamic(),
    headers: [
      [0, 100],
      [512, 64],
      [512, 800],
    ],
    sign: (file) => {
      signVhd(file.subarray(0, 512), 64);
      signVhd(file.subarray(512, 1536), 36);
      file.copy(file, file.length - 512, 0, 512);
    },
    copies: [[2048, 512]],
  },
  VHDX: {
    file: vhdxFile(),
    headers: [
      [64 * KIB, 80],
      [128 * KIB, 80],
      [192 * KIB, 80],
      [3 * KIB * KIB, 200],
      [3136 * KIB, 40],
    ],
    sign: (file) => {
      for (const copy of [64, 128]) signVhdx(file.subarray(copy * KIB, (copy + 4) * KIB));
      signVhdx(file.subarray(192 * KIB, 256 * KIB));
      file.copy(file, 256 * KIB, 192 * KIB, 256 * KIB);
    },
    copies: [[256 * KIB, 80]],
  },
  VDI: {
    file: vdiFile(),
    headers: [
      [0x40, 16],
      [0x150, 128],
    ],
  },
};

/** What `inspect` says that it throws. */
const KNOWN_CODES: ReadonlySet<string> = new Set(
  /\/\*\*[^/]*?\*\/\s*export function inspect\(/
    .exec(
      readFileSync(join(import.meta.dirname, '../../../../../src/host/disk/inspector/inspect.ts'), 'utf8'),
    )?.[0]
    .match(/Image[A-Z]\w+/g),
);

test('the promise names its codes', () => {
  expect(KNOWN_CODES.size).toBeGreaterThan(12);
});

describe('whatever the bytes, there is a verdict', () => {
  test.each(Object.entries(SEEDS))('%s', (name, seed) => {
    const random = generator(name.length);
    const untouched = codeOf(seed.file);
    const begun = performance.now();
    const verdicts = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      const format = random() < 0.2 ? DISK_FORMATS[Math.floor(random() * DISK_FORMATS.length)] : undefined;
      const code = mutated(seed, random, (file) => judge(file, format));
      verdicts.set(code, (verdicts.get(code) ?? 0) + 1);
    }
    expect([...verdicts.keys()].filter((code) => code !== 'passed' && !KNOWN_CODES.has(code))).toEqual([]);
    // Tenths of a second of honest work; a loop that follows a file's numbers would take for ever.
    expect(performance.now() - begun).toBeLessThan(10_000);
    // Mutations that all had the same fate would prove little.
    expect(verdicts.size).toBeGreaterThan(1);
    expect([...verdicts.keys()]).toContain(untouched);
    expect(codeOf(seed.file)).toBe(untouched);
  });
});

function judge(file: Buffer, format: DiskFormat | undefined): string {
  const window = windowOf(file);
  const place = placeToRead(window);
  if (place && (place.length > PART_BYTES || place.offset + place.length > file.length))
    throw new Error(`${place.length} bytes at ${place.offset} may not be read`);
  let disk: InspectedDisk;
  try {
    disk = inspect(window, { format });
  } catch (error) {
    // Reading outside of the window would be a RangeError of Node's.
    if (error instanceof HostError) return error.code;
    throw error;
  }
  const { virtualSize } = disk;
  if (!Number.isSafeInteger(virtualSize) || virtualSize <= 0 || virtualSize > MAX_SIZE)
    throw new Error(`${virtualSize} bytes are not within policy`);
  return 'passed';
}

/** The verdict on the seed with one to eight mutations, which are taken back: copies of large files cost seconds. */
function mutated(
  { file, headers, sign, copies = [] }: Seed,
  random: () => number,
  verdict: (file: Buffer) => string,
): string {
  const pick = (below: number): number => Math.floor(random() * below);
  const before = [...headers, ...copies].map(
    ([offset, length]) => [offset, Buffer.from(file.subarray(offset, offset + length))] as const,
  );
  for (let change = pick(8); change >= 0; change--) {
    const [offset, length] = headers[pick(headers.length)] ?? [0, 0];
    mutate(file.subarray(offset, offset + length), random);
  }
  if (random() < 0.8) sign?.(file);
  const bytes = random() < 0.05 ? pick(file.length) : file.length;
  try {
    return verdict(file.subarray(0, bytes));
  } finally {
    for (const [offset, bytesBefore] of before) bytesBefore.copy(file, offset);
  }
}

/** Changes a byte, or a number of 2, 4 or 8 bytes where numbers tend to be. */
function mutate(header: Buffer, random: () => number): void {
  const pick = (below: number): number => Math.floor(random() * below);
  if (random() < 0.4) {
    header.writeUInt8(pick(256), pick(header.length));
    return;
  }
  const width = [2, 4, 8][pick(3)] ?? 4;
  const offset = Math.min(pick(header.length), header.length - width);
  const largest = 2n ** BigInt(8 * width) - 1n;
  const power = 1n << BigInt(pick(8 * width));
  const value = [0n, 1n, power, power - 1n, largest - power, largest][pick(6)] ?? 0n;
  const bytes = Buffer.from(value.toString(16).padStart(2 * width, '0'), 'hex');
  header.set(random() < 0.5 ? bytes : bytes.toReversed(), offset);
}
