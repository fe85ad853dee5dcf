import { HostError } from '../../../core/errors.ts';
import type { ByteSource } from '../byte-source.ts';

export interface Allowance {
  /** Bytes that may be read before looking ends. */
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Aborted by whoever waits for the answer: its reason is thrown. */
  readonly signal: AbortSignal | undefined;
}

/** Code of the error that is thrown once an allowance is used up, and from then on. */
export const USED_UP = 'ExamineLimit';

const PAGE = 32 * 1024;
const PAGES = 128;

/**
 * A source that costs no more than the allowance, whatever a disk makes its readers do. It keeps the pages that were
 * read last: the walk to each file begins with the same folders, and a read from an image can mean to decompress.
 */
export function thrifty(source: ByteSource, { maxBytes, timeoutMs, signal }: Allowance): ByteSource {
  const deadline = performance.now() + timeoutMs;
  let bytesLeft = maxBytes;
  const pages = new Map<number, Buffer>();

  const spend = (bytes: number): void => {
    signal?.throwIfAborted();
    // What lies in memory already costs time all the same, hence is counted too.
    bytesLeft -= bytes;
    if (bytesLeft < 0 || performance.now() > deadline)
      throw new HostError(USED_UP, 'looking at the disk was given up: it takes too much reading');
  };
  const page = async (index: number): Promise<Buffer> => {
    const known = pages.get(index);
    pages.delete(index);
    const start = index * PAGE;
    const length = Math.min(PAGE, source.size - start);
    if (known === undefined) spend(length);
    const found = known ?? (await source.read(start, length));
    pages.set(index, found);
    const [oldest] = pages.keys();
    if (pages.size > PAGES && oldest !== undefined) pages.delete(oldest);
    return found;
  };
  return {
    size: source.size,
    async read(offset, length) {
      spend(length);
      const isInside = offset >= 0 && length > 0 && offset + length <= source.size;
      // The source itself says what is wrong with a place outside of it.
      if (!isInside || length > PAGE) return source.read(offset, length);
      const first = Math.floor(offset / PAGE);
      const start = offset - first * PAGE;
      const one = await page(first);
      if (start + length <= one.length) return Buffer.from(one.subarray(start, start + length));
      const rest = (await page(first + 1)).subarray(0, start + length - one.length);
      return Buffer.concat([one.subarray(start), rest]);
    },
  };
}
