import { once } from 'node:events';
import { type Pack, pack as packer } from 'tar-stream';
import { HostError } from '../../core/errors.ts';
import { roomIn } from '../streams.ts';
import { requirePlainName, shown } from './entry-name.ts';

export interface TarFile {
  /** A file name in no folder, of 100 ASCII characters at most: what every reader finds in a plain header. */
  readonly name: string;
  readonly size: number;
  /** Exactly `size` bytes. */
  readonly content: Buffer | AsyncIterable<Buffer>;
}

export interface WriteTarOptions {
  /** The time of every file; the epoch when not given. */
  readonly mtime?: Date;
}

const MAX_NAME = 100;

/**
 * A tar archive of these files, which everybody may read and root owns. The same files make the same bytes. Throws
 * `ArchiveHostile` for names that `readTar` would refuse, and `ImageChanged` when a content has another size.
 */
export async function* writeTar(
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
  { mtime = new Date(0) }: WriteTarOptions = {},
): AsyncGenerator<Buffer, void> {
  const pack = packer();
  // Thrown by its iterator; as an event it must not end the process.
  pack.on('error', () => {});
  const filling = fill(pack, files, mtime);
  try {
    for await (const piece of pack) yield piece as Buffer;
  } finally {
    pack.destroy();
    await filling;
  }
}

/** Writes the files, no faster than the archive is read. An error is the archive's. */
async function fill(
  pack: Pack,
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
  mtime: Date,
): Promise<void> {
  const names = new Set<string>();
  try {
    for await (const file of files) {
      requireName(file.name, names);
      names.add(file.name);
      await add(pack, file, mtime);
    }
    pack.finalize();
  } catch (error) {
    pack.destroy(error as Error);
  }
}

function requireName(name: string, others: ReadonlySet<string>): void {
  requirePlainName(name, 'an archive cannot hold', MAX_NAME);
  if (Buffer.byteLength(name) > name.length)
    throw new HostError('ArchiveHostile', `an archive cannot hold '${shown(name)}', which is not ASCII`);
  if (others.has(name)) throw new HostError('ArchiveHostile', `an archive cannot hold '${name}' twice`);
}

async function add(pack: Pack, file: TarFile, mtime: Date): Promise<void> {
  const { name, size } = file;
  const header = { name, size, mtime, mode: 0o644, type: 'file', uname: 'root', gname: 'root' } as const;
  const sink = pack.entry(header);
  const gone = once(sink, 'close');
  // Awaited below; until then an error of the content comes first.
  gone.catch(() => {});
  for await (const piece of exactly(file)) {
    if (sink.destroying) break;
    if (!sink.write(piece)) await roomIn(sink);
  }
  sink.end(null);
  await gone;
}

async function* exactly({ name, size, content }: TarFile): AsyncGenerator<Buffer, void> {
  let length = 0;
  for await (const piece of Buffer.isBuffer(content) ? [content] : content) {
    length += piece.length;
    if (length > size) break;
    if (piece.length > 0) yield piece;
  }
  if (length !== size)
    throw new HostError('ImageChanged', `'${name}' has not the ${size} bytes that it had`, {
      hint: 'try again when nothing writes to it',
    });
}
