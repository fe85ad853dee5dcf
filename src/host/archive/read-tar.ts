import { Readable, type Writable } from 'node:stream';
import { extract as extractor, type Extract, type Header } from 'tar-stream';
import { HostError, messageOf } from '../../core/errors.ts';
import { reasonOf } from '../filter-stream.ts';
import { requirePlainName, shown } from './entry-name.ts';
import { closed } from './peek.ts';
import { BLOCK } from './tar-header.ts';

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
  /** The content. Ends when the next entry is asked for; what was not read until then is skipped. */
  readonly stream: Readable;
}

/**
 * The files of a tar archive, one after the other. Owns the source, and reads it to its end, so that whatever checks
 * the source's own end has its say. Throws `ArchiveHostile` for whatever is not a regular file with a plain name of its
 * own, `ArchiveTooLarge`, `ArchiveCorrupt` for archives that are damaged or end too soon, the source's errors, and the
 * signal's reason.
 */
export async function* readTar(source: Readable, options: TarOptions = {}): AsyncGenerator<TarEntry, void> {
  const { signal } = options;
  const extract = extractor();
  const ending = new Ending();
  let failure: Error | undefined;
  const fail = (error: Error): void => {
    failure ??= error;
    extract.destroy(error);
  };
  const abort = (): void => fail(reasonOf(signal));
  signal?.addEventListener('abort', abort, { once: true });
  // A file that is being read learns only that it is over: what happened comes first, here.
  extract.on('error', fail);
  source.on('error', fail).on('data', (chunk: Buffer) => ending.see(chunk));
  try {
    signal?.throwIfAborted();
    // streamx' streams do all that Node's pipe asks for.
    source.pipe(extract as unknown as Writable);
    yield* judged(extract, options, (error) => asArchiveError(failure ?? error));
    if (!ending.isWhole) throw corrupt('ends too soon');
  } catch (error) {
    throw error instanceof HostError ? error : asArchiveError(failure ?? error);
  } finally {
    signal?.removeEventListener('abort', abort);
    source.unpipe();
    extract.destroy();
    await closed(source);
  }
}

async function* judged(
  entries: Extract,
  options: TarOptions,
  inOurWords: (error: unknown) => unknown,
): AsyncGenerator<TarEntry, void> {
  const { maxEntries = 1000, maxName = 255, folders = 'refused' } = options;
  const names = new Set<string>();
  let total = 0;
  let count = 0;
  for await (const entry of entries) {
    const { header } = entry;
    const { size } = header;
    count++;
    if (count > maxEntries) throw tooLarge(`has more than ${maxEntries} entries`);
    if (header.type === 'directory' && folders === 'skipped' && size === 0) {
      entry.resume();
      continue;
    }
    requireRegular(header);
    const name = options.leadingDot === 'dropped' ? header.name.replace(/^\.\//, '') : header.name;
    requirePlainName(name, 'the archive holds', maxName);
    if (names.has(name)) throw hostile(`holds '${name}' twice`);
    names.add(name);
    total += size;
    requireSize({ name, size, total }, options);
    const stream = Readable.from(contentOf(entry as AsyncIterable<Buffer>, inOurWords), {
      objectMode: false,
    });
    yield { name, size, stream };
    for await (const _ of stream);
  }
}

/** Whoever reads a file learns what is wrong with the archive as whoever asks for the next one. */
async function* contentOf(
  entry: AsyncIterable<Buffer>,
  inOurWords: (error: unknown) => unknown,
): AsyncGenerator<Buffer> {
  try {
    yield* entry;
  } catch (error) {
    throw inOurWords(error);
  }
}

/** Where one program reads a file and another a link, one of them is deceived. `pax`: extended headers (POSIX). */
function requireRegular({ name, type, pax, linkname }: Header): void {
  if (type !== 'file' || linkname)
    throw hostile(`holds '${shown(name)}', which is ${KINDS[String(type)] ?? 'no regular file'}`);
  const renamed = Object.keys(pax ?? {}).find(
    (key) => key === 'path' || key === 'linkpath' || /^GNU\.sparse/i.test(key),
  );
  if (renamed !== undefined)
    throw hostile(
      `gives '${shown(name)}' another ${renamed === 'path' ? 'name' : 'meaning'} in an extended header`,
    );
}

const KINDS: Readonly<Record<string, string>> = {
  link: 'a hard link',
  symlink: 'a symbolic link',
  'character-device': 'a device',
  'block-device': 'a device',
  directory: 'a folder',
  fifo: 'a named pipe',
};

interface Sizes {
  readonly name: string;
  readonly size: number;
  readonly total: number;
}

function requireSize(
  { name, size, total }: Sizes,
  { maxFileBytes = 2 * 2 ** 40, maxBytes = 4 * 2 ** 40 }: TarOptions,
): void {
  // Negative ones are read as -0.
  if (!Number.isSafeInteger(size) || size < 0 || Object.is(size, -0))
    throw corrupt(`gives '${name}' no size that can be`);
  if (size > maxFileBytes) throw tooLarge(`holds '${name}' of ${size} bytes; ${maxFileBytes} are allowed`);
  if (total > maxBytes) throw tooLarge(`holds more than ${maxBytes} bytes`);
}

/** An archive ends with two blocks of zeros (POSIX); one that was cut off between two files does not. */
class Ending {
  #zeros = 0;

  get isWhole(): boolean {
    return this.#zeros >= BLOCK;
  }

  see(chunk: Buffer): void {
    let zeros = 0;
    while (zeros < chunk.length && zeros < 2 * BLOCK && chunk[chunk.length - 1 - zeros] === 0) zeros++;
    this.#zeros = zeros === chunk.length ? Math.min(2 * BLOCK, this.#zeros + zeros) : zeros;
  }
}

function asArchiveError(error: unknown): unknown {
  if (error instanceof HostError) return error;
  const said = messageOf(error);
  // tar-stream's own words.
  if (/unexpected end/i.test(said)) return corrupt('ends too soon');
  if (/invalid (?:tar )?header|header exceeds|invalid checksum|pax|encoding/i.test(said))
    return corrupt('has a header that cannot be read');
  return error;
}

function hostile(what: string): HostError {
  return new HostError('ArchiveHostile', `the archive ${what}`, {
    hint: 'if you trust its author, unpack it yourself and import the disk',
  });
}

function tooLarge(what: string): HostError {
  return new HostError('ArchiveTooLarge', `the archive ${what}`);
}

function corrupt(what: string): HostError {
  return new HostError('ArchiveCorrupt', `the archive ${what}`, { hint: 'download or copy it again' });
}
