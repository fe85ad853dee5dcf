import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { decompressZstd } from '../../../../../src/host/disk/files/zstd.ts';
import { hasProgram } from '../../../../support/disk-fixtures.ts';
import { generator } from '../../../../support/hostile-disk.ts';

const MAX_BYTES = 128 * 1024;
const WORDS = readFileSync(import.meta.filename, 'utf8').split(/\b/);

type Random = (below: number) => number;

function randomFrom(seed: number): Random {
  const random = generator(seed);
  return (below) => Math.floor(random() * below);
}

/** Bytes of one of several kinds: noise, few symbols, words, runs, or a bit of all. */
function sample(pick: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const kind = pick(5);
  const symbols = 1 + pick(30);
  for (let at = 0; at < length;) {
    const some =
      kind === 0 || (kind === 4 && pick(4) === 0)
        ? Buffer.of(pick(256))
        : kind === 1
          ? Buffer.of(97 + Math.min(pick(symbols), pick(symbols)))
          : kind === 2 || (kind === 4 && pick(2) === 0)
            ? Buffer.from(WORDS[pick(WORDS.length)] || ' ')
            : Buffer.alloc(1 + pick(kind === 3 ? 400 : 20), pick(256));
    if (kind === 4 && at > 0 && pick(5) === 0) {
      const from = pick(at);
      at += bytes.copy(bytes, at, from, Math.min(at, from + pick(300)));
    }
    at += some.copy(bytes, Math.min(at, length));
  }
  return bytes;
}

