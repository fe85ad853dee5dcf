// The content of files: "On-disk Format", EXTENT_DATA; Linux: struct btrfs_file_extent_item.
import { diskOffset } from './chunks.ts';
import { MAX_EXTENT_BYTES, decompress } from './compression.ts';
import type { Inode } from './inode.ts';
import { type Btrfs, type Item, itemsOf } from './tree.ts';
import { corrupt } from '../disk-fields.ts';

const EXTENT_DATA = 108;
const INLINE_HEADER_BYTES = 21;
const EXTENT_BYTES = 53;
const INLINE = 0;
const REGULAR = 1;
const PREALLOCATED = 2;
/** The most that is read at once. */
const PIECE_BYTES = 2 ** 20;

/** A run of a file's bytes, which is a part of a run of bytes on the disk, compressed or not. */
interface Extent {
  /** First byte in the file. */
  readonly start: number;
  readonly length: number;
  /** Logical address of the whole run on the disk; zero for a hole. */
  readonly address: bigint;
  /** Bytes of the whole run on the disk, and when it is not compressed any more. */
  readonly diskBytes: number;
  readonly plainBytes: number;
  /** Where in the uncompressed run the part begins. */
  readonly within: number;
  readonly compression: number;
}

/** A file's content while it is put together. */
interface Reading {
  readonly btrfs: Btrfs;
  readonly content: Buffer;
  /** Extents come in order and do not overlap: the first byte that the next one may name. */
  next: number;
  /** The last extent that was decompressed: writes into the middle of one leave parts of it on both sides. */
  last: { readonly address: bigint; readonly bytes: Buffer } | undefined;
}

/** The first `maxBytes` of the content of a file or a link; what was never written reads as zeros. */
export async function fileContent(btrfs: Btrfs, inode: Inode, maxBytes: number): Promise<Buffer> {
  const content = Buffer.alloc(Math.min(inode.size, maxBytes));
  if (content.length === 0) return content;
  const reading: Reading = { btrfs, content, next: 0, last: undefined };
  const from = { objectid: inode.number, type: EXTENT_DATA, offset: 0n };
  const to = { ...from, offset: BigInt(content.length - 1) };
  for await (const item of itemsOf(btrfs, inode.subvolume.root, { from, to })) await readItem(reading, item);
  return content;
}

async function readItem(reading: Reading, { key, data }: Item): Promise<void> {
  // Encryption, and another encoding: numbers that are kept for them, and nobody writes.
  if (data.length < INLINE_HEADER_BYTES || data.readUInt8(17) !== 0 || data.readUInt16LE(18) !== 0)
    throw damaged();
  const kind = data.readUInt8(20);
  if (kind === INLINE) {
    await readInline(reading, Number(key.offset), data);
    return;
  }
  const extent = readExtent(reading, Number(key.offset), data);
  if (kind === PREALLOCATED || extent.address === 0n) return;
  if (kind !== REGULAR) throw damaged();
  if (extent.compression === 0) await readPlain(reading, extent);
  else await readCompressed(reading, extent);
}

/** A small file, or a link's target, stands in the tree itself. */
async function readInline(reading: Reading, start: number, data: Buffer): Promise<void> {
  const { sectorBytes } = reading.btrfs.superblock;
  const compression = data.readUInt8(16);
  const body = data.subarray(INLINE_HEADER_BYTES);
  const length = Number(data.readBigUInt64LE(8));
  if (start !== 0 || reading.next !== 0 || length > MAX_EXTENT_BYTES) throw damaged();
  reading.next = Math.max(length, body.length);
  const plain = compression === 0 ? body : await decompress(body, { compression, length, sectorBytes });
  plain.copy(reading.content);
}

function readExtent(reading: Reading, start: number, data: Buffer): Extent {
  if (data.length < EXTENT_BYTES) throw damaged();
  const extent: Extent = {
    start,
    length: Number(data.readBigUInt64LE(45)),
    address: data.readBigUInt64LE(21),
    diskBytes: Number(data.readBigUInt64LE(29)),
    plainBytes: Number(data.readBigUInt64LE(8)),
    within: Number(data.readBigUInt64LE(37)),
    compression: data.readUInt8(16),
  };
  // Whole sectors, so that a file has no more extents than it has sectors.
  const areSectors = [start, extent.length].every(
    (bytes) => bytes % reading.btrfs.superblock.sectorBytes === 0,
  );
  if (!areSectors || extent.length === 0 || start < reading.next) throw damaged();
  reading.next = start + extent.length;
  return extent;
}

async function readPlain({ btrfs, content }: Reading, extent: Extent): Promise<void> {
  if (extent.within + extent.length > extent.diskBytes) throw damaged();
  const place = content.subarray(extent.start, extent.start + extent.length);
  const from = diskOffset(btrfs.chunks, extent.address + BigInt(extent.within), place.length);
  for (let at = 0; at < place.length; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, place.length - at);
    (await btrfs.source.read(from + at, length)).copy(place, at);
  }
}

async function readCompressed(reading: Reading, extent: Extent): Promise<void> {
  const { within, length, start, address } = extent;
  if (within + length > extent.plainBytes) throw damaged();
  const bytes = reading.last?.address === address ? reading.last.bytes : await readWhole(reading, extent);
  reading.last = { address, bytes };
  bytes.subarray(within, within + length).copy(reading.content, start);
}

async function readWhole({ btrfs }: Reading, extent: Extent): Promise<Buffer> {
  const { address, diskBytes, plainBytes: length, compression } = extent;
  if (length > MAX_EXTENT_BYTES || diskBytes > MAX_EXTENT_BYTES) throw damaged();
  const input = await btrfs.source.read(diskOffset(btrfs.chunks, address, diskBytes), diskBytes);
  return decompress(input, { compression, length, sectorBytes: btrfs.superblock.sectorBytes });
}

function damaged(): Error {
  return corrupt('btrfs', 'the extents of a file make no sense');
}
