// File systems and disks made by the tools that everybody uses, in plain files: nothing is mounted, nobody is root.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type ByteSource, requireInside } from '../../src/host/disk/byte-source.ts';

/** They live in sbin, which is not in everybody's path. */
const env = {
  ...process.env,
  PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
  MTOOLS_SKIP_CHECK: '1',
  TZ: 'UTC',
};

function tool(name: string, args: readonly string[], input?: string): void {
  execFileSync(name, args, {
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(input === undefined ? {} : { input }),
  });
}

/** Which of these tools are missing, as a reason to skip; empty when none is. */
export function missingTools(...names: readonly string[]): string {
  const folders = env.PATH.split(':');
  return names.filter((name) => !folders.some((folder) => existsSync(join(folder, name)))).join(', ');
}

/** A folder for one test file. */
export function scratchFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'bonami-files-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export type TreeEntry =
  | string
  | Buffer
  | { readonly link: string }
  /** A file of this size that is all hole but for some pieces of text. */
  | { readonly size: number; readonly pieces: Readonly<Record<number, string>> };

/** Paths and what is there; folders come by themselves, and a path that ends with a slash is an empty one. */
export type Tree = Readonly<Record<string, TreeEntry>>;

export function writeTree(folder: string, tree: Tree): string {
  mkdirSync(folder, { recursive: true });
  for (const [path, entry] of Object.entries(tree)) {
    const place = join(folder, path);
    mkdirSync(path.endsWith('/') ? place : dirname(place), { recursive: true });
    if (path.endsWith('/')) continue;
    if (typeof entry === 'string' || Buffer.isBuffer(entry)) writeFileSync(place, entry);
    else if ('link' in entry) symlinkSync(entry.link, place);
    else writeSparse(place, entry.size, entry.pieces);
  }
  return folder;
}

function writeSparse(path: string, size: number, pieces: Readonly<Record<number, string>>): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  for (const [offset, text] of Object.entries(pieces)) writeSync(file, text, Number(offset));
  closeSync(file);
}

export interface ExtOptions {
  readonly type?: 'ext2' | 'ext3' | 'ext4';
  readonly sizeMiB?: number;
  /** More of mke2fs' options. */
  readonly options?: readonly string[];
}

export const EXT_UUID = '0b1c2d3e-4f50-4162-9788-9aabbccddeef';

/** An ext file system with all that is in a folder. */
export function makeExt(
  image: string,
  folder: string,
  { type = 'ext4', sizeMiB = 8, options = [] }: ExtOptions = {},
): void {
  writeFileSync(image, '');
  truncateSync(image, sizeMiB * 2 ** 20);
  tool('mke2fs', ['-q', '-F', '-t', type, '-L', 'a label', '-U', EXT_UUID, ...options, '-d', folder, image]);
}

/** mke2fs only writes linear folders; this hashes the larger ones. */
export function hashFolders(image: string): void {
  try {
    tool('e2fsck', ['-fyD', image]);
  } catch (error) {
    // 1: it changed something, which is what it was asked for.
    if (!(error instanceof Error && 'status' in error && error.status === 1)) throw error;
  }
}

/** Changes an ext file system by a command of debugfs(8). */
export function debugExt(image: string, command: string): void {
  tool('debugfs', ['-w', '-R', command, image]);
}

export interface FatOptions {
  readonly sizeMiB?: number;
  /** More of mformat's options. */
  readonly options?: readonly string[];
}

/** A FAT file system with all that is in a folder. */
export function makeFat(image: string, folder: string, { sizeMiB = 8, options = [] }: FatOptions = {}): void {
  writeFileSync(image, '');
  truncateSync(image, sizeMiB * 2 ** 20);
  tool('mformat', ['-i', image, '-v', 'A LABEL', '-N', '1234abcd', ...options, '::']);
  const entries = readdirSync(folder).map((name) => join(folder, name));
  if (entries.length > 0) tool('mcopy', ['-i', image, '-s', '-Q', ...entries, '::']);
}

export interface DiskPart {
  /** Byte of the disk. */
  readonly at: number;
  readonly bytes: Buffer;
}

/** A disk partitioned by a script of sfdisk, with bytes at some places. */
export function makeDisk(
  image: string,
  sizeMiB: number,
  script: string,
  parts: readonly DiskPart[] = [],
): void {
  writeFileSync(image, '');
  truncateSync(image, sizeMiB * 2 ** 20);
  if (script !== '') tool('sfdisk', ['--quiet', image], script);
  const file = openSync(image, 'r+');
  for (const { at, bytes } of parts) writeSync(file, bytes, 0, bytes.length, at);
  closeSync(file);
}

export interface CountedSource extends ByteSource {
  /** Bytes and reads so far. */
  readonly cost: { bytes: number; reads: number };
}

/** Bytes in memory as a source that knows how much was read from it. */
export function sourceOf(bytes: Buffer): CountedSource {
  const cost = { bytes: 0, reads: 0 };
  return {
    size: bytes.length,
    cost,
    async read(offset, length) {
      requireInside({ size: bytes.length }, offset, length);
      cost.bytes += length;
      cost.reads++;
      return Buffer.from(bytes.subarray(offset, offset + length));
    },
  };
}

/** A file's bytes as a source. */
export function sourceIn(path: string): CountedSource {
  return sourceOf(readFileSync(path));
}

/** mulberry32: small, seeded, good enough to vary bytes. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Changes some bytes within [begin, end) and says how to take it back, so that a large image need not be copied. */
export function mutate(
  bytes: Buffer,
  random: () => number,
  [begin, end]: readonly [number, number],
): () => void {
  const pick = (below: number): number => Math.floor(random() * below);
  const undo: (() => void)[] = [];
  for (let change = pick(4); change >= 0; change--) {
    const offset = begin + pick(end - begin);
    const length = Math.min(1 + pick(8), bytes.length - offset);
    const before = Buffer.from(bytes.subarray(offset, offset + length));
    const values = [0, 1, 0x7f, 0x80, 0xff, pick(256)];
    bytes.fill(values[pick(values.length)] ?? 0, offset, offset + length);
    undo.push(() => before.copy(bytes, offset));
  }
  return () => {
    for (const step of undo.toReversed()) step();
  };
}
