import type { Readable } from 'node:stream';
import { corrupt, hostile, tooLarge } from './archive-errors.ts';
import { type Ovf, type OvfFile, MAX_OVF_BYTES, parseOvf } from './ovf.ts';
import { ManifestCheck, MAX_MANIFEST_BYTES, parseManifest } from './ovf-manifest.ts';
import { type TarEntry, readTar } from './read-tar.ts';

export interface OvaOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told the descriptor before any disk comes. What it throws ends the reading. */
  readonly onDescriptor?: (ovf: Ovf) => void | Promise<void>;
  /**
   * Takes a disk's file as it comes, compressed where the disk says so; called for one after the other, in the
   * archive's order. What it took is not to be used before `readOva` has returned: the manifest may come last.
   */
  readonly onDisk: (disk: OvfFile, stream: Readable, size: number) => Promise<void>;
}

/** Files that describe, and are not disks; real ones have less than ten. */
const MAX_FILES = 100;

/**
 * Reads an OVA as it comes: the descriptor, which is first (DSP0243), then only files that it names, each of which is
 * compared with the manifest, wherever that is. Owns the source. Throws `OvfRefused`, `ArchiveHostile` for a file that
 * the descriptor does not name, `ArchiveCorrupt` for one that is missing, has another size, or is not what the
 * manifest says, and what `readTar` and the listeners throw.
 */
export async function readOva(source: Readable, options: OvaOptions): Promise<Ovf> {
  const check = new ManifestCheck();
  const seen = new Set<string>();
  let ovf: Ovf | undefined;
  for await (const entry of readTar(source, { signal: options.signal, maxEntries: MAX_FILES })) {
    const { name } = entry;
    if (ovf === undefined) {
      ovf = await descriptor(entry, check);
      await options.onDescriptor?.(ovf);
    } else if (/\.mf$/i.test(name)) check.expect(parseManifest(await contentOf(entry, MAX_MANIFEST_BYTES)));
    // Nobody here knows whose signature would be worth something.
    else if (!/\.cert$/i.test(name)) await file(entry, { ovf, check, ...options });
    seen.add(name);
  }
  if (ovf === undefined) throw corrupt('is empty');
  for (const name of ovf.files.keys())
    if (!seen.has(name)) throw corrupt(`lacks '${name}', which its descriptor names`);
  check.finish(ovf.disks.map((disk) => disk.file));
  return ovf;
}

async function descriptor(entry: TarEntry, check: ManifestCheck): Promise<Ovf> {
  if (!/\.ovf$/i.test(entry.name)) throw corrupt(`begins with '${entry.name}' and not with its descriptor`);
  const digest = check.begin(entry.name);
  const bytes = await contentOf(entry, MAX_OVF_BYTES);
  digest.take(bytes);
  digest.end();
  return parseOvf(bytes);
}

interface Reading extends Pick<OvaOptions, 'onDisk'> {
  readonly ovf: Ovf;
  readonly check: ManifestCheck;
}

async function file(entry: TarEntry, { ovf, check, onDisk }: Reading): Promise<void> {
  const { name, size } = entry;
  if (/\.ovf$/i.test(name)) throw hostile(`has a second descriptor, '${name}'`);
  if (!ovf.files.has(name)) throw hostile(`holds '${name}', which its descriptor does not name`);
  const expected = ovf.files.get(name) ?? size;
  if (size !== expected) throw corrupt(`has a '${name}' of ${size} bytes instead of ${expected}`);
  const digest = check.begin(name);
  entry.onBytes(digest.take);
  const disk = ovf.disks.find((each) => each.file === name);
  if (disk !== undefined) await onDisk(disk, entry.stream, size);
  await entry.skip();
  digest.end();
}

async function contentOf({ name, size, stream }: TarEntry, maxBytes: number): Promise<Buffer> {
  if (size > maxBytes) throw tooLarge(`has a '${name}' of ${size} bytes; at most ${maxBytes} are allowed`);
  const pieces: Buffer[] = [];
  for await (const piece of stream as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}
