import { createHash, type Hash } from 'node:crypto';
import { Readable } from 'node:stream';
import { HostError } from '../../core/errors.ts';
import { MAX_OVF_BYTES, type Ovf, type OvfFile, parseOvf } from './ovf.ts';
import { readTar, type TarEntry } from './read-tar.ts';

export interface OvaOptions {
  readonly signal?: AbortSignal | undefined;
  /** Takes a disk as it comes; called for one after the other, in the archive's order. */
  readonly onDisk: (disk: OvfFile, stream: Readable, size: number) => Promise<void>;
}

type Algorithm = 'sha1' | 'sha256' | 'sha512';
const ALGORITHMS = ['sha1', 'sha256', 'sha512'] as const;
type Digests = Readonly<Record<Algorithm, string>>;

/** A manifest is a line per file. */
const MAX_MANIFEST_BYTES = 1 << 20;

/**
 * Reads an OVA as it comes: the descriptor, which is first (DSP0243), then only files that it names, each of which is
 * compared with the manifest, wherever that is. Throws `OvfRefused`, `ArchiveCorrupt` for a file that is missing or not
 * what the manifest says, and what `readTar` throws.
 */
export async function readOva(source: Readable, { signal, onDisk }: OvaOptions): Promise<Ovf> {
  let ovf: Ovf | undefined;
  let manifest: readonly ManifestLine[] | undefined;
  const seen = new Map<string, Digests>();
  for await (const entry of readTar(source, { signal, maxEntries: 100 })) {
    const { name } = entry;
    if (ovf === undefined) {
      if (!/\.ovf$/i.test(name)) throw corrupt(`begins with '${name}' and not with its descriptor`);
      const hashed = new Hashed(entry);
      ovf = parseOvf(await readText(hashed.stream, MAX_OVF_BYTES, name));
      seen.set(name, hashed.digests());
    } else if (/\.mf$/i.test(name)) {
      if (manifest !== undefined) throw new HostError('ArchiveHostile', 'the archive has two manifests');
      manifest = parseManifest(await readText(entry.stream, MAX_MANIFEST_BYTES, name));
    } else if (!/\.cert$/i.test(name)) seen.set(name, await takeFile(ovf, entry, onDisk));
  }
  if (ovf === undefined) throw corrupt('is empty');
  for (const { file } of ovf.disks)
    if (!seen.has(file)) throw corrupt(`lacks '${file}', which its descriptor names`);
  if (manifest !== undefined) verifyAll(manifest, seen);
  return ovf;
}

async function takeFile(ovf: Ovf, entry: TarEntry, onDisk: OvaOptions['onDisk']): Promise<Digests> {
  const { name, size } = entry;
  if (!ovf.files.has(name))
    throw new HostError('ArchiveHostile', `the archive holds '${name}', which its descriptor does not name`);
  const disk = ovf.disks.find(({ file }) => file === name);
  const hashed = new Hashed(entry);
  if (disk) await onDisk(disk, hashed.stream, size);
  for await (const _ of hashed.stream);
  return hashed.digests();
}

/** A file of the archive whose bytes are hashed as they are read. */
class Hashed {
  readonly #hashes: readonly (readonly [Algorithm, Hash])[] = ALGORITHMS.map((name) => [
    name,
    createHash(name),
  ]);
  readonly stream: Readable;

  constructor({ stream }: TarEntry) {
    this.stream = Readable.from(this.#read(stream), { objectMode: false });
  }

  async *#read(stream: Readable): AsyncGenerator<Buffer> {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (const [, hash] of this.#hashes) hash.update(chunk);
      yield chunk;
    }
  }

  /** Once all of it was read. */
  digests(): Digests {
    return Object.fromEntries(this.#hashes.map(([name, hash]) => [name, hash.digest('hex')])) as Digests;
  }
}

interface ManifestLine {
  readonly algorithm: Algorithm;
  readonly file: string;
  readonly hex: string;
}

/** `SHA256(file)= hex`, a line each (DSP0243, "Manifest"). */
function parseManifest(text: string): readonly ManifestLine[] {
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', file = '', hex = ''] =
        /^(SHA1|SHA256|SHA512) ?\(([^)]+)\) ?= ?([0-9a-f]+)\s*$/i.exec(line) ?? [];
      const algorithm = ALGORITHMS.find((each) => each === name.toLowerCase());
      if (algorithm === undefined) throw corrupt('has a manifest that cannot be read');
      return { algorithm, file, hex: hex.toLowerCase() };
    });
}

/** Without a manifest nobody has said what the files are; with one it speaks of each (DSP0243). */
function verifyAll(manifest: readonly ManifestLine[], seen: ReadonlyMap<string, Digests>): void {
  for (const line of manifest) verify(line, seen);
  for (const name of seen.keys())
    if (!manifest.some(({ file }) => file === name))
      throw corrupt(`has a manifest that says nothing of '${name}'`);
}

function verify({ algorithm, file, hex }: ManifestLine, seen: ReadonlyMap<string, Digests>): void {
  const digests = seen.get(file);
  if (digests === undefined) throw corrupt(`lacks '${file}', which its manifest names`);
  if (digests[algorithm] !== hex)
    throw corrupt(`has another '${file}' than its manifest says (${algorithm})`);
}

async function readText(stream: Readable, maxBytes: number, name: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes)
      throw new HostError('ArchiveTooLarge', `'${name}' is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function corrupt(what: string): HostError {
  return new HostError('ArchiveCorrupt', `the archive ${what}`, { hint: 'download or copy it again' });
}
