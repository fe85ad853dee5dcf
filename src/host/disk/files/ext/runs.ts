// Which blocks of the disk hold a file. Both ways ascend strictly in the file's blocks, and each step either ends or
// finds a run: reading costs no more than the part that is read, whatever the tables claim.
import { corrupt } from './corrupt.ts';
import type { Inode } from './inode.ts';
import type { Volume } from './superblock.ts';

/** `count` blocks of a file, from its block `logical` on, lie at `physical`. What no run covers is zeros. */
export interface Run {
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
}

const EXTENT_MAGIC = 0xf30a;
const MAX_DEPTH = 5;
/** Longer ones are reserved, not written: they read as zeros. */
const MAX_WRITTEN = 32768;
const DIRECT_BLOCKS = 12;

/** Runs of a file's blocks below `limit`, in order. */
export async function* runsOf(volume: Volume, inode: Inode, limit: number): AsyncGenerator<Run> {
  if (inode.layout === 'extents') {
    const depth = inode.map.readUInt16LE(6);
    if (depth > MAX_DEPTH) throw corrupt(`it has a tree of extents with ${depth} levels`);
    yield* extents(volume, inode.map, { begin: 0, end: 2 ** 32, limit, depth });
    return;
  }
  for (let block = 0; block < DIRECT_BLOCKS && block < limit; block++) {
    const physical = inode.map.readUInt32LE(4 * block);
    if (physical !== 0) yield { logical: block, physical, count: 1 };
  }
  let begin = DIRECT_BLOCKS;
  for (let level = 1; level <= 3; level++) {
    const pointer = inode.map.readUInt32LE(4 * (DIRECT_BLOCKS + level - 1));
    yield* indirect(volume, pointer, { begin, limit, level });
    begin += (volume.blockSize / 4) ** level;
  }
}

interface Branch {
  /** Blocks of the file that this node may speak of. */
  readonly begin: number;
  readonly end: number;
  readonly limit: number;
  /** Levels below. */
  readonly depth: number;
}

/** Kernel: Documentation/filesystems/ext4/ifork.rst, "Extent Tree". */
async function* extents(volume: Volume, node: Buffer, branch: Branch): AsyncGenerator<Run> {
  const count = entriesIn(node, branch.depth);
  let previous = branch.begin - 1;
  for (let index = 0; index < count; index++) {
    const place = 12 * (index + 1);
    const logical = node.readUInt32LE(place);
    if (logical <= previous || logical >= branch.end) throw corrupt('it has extents out of order');
    if (logical >= branch.limit) return;
    if (branch.depth === 0) {
      const run = extentAt(node, place);
      previous = logical + run.count - 1;
      if (previous >= branch.end) throw corrupt('it has extents that overlap');
      if (run.physical !== 0) yield run;
    } else {
      previous = logical;
      const end = index + 1 < count ? node.readUInt32LE(place + 12) : branch.end;
      const child = node.readUInt16LE(place + 8) * 2 ** 32 + node.readUInt32LE(place + 4);
      const bytes = await volume.source.read(child * volume.blockSize, volume.blockSize);
      yield* extents(volume, bytes, { ...branch, begin: logical, end, depth: branch.depth - 1 });
    }
  }
}

function entriesIn(node: Buffer, depth: number): number {
  if (node.readUInt16LE(0) !== EXTENT_MAGIC) throw corrupt('it has a node of extents without their mark');
  if (node.readUInt16LE(6) !== depth) throw corrupt('it has a tree of extents with a wrong depth');
  const count = node.readUInt16LE(2);
  if (12 * (count + 1) > node.length) throw corrupt(`it has a node with ${count} extents`);
  // Only a file without blocks has an empty node. Others would be visited without end and without gain.
  const isRoot = node.length === 60;
  if (count === 0 && !isRoot) throw corrupt('it has an empty node of extents');
  return count;
}

function extentAt(node: Buffer, place: number): Run {
  const length = node.readUInt16LE(place + 4);
  if (length === 0) throw corrupt('it has an empty extent');
  const isWritten = length <= MAX_WRITTEN;
  return {
    logical: node.readUInt32LE(place),
    physical: isWritten ? node.readUInt16LE(place + 6) * 2 ** 32 + node.readUInt32LE(place + 8) : 0,
    count: isWritten ? length : length - MAX_WRITTEN,
  };
}

interface Level {
  /** The first block of the file that the pointer leads to. */
  readonly begin: number;
  readonly limit: number;
  /** Blocks of pointers on the way, this one included. */
  readonly level: number;
}

/** Kernel: Documentation/filesystems/ext4/blockmap.rst. A pointer of 0 is a hole, whatever its level. */
async function* indirect(
  volume: Volume,
  pointer: number,
  { begin, limit, level }: Level,
): AsyncGenerator<Run> {
  if (pointer === 0 || begin >= limit) return;
  if (level === 0) {
    yield { logical: begin, physical: pointer, count: 1 };
    return;
  }
  const pointers = await volume.source.read(pointer * volume.blockSize, volume.blockSize);
  const perPointer = (volume.blockSize / 4) ** (level - 1);
  for (let index = 0; index < volume.blockSize / 4; index++) {
    const first = begin + index * perPointer;
    if (first >= limit) return;
    yield* indirect(volume, pointers.readUInt32LE(4 * index), { begin: first, limit, level: level - 1 });
  }
}
