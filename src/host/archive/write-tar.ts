import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { pack as packer, type Pack } from 'tar-stream';
import { HostError } from '../../core/errors.ts';
import { requirePlainName } from './entry-name.ts';

export interface TarFile {
  /** A file name in no folder, of 100 bytes at most: what fits into a header that every reader understands. */
  readonly name: string;
  readonly size: number;
  /** Exactly `size` bytes. */
  readonly content: Buffer | AsyncIterable<Buffer>;
}

const MAX_NAME = 100;

/**
 * A tar archive of these files, which everybody may read and root owns. The same files make the same bytes. Throws
 * `ArchiveHostile` for names that `readTar` would refuse, and `ImageChanged` when a content has another size.
 */
export async function* writeTar(
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
): AsyncGenerator<Buffer, void> {
  const pack = packer();
  let failure: unknown;
  // Whoever reads may leave, and then there is no room any more.
  const over = new AbortController();
  const written = writeAll(pack, files, over.signal).catch((error: unknown) => {
    failure = error;
    pack.destroy(error as Error);
  });
  try {
    for await (const chunk of pack as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    throw failure ?? error;
  } finally {
    over.abort();
    pack.destroy();
    await written;
  }
}

async function writeAll(
  pack: Pack,
  files: AsyncIterable<TarFile> | Iterable<TarFile>,
  signal: AbortSignal,
): Promise<void> {
  const names = new Set<string>();
  for await (const { name, size, content } of files) {
    requirePlainName(name, 'an archive cannot hold', MAX_NAME);
    if (names.has(name)) throw new HostError('ArchiveHostile', `an archive cannot hold '${name}' twice`);
    names.add(name);
    const header = { name, size, mode: 0o644, mtime: new Date(0), uname: 'root', gname: 'root' };
    // streamx' streams do all that Node's are asked for here.
    const sink = pack.entry(header) as unknown as Writable;
    // What went wrong is thrown from here; that it is an event as well must not end the process.
    sink.on('error', () => {});
    for await (const piece of exactly(name, size, content))
      if (!sink.write(piece)) await once(sink, 'drain', { signal });
    const closed = once(sink, 'close', { signal });
    sink.end();
    await closed;
  }
  pack.finalize();
}

async function* exactly(name: string, size: number, content: TarFile['content']): AsyncGenerator<Buffer> {
  let written = 0;
  for await (const piece of Buffer.isBuffer(content) ? [content] : content) {
    written += piece.length;
    if (written > size) break;
    if (piece.length > 0) yield piece;
  }
  if (written !== size)
    throw new HostError('ImageChanged', `'${name}' has not the ${size} bytes that it had`, {
      hint: 'try again when nothing writes to it',
    });
}
