import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { DigestOptions } from './digest.ts';

const CHUNK = 4 << 20;
const ZEROS = Buffer.alloc(CHUNK);

/**
 * Copies a file into a new one, leaving holes where it is zero, and returns the `sha256:<hex>` of exactly the bytes
 * that were copied, whoever writes to the source meanwhile. Durable when it returns.
 */
export async function copyWithDigest(
  from: string,
  to: string,
  { signal, onProgress }: DigestOptions = {},
): Promise<string> {
  const source = await open(from);
  const copy = await open(to, 'wx', 0o600);
  try {
    const { size } = await source.stat();
    const hash = createHash('sha256');
    let done = 0;
    let writing: Promise<unknown> = Promise.resolve();
    // Two buffers: one is hashed while the other is written.
    const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
    for (let turn = 0; done < size; turn++) {
      signal?.throwIfAborted();
      const buffer = buffers[turn % 2 === 0 ? 0 : 1];
      const { bytesRead } = await source.read(buffer, 0, Math.min(CHUNK, size - done), done);
      if (bytesRead === 0) break;
      const chunk = buffer.subarray(0, bytesRead);
      await writing;
      writing = chunk.equals(ZEROS.subarray(0, bytesRead)) ? Promise.resolve() : writeAll(copy, chunk, done);
      hash.update(chunk);
      done += bytesRead;
      onProgress?.(done);
    }
    await writing;
    await copy.truncate(done);
    await copy.sync();
    return `sha256:${hash.digest('hex')}`;
  } finally {
    await source.close();
    await copy.close();
  }
}

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  chunk: Buffer,
  position: number,
): Promise<void> {
  for (let done = 0; done < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, done, chunk.length - done, position + done);
    done += bytesWritten;
  }
}
