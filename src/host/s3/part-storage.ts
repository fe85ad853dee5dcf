import { type FileHandle, open, unlink } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { HostError } from '../../core/errors.ts';
import { isNoSpace } from '../disk/durable.ts';

/** Larger parts lie in a file. */
const IN_MEMORY = 8 * 2 ** 20;
const CHUNK = 256 * 2 ** 10;

export interface StorageOptions {
  /** Where parts lie that are too large for memory; the system's temporary folder when not given. */
  readonly spoolFolder?: string | undefined;
  readonly inMemoryBytes?: number | undefined;
}

/** Keeps one part of an upload, so that it can be sent again. One buffer, or one nameless file, serves all its parts. */
export class PartStorage {
  readonly #folder: string;
  readonly #inMemory: number;
  #memory = Buffer.alloc(0);
  #file: FileHandle | undefined;
  #isInFile = false;
  #size = 0;

  constructor({ spoolFolder = tmpdir(), inMemoryBytes = IN_MEMORY }: StorageOptions = {}) {
    this.#folder = spoolFolder;
    this.#inMemory = inMemoryBytes;
  }

  /** Forgets the last part and makes room for one of up to `capacity` bytes. */
  async begin(capacity: number): Promise<void> {
    this.#size = 0;
    this.#isInFile = capacity > this.#inMemory;
    if (this.#isInFile) {
      this.#memory = Buffer.alloc(0);
      this.#file ??= await openNameless(this.#folder);
    } else if (this.#memory.length < capacity) {
      // Never touched, never resident: a small object does not cost a whole part.
      this.#memory = Buffer.allocUnsafeSlow(capacity);
    }
  }

  /** Appends to the part. Throws `NoSpace` when the temporary folder is full. */
  async write(chunk: Buffer): Promise<void> {
    if (this.#isInFile && this.#file) await this.#writeToFile(this.#file, chunk);
    else chunk.copy(this.#memory, this.#size);
    this.#size += chunk.length;
  }

  /** The part's bytes, from the first one. */
  read(): Readable {
    const bytes =
      this.#isInFile && this.#file ? fromFile(this.#file, this.#size) : fromMemory(this.#memory, this.#size);
    return Readable.from(bytes, { objectMode: false });
  }

  async close(): Promise<void> {
    this.#memory = Buffer.alloc(0);
    await this.#file?.close();
    this.#file = undefined;
  }

  async #writeToFile(file: FileHandle, chunk: Buffer): Promise<void> {
    try {
      for (let done = 0; done < chunk.length;) {
        const { bytesWritten } = await file.write(chunk, done, chunk.length - done, this.#size + done);
        done += bytesWritten;
      }
    } catch (cause) {
      if (!isNoSpace(cause)) throw cause;
      throw new HostError('NoSpace', `'${this.#folder}' is full, and parts of the upload have to lie there`, {
        hint: `free some space in '${this.#folder}', or set TMPDIR to a folder on a larger disk`,
        cause,
      });
    }
  }
}

/** A file that has no name by the time this returns: whatever ends the program, nothing stays. */
async function openNameless(folder: string): Promise<FileHandle> {
  const path = join(folder, `bonami-part-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  await unlink(path);
  return file;
}

function* fromMemory(buffer: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < size; at += CHUNK) yield buffer.subarray(at, Math.min(at + CHUNK, size));
}

async function* fromFile(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size;) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK, size - at));
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) throw new Error('a part of the upload became shorter');
    at += bytesRead;
    yield chunk.subarray(0, bytesRead);
  }
}
