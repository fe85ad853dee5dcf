import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf } from '../../../core/errors.ts';

const { O_CREAT, O_DIRECT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;

/** A new file that several writes are under way to at the same time. */
export class OutputFile {
  readonly #file: FileHandle;
  /** The same file past the page cache; undefined when its file system knows no such thing. */
  #direct: FileHandle | undefined;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  private constructor(file: FileHandle, direct: FileHandle | undefined) {
    this.#file = file;
    this.#direct = direct;
  }

  /** Fails when there is something of this name. */
  static async create(path: string): Promise<OutputFile> {
    const file = await open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    const direct = await open(path, O_WRONLY | O_NOFOLLOW | O_DIRECT).catch(() => undefined);
    return new OutputFile(file, direct);
  }

  /**
   * Begins to write something small; calls `written` at the end of it, however it ended. Throws when an earlier write
   * failed. Who calls this without end waits for `written`, or `drain`.
   */
  write(offset: number, buffers: readonly Buffer[], written?: () => void): void {
    this.#begin(async () => writeFully(this.#file, buffers, offset), written);
  }

  /**
   * Like `write`, for much: page-aligned memory goes to the disk as it is, without a copy, without pushing other
   * files out of memory, and while the next is being made, so that `sync` has little left to wait for.
   */
  writeData(offset: number, buffers: readonly Buffer[], written?: () => void): void {
    this.#begin(async () => this.#writeData(buffers, offset), written);
  }

  /** Waits for every write; throws the first error. */
  async drain(): Promise<void> {
    await Promise.all(this.#underWay);
    this.#throwFailure();
  }

  /** Everything written is on the disk when this returns. */
  async sync(): Promise<void> {
    await this.drain();
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#direct?.close();
    await this.#file.close();
  }

  #begin(write: () => Promise<void>, written?: () => void): void {
    this.#throwFailure();
    const writing = write()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#underWay.delete(writing);
        written?.();
      });
    this.#underWay.add(writing);
  }

  async #writeData(buffers: readonly Buffer[], offset: number): Promise<void> {
    try {
      await writeFully(this.#direct ?? this.#file, buffers, offset);
    } catch (error) {
      // The memory or the place is not aligned as this disk wants it: open(2), O_DIRECT.
      if (errnoOf(error) !== 'EINVAL' || !this.#direct) throw error;
      await writeFully(this.#file, buffers, offset);
    }
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}

/** A write may end early, say before a limit or a full disk; the rest then meets the reason. */
async function writeFully(file: FileHandle, buffers: readonly Buffer[], offset: number): Promise<void> {
  let rest = buffers;
  let position = offset;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, position);
    position += bytesWritten;
    rest = without(rest, bytesWritten);
  }
}

/** Buffers without their first bytes. */
function without(buffers: readonly Buffer[], bytes: number): readonly Buffer[] {
  let gone = bytes;
  const rest: Buffer[] = [];
  for (const buffer of buffers) {
    const skipped = Math.min(gone, buffer.length);
    gone -= skipped;
    if (skipped < buffer.length) rest.push(buffer.subarray(skipped));
  }
  return rest;
}
