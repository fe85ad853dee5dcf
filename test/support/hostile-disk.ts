// What readers of file systems must bear: disks that were good until somebody changed a few bytes.
import { HostError } from '../../src/core/errors.ts';
import type { ByteSource } from '../../src/host/disk/byte-source.ts';
import type { FileNode, FileSystem, OpenFileSystem } from '../../src/host/disk/files/file-system.ts';
import { type Disk, patched } from './disk-fixtures.ts';

const MAX_NODES = 60;
const MAX_CONTENT = 64 * 1024;
const NAMES_IN_ROOT = 20;
const NAMES_IN_FOLDER = 2;

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** A source that remembers what was read. */
function observed(source: ByteSource): ByteSource & { readonly reads: Range[] } {
  const reads: Range[] = [];
  return {
    size: source.size,
    reads,
    read: async (offset, length) => {
      reads.push({ offset, length });
      return source.read(offset, length);
    },
  };
}

/** Looks at a file system's first folders, files and links. The codes of all refusals; anything else is thrown. */
async function tour(open: OpenFileSystem, source: ByteSource): Promise<ReadonlySet<string>> {
  const codes = new Set<string>();
  const attempt = async <Result>(work: () => Promise<Result>): Promise<Result | undefined> => {
    try {
      return await work();
    } catch (error) {
      // A sentence that says what is wrong with what, or it is not a refusal of ours.
      if (!(error instanceof HostError) || !/^(?:the|a) .+[^.]$/.test(error.message)) throw error;
      codes.add(error.code);
      return undefined;
    }
  };
  const fs = await attempt(async () => open(source));
  const root = fs && (await attempt(async () => fs.root()));
  if (!fs || !root) return codes.add('unopened');
  const nodes: FileNode[] = [root];
  for (let index = 0; index < Math.min(nodes.length, MAX_NODES); index++) {
    const node = nodes[index] ?? root;
    await attempt(async () => fs.content(node, MAX_CONTENT));
    for (const name of (await attempt(async () =>
      sample(fs, node, index === 0 ? NAMES_IN_ROOT : NAMES_IN_FOLDER),
    )) ?? []) {
      const child = await attempt(async () => fs.lookup(node, name));
      if (child) nodes.push(child);
    }
  }
  return codes;
}

async function sample(fs: FileSystem, folder: FileNode, count: number): Promise<readonly string[]> {
  const names = await fs.list(folder);
  return [...names.slice(0, count), ...names.slice(-1), 'missing'];
}

export interface Bounds {
  readonly rounds: number;
  readonly seed: number;
  /** For a whole tour of one disk. */
  readonly maxReads: number;
  readonly maxBytes: number;
}

/**
 * Tours each of these disks again and again, each time with a few bytes changed of those that a reader looks at.
 * All codes of refusals; throws when something else comes out, or when more is read than allowed.
 */
export async function tourChanged(
  open: OpenFileSystem,
  disks: readonly Disk[],
  { rounds, seed, maxReads, maxBytes }: Bounds,
): Promise<ReadonlySet<string>> {
  const random = generator(seed);
  const pick = (below: number): number => Math.floor(random() * below);
  const seeds = await Promise.all(
    disks.map(async (disk) => ({ disk, ranges: await readRanges(open, disk) })),
  );
  const codes = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    const { disk, ranges } = seeds[pick(seeds.length)] ?? { ranges: [] };
    if (!disk) break;
    let changed = disk;
    for (let change = pick(3); change >= 0; change--) {
      const { offset, length } = ranges[pick(ranges.length)] ?? { offset: 0, length: 1 };
      const values = [0, 1, 0x7f, 0x80, 0xff, pick(256)];
      const bytes = Buffer.alloc(1 + (random() < 0.5 ? 0 : pick(8)), values[pick(values.length)] ?? 0);
      const at = offset + pick(Math.min(length, random() < 0.5 ? 200 : length));
      changed = patched(changed, Math.min(at, disk.size - bytes.length), bytes);
    }
    const source = observed(changed);
    for (const code of await tour(open, source)) codes.add(code);
    const bytesRead = source.reads.reduce((sum, { length }) => sum + length, 0);
    if (source.reads.length > maxReads || bytesRead > maxBytes)
      throw new Error(`round ${round}: ${source.reads.length} reads of ${bytesRead} bytes`);
  }
  return codes;
}

/** Where a reader looks, each place once: one that it looks at often is not more worth changing than others. */
async function readRanges(open: OpenFileSystem, disk: Disk): Promise<readonly Range[]> {
  const source = observed(disk);
  await tour(open, source);
  return [...new Map(source.reads.map((range) => [`${range.offset}:${range.length}`, range])).values()];
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
