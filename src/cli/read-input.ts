import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Socket } from 'node:net';
import { addAbortSignal, type Readable } from 'node:stream';
import { UsageError, messageOf } from '../core/errors.ts';

/** Far above everything that is read whole; far below what hurts a host. */
const LIMIT = 1024 * 1024;

export interface Input {
  readonly path: string;
  /** Names it in errors: `the user data`. */
  readonly what: string;
  readonly signal: AbortSignal;
}

/**
 * A small file that a person names, a pipe, or standard input for `-`. Throws a usage error when it cannot be read
 * or is larger than a MiB: a device or a pipe may never end.
 */
export async function readInput({ path, what, signal }: Input): Promise<Buffer> {
  let file: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for its other end, deaf to Ctrl-C.
    if (path !== '-') file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stream = file === undefined ? process.stdin : await streamOf(file);
    return await readBounded(addAbortSignal(signal, stream));
  } catch (cause) {
    signal.throwIfAborted();
    throw new UsageError(`${what} '${path}' cannot be read: ${messageOf(cause)}`, {
      hint: 'give a file, or - for standard input',
      cause,
    });
  } finally {
    await file?.close().catch(() => undefined);
  }
}

async function streamOf(file: FileHandle): Promise<Readable> {
  return (await file.stat()).isFIFO()
    ? new Socket({ fd: file.fd, readable: true, writable: false })
    : file.createReadStream({ autoClose: false });
}

async function readBounded(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > LIMIT) throw new Error(`it is larger than ${LIMIT} bytes`);
  }
  return Buffer.concat(chunks);
}
