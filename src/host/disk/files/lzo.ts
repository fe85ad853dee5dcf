// LZO1X as Linux documents it: Documentation/staging/lzo.rst (version 0 of the stream, which btrfs writes).
import { HostError } from '../../../core/errors.ts';

/** How many literals the instruction before has copied, four for "many": it decides what the low codes mean. */
type Copied = 0 | 1 | 2 | 3 | 4;

/** Where an instruction's operands end, and what it copies from how far back before so many literals. */
interface Match {
  readonly next: number;
  readonly distance: number;
  readonly length: number;
  readonly literals: number;
}

const FAR_DISTANCE = 16384;

/** The bytes that this stream stands for; never more than `maxBytes`: `ImageCorrupt` for more, and for nonsense. */
export function decompressLzo1x(input: Buffer, maxBytes: number): Buffer {
  const output = Buffer.alloc(maxBytes);
  let length = 0;
  let copied: Copied = 0;
  const copyLiterals = (from: number, count: number): number => {
    if (from + count > input.length || length + count > maxBytes) throw damaged();
    length += input.copy(output, length, from, from + count);
    return from + count;
  };
  const first = byteAt(input, 0);
  let at = 0;
  if (first > 17) {
    at = copyLiterals(1, first - 17);
    copied = first - 17 < 4 ? asCopied(first - 17) : 4;
  }
  // Every instruction takes a byte or more.
  for (;;) {
    const code = byteAt(input, at);
    if (code < 16 && copied === 0) {
      const run = longLength(input, at, { bits: 4, least: 3 });
      at = copyLiterals(run.next, run.length);
      copied = 4;
      continue;
    }
    const match = readMatch(input, at, copied);
    if (match.distance === FAR_DISTANCE && code >= 16 && code < 32) return output.subarray(0, length);
    if (match.distance > length || length + match.length > maxBytes) throw damaged();
    // Byte by byte, for a match may run into itself.
    for (let end = length + match.length; length < end; length++)
      output[length] = output[length - match.distance] ?? 0;
    at = copyLiterals(match.next, match.literals);
    copied = asCopied(match.literals);
  }
}

function readMatch(input: Buffer, at: number, copied: Copied): Match {
  const code = byteAt(input, at);
  if (code >= 64) {
    const length = code >= 128 ? 5 + ((code >> 5) & 3) : 3 + ((code >> 5) & 1);
    const distance = byteAt(input, at + 1) * 8 + ((code >> 2) & 7) + 1;
    return { next: at + 2, distance, length, literals: code & 3 };
  }
  if (code >= 16) return readFarMatch(input, at, code);
  const near = byteAt(input, at + 1) * 4 + (code >> 2);
  const place = copied === 4 ? { distance: near + 2049, length: 3 } : { distance: near + 1, length: 2 };
  return { ...place, next: at + 2, literals: code & 3 };
}

/** Two bytes of distance follow the length; their low bits are the count of literals. */
function readFarMatch(input: Buffer, at: number, code: number): Match {
  const isNearer = code >= 32;
  const { next, length } = longLength(input, at, { bits: isNearer ? 5 : 3, least: 2 });
  const word = byteAt(input, next) | (byteAt(input, next + 1) << 8);
  const distance = isNearer ? (word >> 2) + 1 : FAR_DISTANCE + ((code & 8) << 11) + (word >> 2);
  return { next: next + 2, distance, length, literals: word & 3 };
}

/** A length in the low bits of a code; zero there means that bytes follow: 255 for each zero, and one that is none. */
function longLength(
  input: Buffer,
  at: number,
  { bits, least }: { bits: number; least: number },
): { next: number; length: number } {
  const mask = (1 << bits) - 1;
  const inCode = byteAt(input, at) & mask;
  if (inCode !== 0) return { next: at + 1, length: least + inCode };
  let zeros = 0;
  while (byteAt(input, at + 1 + zeros) === 0) zeros++;
  return { next: at + 2 + zeros, length: least + mask + zeros * 255 + byteAt(input, at + 1 + zeros) };
}

function asCopied(count: number): Copied {
  return ([0, 1, 2, 3] as const)[count] ?? 4;
}

function byteAt(input: Buffer, at: number): number {
  const byte = input[at];
  if (byte === undefined) throw damaged();
  return byte;
}

function damaged(): Error {
  return new HostError('ImageCorrupt', 'the lzo data of a file is damaged', {
    hint: 'fetch or build the image again',
  });
}
