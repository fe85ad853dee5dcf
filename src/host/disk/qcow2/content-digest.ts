import { createHash } from 'node:crypto';
import { BLOCK_BYTES, dataRuns, type Run } from './blocks.ts';
import { type Chunk, feedOf } from './chunks.ts';
import type { DiskContent } from './content.ts';

export interface ContentDigestOptions {
  readonly signal?: AbortSignal | undefined;
  /** How far into the disk, in bytes. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/**
 * The digest of what a guest sees, whatever format, layout or compression keeps it: sha256 over each block of 64 KiB
 * that is not all zeros, in order (its index as 64 bits big-endian, then its bytes, the last block padded with zeros),
 * then the disk's size as 64 bits big-endian. Stored with images: must never change.
 */
export class ContentHash {
  readonly #hash = createHash('sha256');
  readonly #number = Buffer.alloc(8);

  /** Blocks must come in the disk's order; blocks of zeros may be left out. */
  add({ offset, bytes }: Pick<Chunk, 'offset' | 'bytes'>, runs: readonly Run[]): void {
    for (const { start, end } of runs)
      for (let at = start; at < end; at += BLOCK_BYTES) {
        this.#addNumber((offset + at) / BLOCK_BYTES);
        this.#hash.update(bytes.subarray(at, at + BLOCK_BYTES));
      }
  }

  /** `content-sha256:<hex>`; nothing can be added afterwards. */
  finish(size: number): string {
    this.#addNumber(size);
    return `content-sha256:${this.#hash.digest('hex')}`;
  }

  #addNumber(value: number): void {
    this.#number.writeBigUInt64BE(BigInt(value));
    this.#hash.update(this.#number);
  }
}

/** The digest of a disk that is here; the same that `importContent` computes on the way. */
export async function contentDigest(
  content: DiskContent,
  { signal, onProgress }: ContentDigestOptions = {},
): Promise<string> {
  const hash = new ContentHash();
  for await (const chunk of feedOf(content).chunks(signal)) {
    hash.add(chunk, dataRuns(chunk.bytes));
    chunk.release();
    onProgress?.(Math.min(content.size, chunk.offset + chunk.bytes.length));
  }
  return hash.finish(content.size);
}
