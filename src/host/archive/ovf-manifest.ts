// The manifest of an OVA: a line per file, `SHA256(file)= hex` (DMTF DSP0243, "Manifest").
import { createHash } from 'node:crypto';
import { corrupt } from './archive-errors.ts';
import { shown } from './entry-name.ts';

/** A line is hardly longer than a name. */
export const MAX_MANIFEST_BYTES = 1 << 20;

const ALGORITHMS = ['sha1', 'sha256', 'sha512'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

interface Expected {
  readonly algorithm: Algorithm;
  readonly hex: string;
}

export type OvfManifest = ReadonlyMap<string, Expected>;

/** Digests by files' names. Throws `ArchiveCorrupt` for a line that is none, and for a file with two. */
export function parseManifest(bytes: Buffer): OvfManifest {
  const manifest = new Map<string, Expected>();
  for (const line of bytes.toString('utf8').split(/\r?\n/)) {
    if (line.trim() === '') continue;
    // OpenSSL 3 says SHA2-256, and there are archives whose manifest it wrote.
    const found = /^SHA(?:2-)?(1|256|512) ?\((.+)\) ?= ?([\da-f]+)\s*$/i.exec(line);
    const [, bits = '', file = '', hex = ''] = found ?? [];
    const algorithm = ALGORITHMS.find((name) => name === `sha${bits}`);
    if (algorithm === undefined) throw corrupt(`has a manifest with a line '${shown(line)}'`);
    if (manifest.has(file)) throw corrupt(`has a manifest with two digests for '${shown(file)}'`);
    manifest.set(file, { algorithm, hex: hex.toLowerCase() });
  }
  return manifest;
}

/** The manifest's text. */
export function ovfManifest(digests: Iterable<{ readonly file: string; readonly sha256: string }>): string {
  return [...digests].map(({ file, sha256 }) => `SHA256(${file})= ${sha256}\n`).join('');
}

/** Takes digests of files while they pass, and compares them with a manifest, which may come before or after them. */
export class ManifestCheck {
  readonly #found = new Map<string, ReadonlyMap<Algorithm, string>>();
  #manifest: OvfManifest | undefined;

  get isManifestHere(): boolean {
    return this.#manifest !== undefined;
  }

  /** Throws `ArchiveCorrupt` when a file that has passed is not what the manifest says. */
  expect(manifest: OvfManifest): void {
    if (this.#manifest !== undefined) throw corrupt('has two manifests');
    this.#manifest = manifest;
    for (const file of this.#found.keys()) this.#compare(file);
  }

  /** Give it all bytes of a file, then `end`, which throws `ArchiveCorrupt` as `expect` does. */
  begin(file: string): { readonly take: (piece: Buffer) => void; readonly end: () => void } {
    const algorithm = this.#manifest?.get(file)?.algorithm;
    const wanted = this.#manifest === undefined ? ALGORITHMS : algorithm === undefined ? [] : [algorithm];
    const hashes = wanted.map((name) => ({ name, hash: createHash(name) }));
    return {
      take: (piece) => {
        for (const { hash } of hashes) hash.update(piece);
      },
      end: () => {
        this.#found.set(file, new Map(hashes.map(({ name, hash }) => [name, hash.digest('hex')])));
        this.#compare(file);
      },
    };
  }

  /** Throws `ArchiveCorrupt` when the manifest, if there is one, has a file that is missing, or lacks one of these. */
  finish(required: Iterable<string>): void {
    if (this.#manifest === undefined) return;
    for (const file of this.#manifest.keys())
      if (!this.#found.has(file)) throw corrupt(`lacks '${shown(file)}', which its manifest names`);
    for (const file of required)
      if (!this.#manifest.has(file)) throw corrupt(`has a manifest without '${shown(file)}'`);
  }

  #compare(file: string): void {
    const expected = this.#manifest?.get(file);
    if (expected === undefined) return;
    if (this.#found.get(file)?.get(expected.algorithm) !== expected.hex)
      throw corrupt(`has another '${shown(file)}' than its manifest says (${expected.algorithm})`);
  }
}
