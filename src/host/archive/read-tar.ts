import { Readable } from 'node:stream';
import { type Extract, type Header, extract as extractor } from 'tar-stream';
import { closed, reasonOf, roomIn } from '../streams.ts';
import { ByteReader } from './byte-reader.ts';
import { hostile, tooLarge } from './archive-errors.ts';
import { checkedTar } from './check-tar.ts';
import { requirePlainName, shown } from './entry-name.ts';

export interface TarOptions {
  readonly signal?: AbortSignal | undefined;
  /** Files and folders; 1000 when not given. */
  readonly maxEntries?: number;
  /** Bytes; 255 when not given, as file systems have it. */
  readonly maxName?: number;
  /** Bytes of one file; 2 TiB when not given, the largest disk. */
  readonly maxFileBytes?: number;
  /** Bytes of all files together; 4 TiB when not given. */
  readonly maxBytes?: number;
  /** What is done with a leading `./`, which `tar -C FOLDER .` writes: refused when not given. */
  readonly leadingDot?: 'refused' | 'dropped';
  /** What is done with folders: refused when not given. Files in them are always refused. */
  readonly folders?: 'refused' | 'skipped';
}

export interface TarEntry {
  /** A file name in no folder. No two entries have the same. */
  readonly name: string;
  readonly size: number;
  /** The content. It ends when the next entry is asked for; what was not read until then is skipped. */
  readonly stream: Readable;
  /** Has every byte of the content given to a listener, also those that nobody reads. */
  readonly onBytes: (listener: (piece: Buffer) => void) => void;
  /** Ends the stream and reads what is left of the content, as asking for the next entry does. */
  readonly skip: () => Promise<void>;
}

/**
 * The files of a tar archive, one after the other. Owns the source, and reads it to its end, so that whatever checks
 * the source's own end has its say. Throws `ArchiveHostile` for whatever is not a regular file with a plain name of
 * its own, `ArchiveTooLarge`, `ArchiveCorrupt` for archives that are damaged or end too soon, the source's errors, and
 * the signal's reason.
 */
export async function* readTar(source: Readable, options: TarOptions = {}): AsyncGenerator<TarEntry, void> {
  const { signal, maxEntries = 1000 } = options;
  const extract = extractor();
  // Thrown by its iterator; as an event it must not end the process.
  extract.on('error', () => {});
  const abort = (): void => void source.destroy(reasonOf(signal));
  signal?.addEventListener('abort', abort, { once: true });
  const feeding = feed(extract, checkedTar(new ByteReader(source), maxEntries));
  try {
    signal?.throwIfAborted();
    yield* entries(extract, options);
  } finally {
    signal?.removeEventListener('abort', abort);
    extract.destroy();
    await closed(source);
    await feeding;
  }
}

/** Writes an archive to tar-stream, no faster than its files are read. An error is the extractor's. */
async function feed(extract: Extract, archive: AsyncIterable<Buffer>): Promise<void> {
  try {
    for await (const piece of archive) {
      if (extract.destroying) return;
      if (!extract.write(piece)) await roomIn(extract);
    }
    extract.end(null);
  } catch (error) {
    extract.destroy(error as Error);
  }
}

async function* entries(extract: Extract, options: TarOptions): AsyncGenerator<TarEntry, void> {
  const { folders = 'refused' } = options;
  const names = new Set<string>();
  let total = 0;
  for await (const entry of extract) {
    const { type, size } = entry.header;
    const content = new Content(entry as AsyncIterable<Buffer>);
    if (type !== 'directory' || folders === 'refused') {
      const name = nameOf(entry.header, options);
      if (names.has(name)) throw hostile(`holds '${name}' twice`);
      names.add(name);
      total += size;
      requireSize(name, { size, total }, options);
      yield {
        name,
        size,
        stream: content.stream,
        onBytes: (listener) => void (content.listener = listener),
        skip: async () => content.finish(),
      };
    }
    await content.finish();
  }
}

function nameOf({ name, type }: Header, { leadingDot = 'refused', maxName = 255 }: TarOptions): string {
  if (type === 'directory') throw hostile(`holds a folder, '${shown(name)}'; only regular files are read`);
  const plain = leadingDot === 'dropped' ? name.replace(/^\.\//, '') : name;
  requirePlainName(plain, 'the archive holds', maxName);
  return plain;
}

interface Sizes {
  readonly size: number;
  /** This file's and that of all before it. */
  readonly total: number;
}

function requireSize(name: string, { size, total }: Sizes, options: TarOptions): void {
  const { maxFileBytes = 2 * 2 ** 40, maxBytes = 4 * 2 ** 40 } = options;
  if (size > maxFileBytes)
    throw tooLarge(`holds '${name}' of ${size} bytes; at most ${maxFileBytes} are allowed`);
  if (total > maxBytes) throw tooLarge(`holds more than ${maxBytes} bytes`);
}

/** One file's bytes: read by whom they are handed to, and then to their end by us. */
class Content {
  listener: ((piece: Buffer) => void) | undefined;
  readonly stream: Readable;
  readonly #pieces: AsyncIterator<Buffer>;
  #isOver = false;

  constructor(entry: AsyncIterable<Buffer>) {
    // Never told to return: tar-stream takes a file that is left alone for the end of the archive.
    this.#pieces = entry[Symbol.asyncIterator]();
    this.stream = Readable.from(this.#take(), { objectMode: false });
    // Thrown again by whoever reads on; somebody who has stopped reading must not lose the process.
    this.stream.on('error', () => {});
  }

  async finish(): Promise<void> {
    await closed(this.stream);
    for await (const piece of this.#take()) void piece;
  }

  async *#take(): AsyncGenerator<Buffer, void> {
    while (!this.#isOver) {
      const { value, done } = await this.#pieces.next();
      this.#isOver = done === true;
      if (done === true) return;
      this.listener?.(value);
      yield value;
    }
  }
}
