import { createHash } from 'node:crypto';
import { open, truncate } from 'node:fs/promises';
import { type DigestOptions, digestOf } from './digest.ts';
import { syncFile } from './durable.ts';
import { cloneFile } from './qcow2/adopt.ts';
import { BLOCK_BYTES, dataRuns } from './qcow2/blocks.ts';
import { type Chunk, ChunkBuffers } from './qcow2/chunks.ts';
import { OutputFile } from './qcow2/output-file.ts';

/**
 * Copies a file into a new one, leaving holes where it is zero, and returns the `sha256:<hex>` of exactly the bytes
 * that were copied, whoever writes to the source meanwhile. Durable when it returns. Where the file system can share
 * blocks nothing is copied.
 */
export async function copyWithDigest(from: string, to: string, options: DigestOptions = {}): Promise<string> {
  if (!(await cloneFile(from, to))) return copyAll(from, to, options);
  await syncFile(to);
  return digestOf(to, options);
}

async function copyAll(from: string, to: string, { signal, onProgress }: DigestOptions): Promise<string> {
  const source = await open(from);
  const copy = await OutputFile.create(to);
  const { size } = await source.stat();
  const buffers = new ChunkBuffers();
  const read = async (offset: number): Promise<Chunk> => {
    const buffer = await buffers.take();
    const { bytesRead } = await source.read(buffer, 0, Math.min(buffer.length, size - offset), offset);
    return buffers.chunk(offset, buffer, bytesRead);
  };
  let reading = read(0);
  try {
    const hash = createHash('sha256');
    for (;;) {
      signal?.throwIfAborted();
      const chunk = await reading;
      const { offset, bytes } = chunk;
      if (bytes.length === 0) break;
      // The next one is read, and this one written, while it is hashed.
      reading = read(offset + bytes.length);
      write(copy, chunk);
      hash.update(bytes);
      onProgress?.(offset + bytes.length);
    }
    await copy.drain();
    await truncate(to, (await reading).offset);
    await copy.sync();
    return `sha256:${hash.digest('hex')}`;
  } finally {
    await Promise.allSettled([reading]);
    await copy.close();
    await source.close();
  }
}

/** Begins to write what is not zeros of a chunk, and releases it when that is done. */
function write(copy: OutputFile, chunk: Chunk): void {
  const { offset, bytes } = chunk;
  const whole = Math.floor(bytes.length / BLOCK_BYTES) * BLOCK_BYTES;
  const runs = [...dataRuns(bytes.subarray(0, whole)), { start: whole, end: bytes.length }];
  let left = runs.length;
  const written = (): void => {
    left -= 1;
    if (left === 0) chunk.release();
  };
  for (const { start, end } of runs)
    if (start === end) written();
    else copy.writeData(offset + start, [bytes.subarray(start, end)], written);
}
