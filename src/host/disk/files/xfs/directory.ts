// Folders: "XFS Algorithms & Data Structures", chapter "Directories"; Linux: fs/xfs/libxfs/xfs_da_format.h. Every form
// but the short one keeps its entries in data blocks; the hash index behind them is not needed to find one.
import { canBeName, corrupt } from '../disk-fields.ts';
import { extentsOf } from './extents.ts';
import type { Geometry } from './geometry.ts';
import type { Inode, Xfs } from './inode.ts';

/** Linux: XFS_DIR2_LEAF_OFFSET. Data blocks lie before it, the index behind it. */
const LEAF_OFFSET = 32 * 2 ** 30;
/** Some 400,000 entries. */
const MAX_FOLDER_BYTES = 16 * 2 ** 20;

const DATA_MAGIC = { 4: 'XD2D', 5: 'XDD3' } as const;
const BLOCK_MAGIC = { 4: 'XD2B', 5: 'XDB3' } as const;
const HEADER_BYTES = { 4: 16, 5: 64 } as const;
const UNUSED_TAG = 0xffff;
const ALIGNMENT = 8;
const TAIL_BYTES = 8;
const LEAF_ENTRY_BYTES = 8;
const DOT = 0x2e;

export interface Entry {
  readonly name: Buffer;
  readonly inode: bigint;
}

/** The entries of a folder, without `.` and `..`, block by block: there may be many, and few are looked for. */
export async function* entriesOf(xfs: Xfs, folder: Inode): AsyncGenerator<Iterable<Entry>> {
  if (folder.format === 'local') yield shortEntries(xfs.geometry, folder);
  else for await (const block of dataBlocks(xfs, folder)) yield blockEntries(xfs.geometry, folder, block);
}

/** The short form stands in the inode: a header with the parent, then {length, place, name, file type, inode}. */
function* shortEntries({ hasFileTypes }: Geometry, folder: Inode): Generator<Entry> {
  const bytes = folder.fork.subarray(0, folder.size);
  if (bytes.length < 6) throw damaged(folder);
  const count = bytes.readUInt8(0);
  const numberBytes = bytes.readUInt8(1) === 0 ? 4 : 8;
  for (let index = 0, at = 2 + numberBytes; index < count; index++) {
    const nameAt = at + 3;
    if (nameAt > bytes.length) throw damaged(folder);
    const nameEnd = nameAt + bytes.readUInt8(at);
    const numberAt = nameEnd + (hasFileTypes ? 1 : 0);
    at = numberAt + numberBytes;
    if (at > bytes.length) throw damaged(folder);
    const inode = numberBytes === 8 ? bytes.readBigUInt64BE(numberAt) : BigInt(bytes.readUInt32BE(numberAt));
    yield named(folder, bytes.subarray(nameAt, nameEnd), inode);
  }
}

/** The folder's data blocks; one that the file system has given back is left out. */
async function* dataBlocks({ source, geometry }: Xfs, folder: Inode): AsyncGenerator<Buffer> {
  const { blockBytes, directoryBlockBytes } = geometry;
  const perBlock = directoryBlockBytes / blockBytes;
  const end = Math.ceil(Math.min(folder.size, LEAF_OFFSET) / blockBytes);
  let bytesLeft = MAX_FOLDER_BYTES;
  let current: { readonly index: number; readonly bytes: Buffer } | undefined;
  // A data block may be several of the file system's, and need not lie in one place.
  for await (const extent of extentsOf({ source, geometry }, folder, end)) {
    if (extent.offset === undefined) continue;
    const last = Math.min(extent.start + extent.count, end);
    for (let block = extent.start; block < last;) {
      const index = Math.floor(block / perBlock);
      const inIndex = block % perBlock;
      if (index !== current?.index) {
        if (current) yield current.bytes;
        bytesLeft -= directoryBlockBytes;
        if (bytesLeft < 0) throw corrupt('XFS', `folder ${folder.number} is too large to be read`);
        current = { index, bytes: Buffer.alloc(directoryBlockBytes) };
      }
      const count = Math.min(perBlock - inIndex, last - block);
      const from = extent.offset + (block - extent.start) * blockBytes;
      (await source.read(from, count * blockBytes)).copy(current.bytes, inIndex * blockBytes);
      block += count;
    }
  }
  if (current) yield current.bytes;
}

/** An entry is {inode, length of the name, name, file type, place}; unused room is {tag, its length}. */
function* blockEntries(geometry: Geometry, folder: Inode, block: Buffer): Generator<Entry> {
  const end = entriesEnd(geometry, folder, block);
  for (let at: number = HEADER_BYTES[geometry.version]; at < end;) {
    const isUnused = block.readUInt16BE(at) === UNUSED_TAG;
    const length = isUnused ? block.readUInt16BE(at + 2) : entryLength(geometry, block[at + 8] ?? 0);
    if (length === 0 || length % ALIGNMENT !== 0 || at + length > end) throw damaged(folder);
    if (!isUnused) {
      const name = block.subarray(at + 9, at + 9 + block.readUInt8(at + 8));
      if (!isSelfOrParent(name)) yield named(folder, name, block.readBigUInt64BE(at));
    }
    at += length;
  }
}

function entryLength({ hasFileTypes }: Geometry, nameLength: number): number {
  const bytes = 9 + nameLength + (hasFileTypes ? 1 : 0) + 2;
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/** Entries fill a data block; in a folder's only block the index stands behind them: its size is the last word but one. */
function entriesEnd({ version }: Geometry, folder: Inode, block: Buffer): number {
  const magic = block.toString('latin1', 0, 4);
  if (magic === DATA_MAGIC[version]) return block.length;
  const tail = block.length - TAIL_BYTES;
  const end = tail - block.readUInt32BE(tail) * LEAF_ENTRY_BYTES;
  if (magic !== BLOCK_MAGIC[version] || end < HEADER_BYTES[version]) throw damaged(folder);
  return end;
}

function isSelfOrParent(name: Buffer): boolean {
  return name[0] === DOT && (name.length === 1 || (name.length === 2 && name[1] === DOT));
}

function named(folder: Inode, name: Buffer, inode: bigint): Entry {
  if (!canBeName(name)) throw damaged(folder);
  return { name, inode };
}

function damaged({ number }: Inode): Error {
  return corrupt('XFS', `the entries of folder ${number} make no sense`);
}
