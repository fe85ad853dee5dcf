import { HostError } from '../../../core/errors.ts';
import { blockEnd } from './blocks.ts';
import { CHUNK_BYTES, type Chunk, ChunkBuffers, type Feed } from './chunks.ts';
import { wholeSectors } from './content.ts';

/**
 * The bytes of a raw disk as they come, in pieces of any length, padded with zeros to whole sectors. Throws
 * `ImageTooLarge` at the first byte that is too many: how long a stream will be, only its end tells.
 */
export function feedOfStream(stream: AsyncIterable<Uint8Array>, maxVirtualSize: number): Feed {
  let size = 0;
  async function* counted(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    for await (const piece of untilAborted(stream, signal)) {
      size += piece.length;
      if (wholeSectors(size) > maxVirtualSize)
        throw new HostError(
          'ImageTooLarge',
          `the image is a disk of more than ${maxVirtualSize} bytes, which is all that is allowed`,
        );
      yield piece;
    }
  }
  return { chunks: (signal) => gather(counted(signal)), size: () => wholeSectors(size) };
}

async function* gather(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk> {
  const buffers = new ChunkBuffers();
  let buffer = await buffers.take();
  let offset = 0;
  let filled = 0;
  for await (const piece of pieces)
    for (let used = 0; used < piece.length;) {
      const length = Math.min(piece.length - used, CHUNK_BYTES - filled);
      buffer.set(piece.subarray(used, used + length), filled);
      used += length;
      filled += length;
      if (filled < CHUNK_BYTES) continue;
      yield buffers.chunk(offset, buffer, CHUNK_BYTES);
      buffer = await buffers.take();
      offset += CHUNK_BYTES;
      filled = 0;
    }
  if (filled === 0) return;
  buffer.fill(0, filled, blockEnd(filled));
  yield buffers.chunk(offset, buffer, blockEnd(filled));
}

/** A stream that ends with the signal's reason when it aborts, even while its next piece lets us wait. */
async function* untilAborted<T>(stream: AsyncIterable<T>, signal?: AbortSignal): AsyncGenerator<T> {
  const iterator = stream[Symbol.asyncIterator]();
  let stop = (): void => undefined;
  const onAbort = (): void => stop();
  signal?.addEventListener('abort', onAbort);
  let isDone = false;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        stop = () => reject(signal?.reason);
        iterator.next().then(resolve, reject);
      });
      isDone = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    // Told that nobody listens any more, not waited for: it may never answer.
    if (!isDone) iterator.return?.().catch(() => undefined);
  }
}
