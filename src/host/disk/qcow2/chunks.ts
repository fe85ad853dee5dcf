// A disk's bytes in chunks, from its first byte to its last, read ahead: whoever takes them hashes one while the
// next ones are read and those before are written. Memory is a fixed number of buffers, whatever the disk's size.
import { blockEnd, blockStart } from './blocks.ts';
import type { DiskContent } from './content.ts';
import { pageAligned } from './page-aligned.ts';

/** Large enough that calls cost nothing beside copying, small enough to stay in a processor's cache. */
export const CHUNK_BYTES = 2 * 2 ** 20;
/** Chunks being read while one is hashed. */
const READ_AHEAD = 3;
/** Beside those being read: one being hashed, two being written. */
const BUFFERS = READ_AHEAD + 3;

export interface Chunk {
  /** Where it begins on the disk: at a block. No chunk goes over a multiple of CHUNK_BYTES. */
  readonly offset: number;
  /** Whole blocks, zeros behind the disk's end; valid until released. */
  readonly bytes: Buffer;
  /** To be called once, when the bytes are no longer needed. */
  release(): void;
}

/** Where chunks come from. What no chunk covers is zeros. */
export interface Feed {
  chunks(signal?: AbortSignal): AsyncGenerator<Chunk>;
  /** The disk's size; a stream's is not known before its last chunk. */
  size(): number;
}

/** Memory for chunks that are under way at the same time. */
export class ChunkBuffers {
  readonly #memory = pageAligned(BUFFERS * CHUNK_BYTES);
  readonly #free: Buffer[] = [];
  readonly #waiting: ((buffer: Buffer) => void)[] = [];
  #made = 0;

  /** Waits until one is released when all are in use. */
  async take(): Promise<Buffer> {
    const free = this.#free.pop();
    if (free) return free;
    if (this.#made === BUFFERS) return new Promise((resolve) => this.#waiting.push(resolve));
    const start = this.#made++ * CHUNK_BYTES;
    return this.#memory.subarray(start, start + CHUNK_BYTES);
  }

  /** A chunk of the first `length` bytes of a buffer that was taken. */
  chunk(offset: number, buffer: Buffer, length: number): Chunk {
    const release = (): void => {
      const next = this.#waiting.shift();
      if (next) next(buffer);
      else this.#free.push(buffer);
    };
    return { offset, bytes: buffer.subarray(0, length), release };
  }
}

/** A disk's content without its holes. */
export function feedOf(content: DiskContent): Feed {
  return { chunks: (signal) => readChunks(content, signal), size: () => content.size };
}

async function* readChunks(content: DiskContent, signal?: AbortSignal): AsyncGenerator<Chunk> {
  const buffers = new ChunkBuffers();
  const underWay: Promise<Chunk>[] = [];
  try {
    for await (const span of dataSpans(content, signal)) {
      signal?.throwIfAborted();
      const chunk = readChunk(content, span, buffers, await buffers.take());
      // It is waited for in its turn; that nobody listens until then must not end the program.
      chunk.catch(() => undefined);
      underWay.push(chunk);
      if (underWay.length > READ_AHEAD) yield underWay.shift() as Promise<Chunk>;
    }
    for (let chunk = underWay.shift(); chunk; chunk = underWay.shift()) {
      signal?.throwIfAborted();
      yield chunk;
    }
  } finally {
    // Nobody may be reading when the caller closes the file.
    await Promise.allSettled(underWay);
  }
}

interface Span {
  readonly start: number;
  readonly end: number;
}

async function readChunk(
  content: DiskContent,
  { start, end }: Span,
  buffers: ChunkBuffers,
  buffer: Buffer,
): Promise<Chunk> {
  const chunk = buffers.chunk(start, buffer, end - start);
  const inside = Math.min(end, content.size) - start;
  await content.readInto(start, chunk.bytes.subarray(0, inside));
  chunk.bytes.fill(0, inside);
  return chunk;
}

/** The blocks that data is in, from the first to the last of each stretch of CHUNK_BYTES. */
async function* dataSpans(content: DiskContent, signal?: AbortSignal): AsyncGenerator<Span> {
  let span: Span | undefined;
  for await (const { kind, offset, length } of content.extents()) {
    signal?.throwIfAborted();
    if (kind === 'zero') continue;
    for (let at = offset; at < offset + length;) {
      const stretchEnd = (Math.floor(at / CHUNK_BYTES) + 1) * CHUNK_BYTES;
      const end = blockEnd(Math.min(offset + length, stretchEnd));
      if (span && stretchEnd - span.start <= CHUNK_BYTES) span = { start: span.start, end };
      else {
        if (span) yield span;
        span = { start: blockStart(at), end };
      }
      at = end;
    }
  }
  if (span) yield span;
}