/** What zstd(1) makes of each of these, in order. */
function compressed(inputs: readonly Buffer[], options: readonly string[]): readonly Buffer[] {
  const folder = mkdtempSync(join(tmpdir(), 'bonami-zstd-'));
  try {
    const paths = inputs.map((_, index) => join(folder, `${index}`));
    for (const [index, path] of paths.entries()) writeFileSync(path, inputs[index] ?? '');
    const { status, stderr } = spawnSync('zstd', ['-q', ...options, ...paths], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return paths.map((path) => readFileSync(`${path}.zst`));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const OPTIONS = [
  ['-1'],
  ['-1', '--no-content-size', '--no-check'],
  ['--fast=5'],
  ['-3', '--zstd=wlog=17'],
  ['-9', '--no-check'],
  ['-15', '--no-content-size'],
  ['-19'],
];

describe.skipIf(!hasProgram('zstd'))('what zstd(1) compresses (needs zstd)', () => {
  test.each(OPTIONS.map((options, index) => [options.join(' '), options, index] as const))(
    '%s',
    (_name, options, index) => {
      const pick = randomFrom(index);
      const sizes = [2, 20, 300, 5000, 30_000];
      const inputs = Array.from({ length: 300 }, (_, round) =>
        sample(pick, round === 0 ? MAX_BYTES : pick(sizes[pick(sizes.length)] ?? 0)),
      );
      for (const [round, frame] of compressed(inputs, options).entries()) {
        const padded = Buffer.concat([frame, Buffer.alloc(pick(100), pick(256))]);
        expect(decompressZstd(padded, MAX_BYTES).equals(inputs[round] ?? Buffer.alloc(1))).toBe(true);
      }
    },
    60_000,
  );

  test('frames of several blocks, which go on with the tables and offsets', () => {
    const pick = randomFrom(1);
    const inputs = Array.from({ length: 5 }, (_, index) => sample(pick, 300_000 + index * 50_000));
    for (const options of [['-1'], ['-6'], ['-19']])
      for (const [index, frame] of compressed(inputs, options).entries())
        expect(decompressZstd(frame, 600_000).equals(inputs[index] ?? Buffer.alloc(1))).toBe(true);
  }, 60_000);

  test('a byte more than allowed is refused, with or without its size in the header', () => {
    for (const options of [['-3'], ['-3', '--no-content-size']])
      for (const frame of compressed(
        [Buffer.alloc(5001, 'abc'), Buffer.from(WORDS.join('').slice(0, 5001))],
        options,
      )) {
        expect(decompressZstd(frame, 5001)).toHaveLength(5001);
        expect(() => decompressZstd(frame, 5000)).toThrow('longer than it may be');
      }
  });

  test('no change of a frame brings out anything but bytes or a refusal', () => {
    const pick = randomFrom(20_260_101);
    const inputs = Array.from({ length: 8 }, () => sample(pick, 200 + pick(4000)));
    const seeds = OPTIONS.flatMap((options) => compressed(inputs, options));
    const messages = new Set<string>();
    for (let round = 0; round < 8000; round++) {
      const frame = Buffer.from(seeds[pick(seeds.length)] ?? '');
      for (let change = pick(3); change >= 0; change--)
        frame[pick(pick(2) === 0 ? frame.length : Math.min(frame.length, 40))] = pick(256);
      messages.add(outcomeOf(pick(10) === 0 ? frame.subarray(0, pick(frame.length)) : frame));
    }
    expect(messages.size).toBeGreaterThan(15);
  }, 60_000);
});

/** The refusal, or nothing. Throws for any other error, and for too many bytes. */
function outcomeOf(frame: Buffer): string {
  try {
    if (decompressZstd(frame, MAX_BYTES).length > MAX_BYTES) throw new Error('too long');
    return '';
  } catch (error) {
    if (!(error instanceof HostError) || error.code !== 'ImageCorrupt') throw error;
    return error.message;
  }
}

/** A frame of a single segment: magic, descriptor, size, and blocks of {last, kind, size} and body. */
function frameOf(size: number, ...blocks: readonly [kind: number, size: number, body: Buffer][]): Buffer {
  const parts: Buffer[] = [Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, size)];
  for (const [index, [kind, blockSize, body]] of blocks.entries()) {
    const header = Buffer.alloc(3);
    header.writeUIntLE((blockSize << 3) | (kind << 1) | (index === blocks.length - 1 ? 1 : 0), 0, 3);
    parts.push(header, body);
  }
  return Buffer.concat(parts);
}

const RAW = 0;
const REPEATED = 1;
const CODED = 2;

test('blocks as they are, blocks of one byte, and none at all', () => {
  const frame = frameOf(9, [RAW, 3, Buffer.from('abc')], [REPEATED, 6, Buffer.from('x')]);
  expect(decompressZstd(frame, 9).toString()).toBe('abcxxxxxx');
  expect(decompressZstd(frameOf(0, [RAW, 0, Buffer.alloc(0)]), 9)).toHaveLength(0);
});

test('a coded block of literals that are as they are, or of one byte', () => {
  const raw = Buffer.concat([Buffer.of(3 << 3), Buffer.from('abc'), Buffer.of(0)]);
  expect(decompressZstd(frameOf(3, [CODED, raw.length, raw]), 9).toString()).toBe('abc');
  const repeated = Buffer.of((5 << 3) | 1, 0x7a, 0);
  expect(decompressZstd(frameOf(5, [CODED, 3, repeated]), 9).toString()).toBe('zzzzz');
});

test('a block of more sequences than two bytes count: each repeats the last offset but one, for three bytes', () => {
  const count = 0x7f00 + 0x0203;
  const size = Buffer.alloc(4);
  size.writeUInt32LE(8 + count * 3);
  // No literals; the count; tables of one symbol each; a stream of no bits.
  const sequences = Buffer.of(0, 255, 3, 2, 0x54, 0, 0, 0, 1);
  const body = frameOf(0, [RAW, 8, Buffer.from('abcdefgh')], [CODED, sequences.length, sequences]).subarray(
    6,
  );
  const frame = Buffer.concat([Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0), size, body]);
  const expected = 'abcdefgh'.split('');
  for (let index = 0; index < count; index++)
    for (let copied = 0; copied < 3; copied++) expected.push(expected.at(index % 2 === 0 ? -4 : -1) ?? '');
  expect(decompressZstd(frame, MAX_BYTES).toString()).toBe(expected.join(''));
});

test.each<[string, Buffer]>([
  ['nothing', Buffer.alloc(0)],
  ['something else', Buffer.from('something else')],
  ['a header that is cut off', frameOf(3).subarray(0, 5)],
  ['no blocks', frameOf(3)],
  ['a block that is cut off', frameOf(3, [RAW, 4, Buffer.from('abc')])],
  ['a block of one byte without it', frameOf(3, [REPEATED, 3, Buffer.alloc(0)])],
  ['a block of no kind', frameOf(3, [3, 3, Buffer.from('abc')])],
  ['a block of 2 MiB', frameOf(3, [REPEATED, 2 ** 21 - 1, Buffer.from('a')])],
  ['more than it says', frameOf(2, [RAW, 3, Buffer.from('abc')])],
  ['less than it says', frameOf(4, [RAW, 3, Buffer.from('abc')])],
  ['a reserved bit', Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x28, 0, 1, 0, 0)],
  ['a dictionary', Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 0, 1, 0, 0)],
  ['2^64 bytes', Buffer.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, ...Buffer.alloc(8, 0xff), 1, 0, 0)],
  ['a coded block without anything', frameOf(3, [CODED, 0, Buffer.alloc(0)])],
  ['literals that are cut off', frameOf(3, [CODED, 2, Buffer.of(3 << 3, 0)])],
  ['literals of a table that no block has', frameOf(3, [CODED, 5, Buffer.of(3 | (3 << 4), 0x40, 0, 1, 0)])],
  ['no count of sequences', frameOf(0, [CODED, 1, Buffer.of(0)])],
  ['bytes behind the sequences', frameOf(0, [CODED, 3, Buffer.of(0, 0, 0)])],
  ['sequences without bits', frameOf(0, [CODED, 3, Buffer.of(0, 1, 0)])],
  ['sequences of a table that no block has', frameOf(0, [CODED, 4, Buffer.of(0, 1, 0xfc, 1)])],
  ['sequences of no known mode', frameOf(0, [CODED, 4, Buffer.of(0, 1, 1, 1)])],
  ['a sequence from before the beginning', frameOf(9, [CODED, 7, Buffer.of(0, 1, 0x54, 0, 4, 0, 0x10)])],
])('%s: refused', (_what, frame) => {
  expect(outcomeOf(frame)).toMatch(/^the zstd data of a file is damaged: .+[^.]$/);
});
