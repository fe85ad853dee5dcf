import { expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { decompressLzo1x } from '../../../../../src/host/disk/files/lzo.ts';
import { generator } from '../../../../support/hostile-disk.ts';

/** A match 16 KiB back is no match, but the end. */
const END = Buffer.of(17, 0, 0);

function stream(...parts: readonly (string | Buffer | readonly number[])[]): Buffer {
  return Buffer.concat([...parts.map((part) => Buffer.from(part as string)), END]);
}

// The instructions as Documentation/staging/lzo.rst lists them.
test.each<[string, Buffer, string]>([
  ['literals first', stream([17 + 5], 'hello'), 'hello'],
  [
    'a few literals first, then two bytes from near',
    stream([17 + 2], 'ab', [0b0000_0100, 0]),
    'abab'.slice(0, 2) + 'ab',
  ],
  ['a run of literals', stream([3], 'abcdef'), 'abcdef'],
  ['a long run of literals', stream([0, 0, 10], 'x'.repeat(283)), 'x'.repeat(283)],
  ['a short match, and a literal', stream([17 + 4], 'abcd', [0b0100_1101, 0], 'z'), 'abcdabcz'],
  ['a longer one that runs into itself', stream([17 + 4], 'abcd', [0b1110_0000, 0]), 'abcddddddddd'],
  ['a match of the middle kind', stream([17 + 4], 'abcd', [0b0010_0111, 3 << 2, 0]), 'abcdabcdabcda'],
  [
    'a long match of the middle kind',
    stream([17 + 4], 'aaaa', [0b0010_0000, 0, 7, 0, 0]),
    'a'.repeat(4 + 295),
  ],
  ['nothing', stream(), ''],
])('%s', (_what, input, text) => {
  expect(decompressLzo1x(input, 4096).toString()).toBe(text);
});

test('three bytes from afar after many literals, and from further with the last kind of match', () => {
  const literals = Array.from({ length: 40 }, (_, index) => `${index}`.padEnd(100, '.')).join('');
  // 4000 literals: 18, then 15 times 255, then 157.
  const run = [0, ...Array.from({ length: 15 }, () => 0), 4000 - 18 - 15 * 255];
  const near = stream(run, literals, [0b0000_0000, 200]);
  const from = 4000 - 2049 - 4 * 200;
  expect(decompressLzo1x(near, 8192).toString()).toBe(literals + literals.slice(from, from + 3));
  const filler = stream(
    run,
    literals,
    [0b0010_0000, ...Buffer.alloc(60), 19, 0xfc, 0x0f],
    [0b0001_0001, 4, 0],
  );
  const output = decompressLzo1x(filler, 65_536);
  expect(output.subarray(-3)).toEqual(output.subarray(output.length - 3 - 16_385, output.length - 16_385));
});

test.each<[string, Buffer]>([
  ['nothing at all', Buffer.alloc(0)],
  ['no end', Buffer.of(17 + 4, 97, 98, 99, 100)],
  ['literals that are cut off', Buffer.of(17 + 5, 97)],
  ['a length without an end', Buffer.alloc(100)],
  ['a match from before the beginning', stream([17 + 4], 'abcd', [0b0100_0000, 1])],
  ['a match that is cut off', Buffer.of(17 + 4, 97, 98, 99, 100, 0x40)],
  ['more bytes than allowed, of literals', stream([17 + 101], 'x'.repeat(101))],
  ['more bytes than allowed, by a match', stream([17 + 4], 'aaaa', [0b0010_0000, 0, 7, 0, 0])],
])('%s: refused', (_what, input) => {
  expect(() => decompressLzo1x(input, 100)).toThrow(HostError);
});

test('no bytes bring out anything but bytes or a refusal', () => {
  const random = generator(20_260_101);
  let good = 0;
  for (let round = 0; round < 20_000; round++) {
    const codes = Array.from({ length: 8 }, (_, index) => Math.floor(random() * (index % 2 ? 3 : 256)));
    const input = stream([17 + 12], 'twelve bytes', codes);
    good += isDecompressed(input) ? 1 : 0;
  }
  expect(good).toBeGreaterThan(100);
});

/** Whether these bytes mean something. Throws for any other error than a refusal. */
function isDecompressed(input: Buffer): boolean {
  try {
    return decompressLzo1x(input, 4096).length <= 4096;
  } catch (error) {
    if (error instanceof HostError) return false;
    throw error;
  }
}
