// The two ways in which Zstandard reads bits. RFC 8878, sections 4.1 and 4.2.
import { HostError } from '../../../../core/errors.ts';

/** The refusal of data that is no Zstandard; `what` goes on after "is damaged:". */
export function damagedZstd(what: string): HostError {
  return new HostError('ImageCorrupt', `the zstd data of a file is damaged: ${what}`, {
    hint: 'fetch or build the image again',
  });
}

/** Bits from the first byte on, lowest bit first; beyond the end there are zeros. */
export class ForwardBits {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Up to 16 bits. */
  read(count: number): number {
    const bits = load(this.#bytes, this.#position) & ((1 << count) - 1);
    this.#position += count;
    return bits;
  }

  back(count: number): void {
    this.#position -= count;
  }

  /** Whole bytes that were touched. Throws when there were not so many. */
  bytesRead(): number {
    const count = Math.ceil(this.#position / 8);
    if (count > this.#bytes.length) throw damagedZstd('a table is cut off');
    return count;
  }
}

/**
 * Bits from the last one on: they were written forwards and end with a one. Beyond the beginning there are zeros;
 * `left` tells.
 */
export class BackwardBits {
  readonly #bytes: Buffer;
  /** Bits that have not been read; negative when more were asked for than there were. */
  left: number;

  constructor(bytes: Buffer) {
    const last = bytes.at(-1) ?? 0;
    if (last === 0) throw damagedZstd('a stream of bits has no end');
    this.#bytes = bytes;
    this.left = bytes.length * 8 - (Math.clz32(last) - 24) - 1;
  }

  /** Up to 24 bits, which stay. */
  peek(count: number): number {
    const start = this.left - count;
    if (start >= 0) return load(this.#bytes, start) & ((1 << count) - 1);
    return this.left > 0 ? (load(this.#bytes, 0) & ((1 << this.left) - 1)) << -start : 0;
  }

  /** Up to 24 bits. */
  read(count: number): number {
    const bits = this.peek(count);
    this.left -= count;
    return bits;
  }
}

/** At least 25 bits from this one on; their upper neighbours are anything. */
function load(bytes: Buffer, position: number): number {
  const at = position >>> 3;
  const word =
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24);
  return word >>> (position & 7);
}
