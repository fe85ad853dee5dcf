// Judges a tar archive's structure while it streams, before tar-stream reads it: a library reads more than can be
// judged from outside of it, and tar archives are full of things that two readers see differently. Long names and
// global headers rename files, sizes are overruled, entries hide behind the archive's end, and one that was cut off
// between two files looks whole. What passes can be read in one way.
import { corrupt, hostile, tooLarge } from './archive-errors.ts';
import type { ByteReader } from './byte-reader.ts';
import { shown } from './entry-name.ts';
import { MAX_PAX_BYTES, paxSize } from './pax.ts';
import { BLOCK, type TarHeader, paddingOf, parseTarHeader } from './tar-header.ts';

/** Writers fill up to a tape's record: 10 KiB as a rule, 1 MiB at the utmost. */
const MAX_TRAILER = 1 << 20;
const ZEROS = Buffer.alloc(BLOCK);

/**
 * The same bytes without those of the archive's end, if they are an archive of regular files and folders. Throws `ArchiveHostile` for everything
 * else that an archive can hold, `ArchiveTooLarge` for endless headers and trailers, `ArchiveCorrupt` for what is
 * damaged or ends before the archive's own end.
 */
export async function* checkedTar(reader: ByteReader, maxEntries: number): AsyncGenerator<Buffer, void> {
  let size: number | undefined;
  const extended = new Set<string>();
  for (let entries = 0; ;) {
    const { position } = reader;
    const block = await reader.exactly(BLOCK);
    if (block.equals(ZEROS)) return requireNothingMore(reader);
    const header = parseTarHeader(block);
    if (header === undefined) throw corrupt(`has no readable header at byte ${position}`);
    if (header.type === 'x' || header.type === 'g') {
      if (extended.has(header.type)) throw hostile('has several extended headers for one file');
      extended.add(header.type);
      const records = await extendedHeader(reader, header);
      size ??= sizeIn(records.subarray(0, header.size), header);
      yield block;
      yield records;
      continue;
    }
    if (++entries > maxEntries) throw tooLarge(`has more than ${maxEntries} entries`);
    const entry = { ...header, size: size ?? header.size };
    requirePlain(entry);
    yield block;
    yield* content(reader, entry.size);
    size = undefined;
    extended.clear();
  }
}

async function extendedHeader(reader: ByteReader, { size }: TarHeader): Promise<Buffer> {
  if (size > MAX_PAX_BYTES) throw tooLarge(`has an extended header of ${size} bytes`);
  return reader.exactly(size + paddingOf(size));
}

function sizeIn(records: Buffer, { type }: TarHeader): number | undefined {
  const size = paxSize(records);
  if (size !== undefined && type === 'g') throw hostile('gives all its files one size');
  return size;
}

async function* content(reader: ByteReader, size: number): AsyncGenerator<Buffer, void> {
  for (let missing = size + paddingOf(size); missing > 0;) {
    const piece = await reader.oneOrMore(missing);
    missing -= piece.length;
    yield piece;
  }
}

/** POSIX has two blocks of zeros at the end, some writers one, and most fill a record with them. */
async function requireNothingMore(reader: ByteReader): Promise<void> {
  for (let seen = 0; seen <= MAX_TRAILER;) {
    const piece = await reader.some(BLOCK);
    if (piece.length === 0) return;
    if (!piece.equals(ZEROS.subarray(0, piece.length))) throw hostile('goes on behind its end');
    seen += piece.length;
  }
  throw tooLarge(`is followed by more than ${MAX_TRAILER} zeros`);
}

/** Type flags and what they stand for (POSIX; GNU tar's manual, "Extensions to the Archive Format"). */
const KINDS: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '6': 'a named pipe',
  '7': 'a contiguous file',
  D: 'a list of a folder',
  K: 'a long link name',
  L: 'a long name',
  M: 'the rest of a file from another archive',
  S: 'a sparse file',
  V: 'a volume label',
};

function requirePlain({ type, name, size, linkName }: TarHeader): void {
  // Some readers take it for a folder, which has no content, and what follows for headers.
  if (type === '0' && name.endsWith('/'))
    throw hostile(`holds a file with a folder's name, '${shown(name)}'`);
  if (type === '5' && size > 0) throw hostile(`holds a folder with a content, '${shown(name)}'`);
  if (type === '0' || type === '5') return;
  const kind = KINDS[type] ?? `an entry of unknown type '${shown(type)}'`;
  const target = type === '1' || type === '2' ? ` to '${shown(linkName)}'` : '';
  throw hostile(`holds ${kind}, '${shown(name)}'${target}; only regular files are read`, HINTS[type]);
}

const HINTS: Readonly<Record<string, string>> = {
  L: 'pack the files again, with shorter names: tar --format=ustar -cf ARCHIVE FILES',
  S: 'pack the files again, without --sparse: tar --format=ustar -cf ARCHIVE FILES',
};
