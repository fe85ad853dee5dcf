// Against decompression bombs. Real disks are mostly empty: 20 GiB of zeros are a legitimate megabyte of xz or a
// kilobyte of bzip2, so the mere ratio of sizes says nothing. What does harm is what will be written, and zeros are
// not: only other bytes count for the ratio.
import { HostError } from '../../core/errors.ts';

export interface OutputLimits {
  /** Most bytes that may come out, zeros included. */
  readonly maxBytes: number;
  /** Most bytes that may come out for each that went in, in blocks that are not all zeros. */
  readonly maxRatio: number;
  /** That many may come out whatever the ratio is. */
  readonly freeBytes: number;
}

/**
 * The largest disk that may be imported; a ratio that no real contents reach (programs and documents are compressed
 * 2 to 10 times, logs and tables up to 50 times) while bombs begin at 1000; and what every disk has room for.
 */
export const DEFAULT_LIMITS: OutputLimits = { maxBytes: 2 * 2 ** 40, maxRatio: 200, freeBytes: 64 * 2 ** 20 };

/** Bytes so far. */
export interface Passed {
  readonly read: number;
  readonly produced: number;
  /** Produced in blocks that are not all zeros. */
  readonly written: number;
}

export interface OutputGuard {
  onInput(chunk: Buffer): void;
  /** Throws `CompressionBomb`. */
  onOutput(chunk: Buffer): void;
}

const ZEROS = Buffer.alloc(4096);

/** Counts what goes through a decompressor, and refuses what is too much. */
export function outputGuard(
  what: string,
  limits: Partial<OutputLimits> = {},
  onProgress?: (passed: Passed) => void,
): OutputGuard {
  const { maxBytes, maxRatio, freeBytes } = { ...DEFAULT_LIMITS, ...limits };
  const passed = { read: 0, produced: 0, written: 0 };
  return {
    onInput(chunk) {
      passed.read += chunk.length;
    },
    onOutput(chunk) {
      passed.produced += chunk.length;
      passed.written += bytesNotZero(chunk);
      if (passed.produced > maxBytes) throw bomb(`${what} becomes more than ${maxBytes} bytes when unpacked`);
      if (passed.written > freeBytes && passed.written > maxRatio * passed.read)
        throw bomb(`${what} becomes more than ${maxRatio} times as large when unpacked, zeros not counted`);
      onProgress?.({ ...passed });
    },
  };
}

/** Bytes in those blocks of a chunk that a writer of sparse files would write. */
function bytesNotZero(chunk: Buffer): number {
  let count = 0;
  for (let start = 0; start < chunk.length; start += ZEROS.length) {
    const end = Math.min(start + ZEROS.length, chunk.length);
    // Mostly the first byte tells.
    if (chunk[start] !== 0 || chunk.compare(ZEROS, 0, end - start, start, end) !== 0) count += end - start;
  }
  return count;
}

function bomb(message: string): HostError {
  return new HostError('CompressionBomb', message, {
    hint: 'if you trust its author, unpack it yourself and import the result',
  });
}
