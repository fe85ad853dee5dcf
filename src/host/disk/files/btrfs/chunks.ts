// Logical addresses: everything but the superblock is named by them, and chunks say where on the disk they are.
// btrfs: "On-disk Format", CHUNK_ITEM; Linux: struct btrfs_chunk, btrfs_stripe.
import { corrupt } from '../disk-fields.ts';
import type { Super } from './super.ts';
import { KEY_BYTES, readKey } from './key.ts';

export const CHUNK_OBJECT = 256n;
export const CHUNK_ITEM = 228;
const HEADER_BYTES = 48;
const STRIPE_BYTES = 32;

const RAID0 = 0x8n;
const RAID10 = 0x40n;
const RAID56 = 0x180n;

/** A run of logical addresses that lies on the disk as it is. */
export interface Chunk {
  readonly start: bigint;
  readonly length: bigint;
  /** The first byte on the disk. */
  readonly offset: bigint;
}

/** The chunks that the superblock holds itself: {key, chunk item} one after the other. */
export function readSystemChunks({ systemChunks, device }: Super): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let at = 0; at < systemChunks.length;) {
    const body = systemChunks.subarray(at + KEY_BYTES);
    if (body.length < HEADER_BYTES) throw corrupt('btrfs', 'the chunks in its superblock are cut off');
    const { type, offset } = readKey(systemChunks, at);
    if (type !== CHUNK_ITEM) throw corrupt('btrfs', 'its superblock holds something else than chunks');
    chunks.push(readChunk(offset, body, device));
    at += KEY_BYTES + itemBytes(body);
  }
  return sorted(chunks);
}

/** The chunk of this item. Of its stripes, which are copies of each other or only one, the first on our disk counts. */
export function readChunk(start: bigint, item: Buffer, device: bigint): Chunk {
  if (item.length < HEADER_BYTES || item.length < itemBytes(item))
    throw corrupt('btrfs', 'a chunk is cut off');
  const length = item.readBigUInt64LE(0);
  const type = item.readBigUInt64LE(24);
  const stripes = item.readUInt16LE(44);
  // Striped over one disk means not striped; mirrors that are not striped are copies.
  const areCopies = type & RAID0 ? stripes === 1 : type & RAID10 ? stripes <= item.readUInt16LE(46) : true;
  if (type & RAID56 || !areCopies) throw corrupt('btrfs', 'a chunk lies on more than one disk');
  for (let stripe = 0; stripe < stripes; stripe++) {
    const at = HEADER_BYTES + stripe * STRIPE_BYTES;
    if (item.readBigUInt64LE(at) === device) return { start, length, offset: item.readBigUInt64LE(at + 8) };
  }
  throw corrupt('btrfs', 'a chunk lies on another disk');
}

function itemBytes(item: Buffer): number {
  return HEADER_BYTES + item.readUInt16LE(44) * STRIPE_BYTES;
}

/** The chunks in the order of their addresses, no two of which overlap. */
export function sorted(chunks: readonly Chunk[]): readonly Chunk[] {
  const inOrder = chunks.toSorted((one, other) => (one.start < other.start ? -1 : 1));
  for (const [index, { start }] of inOrder.entries()) {
    const before = inOrder[index - 1];
    if (before && before.start + before.length > start) throw corrupt('btrfs', 'two chunks overlap');
  }
  return inOrder;
}

/** The byte on the disk at which this range of logical addresses begins; no chunk ends in it. */
export function diskOffset(chunks: readonly Chunk[], address: bigint, length: number): number {
  let from = 0;
  let to = chunks.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((chunks[middle]?.start ?? 0n) <= address) from = middle + 1;
    else to = middle;
  }
  const chunk = chunks[from - 1];
  if (!chunk || address + BigInt(length) > chunk.start + chunk.length)
    throw corrupt('btrfs', `it refers to address ${address}, which it does not have`);
  return Number(chunk.offset + (address - chunk.start));
}
