import { open } from 'node:fs/promises';
import { BLOCK_BYTES, blockEnd, dataRuns } from './qcow2/blocks.ts';

/** A whole number of the blocks that holes are made of. */
const PIECE_BYTES = 16 * BLOCK_BYTES;

/**
 * Puts bytes, in pieces of any length, into a new file with holes where they are zeros. The file is as long as they
 * are; it is not made durable.
 */
export async function writeSparse(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  let writing: Promise<void> = Promise.resolve();
  try {
    let size = 0;
    for await (const piece of gathered(pieces)) {
      const offset = size;
      size += piece.length;
      const blocks = piece.memory.subarray(0, blockEnd(piece.length)).fill(0, piece.length);
      await writing;
      writing = (async () => {
        for (const { start, end } of dataRuns(blocks))
          await writeAll(file, piece.memory.subarray(start, Math.min(end, piece.length)), offset + start);
      })();
      // Waited for before the next one; that nobody listens until then must not end the program.
      writing.catch(() => undefined);
    }
    await writing;
    await file.truncate(size);
  } finally {
    // Nobody may be writing when the file is closed.
    await Promise.allSettled([writing]);
    await file.close();
  }
}

interface Gathered {
  readonly memory: Buffer;
  /** Bytes of it that count: all but at the end. */
  readonly length: number;
}

/** In pieces of PIECE_BYTES but for the last; each is valid until the one after the next. */
async function* gathered(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Gathered> {
  let memory = Buffer.allocUnsafe(PIECE_BYTES);
  let other = Buffer.allocUnsafe(PIECE_BYTES);
  let length = 0;
  for await (const piece of pieces)
    for (let used = 0; used < piece.length;) {
      const part = piece.subarray(used, used + PIECE_BYTES - length);
      memory.set(part, length);
      used += part.length;
      length += part.length;
      if (length < PIECE_BYTES) continue;
      yield { memory, length };
      [memory, other] = [other, memory];
      length = 0;
    }
  if (length > 0) yield { memory, length };
}

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  bytes: Buffer,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
