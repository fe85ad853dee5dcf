// Extents: "XFS Algorithms & Data Structures", chapter "Data Extents"; Linux: struct xfs_bmbt_rec, xfs_bmdr_block,
// xfs_btree_block.
import { corrupt } from '../disk-fields.ts';
import { blockOffset } from './geometry.ts';
import type { Inode, Xfs } from './inode.ts';

const RECORD_BYTES = 16;
const POINTER_BYTES = 8;
const ROOT_HEADER_BYTES = 4;
const HEADER_BYTES = { 4: 24, 5: 72 } as const;
const MAGIC = { 4: 'BMAP', 5: 'BMA3' } as const;
/** Linux: XFS_BTREE_MAXLEVELS. */
const MAX_LEVELS = 9;
/** A tree of this size holds half a million extents: more than a file that is worth reading. */
const MAX_TREE_BYTES = 16 * 2 ** 20;

/** A run of blocks of a file: never empty, and inside one allocation group of the disk. */
export interface Extent {
  /** The first block's number in the file. */
  readonly start: number;
  readonly count: number;
  /** The first byte on the disk; undefined for blocks that were reserved but never written: they read as zeros. */
  readonly offset: number | undefined;
}

/** What is left of a walk, so that a tree that was made to be endless ends. */
interface Walk {
  readonly inode: Inode;
  /** Blocks from here on do not matter. */
  readonly end: number;
  bytesLeft: number;
  /** Records come in order and do not overlap: the first block that the next one may name. */
  next: number;
}

/** The extents of the file's blocks before `end`, in their order; what lies between them is a hole. */
export async function* extentsOf(xfs: Xfs, inode: Inode, end: number): AsyncGenerator<Extent> {
  const walk: Walk = { inode, end, bytesLeft: MAX_TREE_BYTES, next: 0 };
  if (inode.format === 'extents') {
    if (inode.extents * BigInt(RECORD_BYTES) > inode.fork.length) throw damaged(walk);
    yield* readRecords(xfs, walk, inode.fork.subarray(0, Number(inode.extents) * RECORD_BYTES));
  } else if (inode.format === 'btree') yield* readRoot(xfs, walk);
  else throw damaged(walk);
}

function* readRecords({ geometry }: Xfs, walk: Walk, records: Buffer): Generator<Extent> {
  for (let at = 0; at < records.length; at += RECORD_BYTES) {
    const high = records.readBigUInt64BE(at);
    const low = records.readBigUInt64BE(at + 8);
    // From the top: 1 bit "unwritten", 54 of the place in the file, 52 of the place on disk, 21 of the length.
    const start = Number(BigInt.asUintN(54, high >> 9n));
    const count = Number(BigInt.asUintN(21, low));
    if (start < walk.next || count === 0) throw damaged(walk);
    walk.next = start + count;
    if (start >= walk.end) return;
    const block = (BigInt.asUintN(9, high) << 43n) | (low >> 21n);
    const offset = blockOffset(geometry, block, count);
    yield { start, count, offset: high >> 63n ? undefined : offset };
  }
}

/** The root is packed into the inode: level, count, room for keys, room for pointers. */
async function* readRoot(xfs: Xfs, walk: Walk): AsyncGenerator<Extent> {
  const { fork } = walk.inode;
  if (fork.length < ROOT_HEADER_BYTES + RECORD_BYTES) throw damaged(walk);
  const level = fork.readUInt16BE(0);
  if (level === 0 || level > MAX_LEVELS) throw damaged(walk);
  const body = fork.subarray(ROOT_HEADER_BYTES);
  yield* readChildren(xfs, walk, { body, level, count: fork.readUInt16BE(2) });
}

interface Node {
  /** What follows the header. */
  readonly body: Buffer;
  readonly level: number;
  readonly count: number;
}

async function* readChildren(xfs: Xfs, walk: Walk, { body, level, count }: Node): AsyncGenerator<Extent> {
  const room = Math.floor(body.length / RECORD_BYTES);
  if (count === 0 || count > room) throw damaged(walk);
  for (let index = 0; index < count; index++) {
    if (body.readBigUInt64BE(index * POINTER_BYTES) >= BigInt(walk.end)) return;
    const child = body.readBigUInt64BE((room + index) * POINTER_BYTES);
    const node = await readNode(xfs, walk, child);
    if (node.level !== level - 1) throw damaged(walk);
    if (node.level > 0) yield* readChildren(xfs, walk, node);
    else yield* readRecords(xfs, walk, node.body.subarray(0, node.count * RECORD_BYTES));
  }
}

async function readNode({ source, geometry }: Xfs, walk: Walk, block: bigint): Promise<Node> {
  walk.bytesLeft -= geometry.blockBytes;
  if (walk.bytesLeft < 0) throw damaged(walk);
  const bytes = await source.read(blockOffset(geometry, block, 1), geometry.blockBytes);
  const body = bytes.subarray(HEADER_BYTES[geometry.version]);
  const count = bytes.readUInt16BE(6);
  if (bytes.toString('latin1', 0, 4) !== MAGIC[geometry.version] || count * RECORD_BYTES > body.length)
    throw damaged(walk);
  return { body, level: bytes.readUInt16BE(4), count };
}

function damaged({ inode }: Walk): Error {
  return corrupt('XFS', `the extents of inode ${inode.number} make no sense`);
}
