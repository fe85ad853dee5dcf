import type { ByteSource } from '../../byte-source.ts';
import { corrupt } from '../disk-fields.ts';
import { extentsOf } from './extents.ts';
import type { Inode, Xfs } from './inode.ts';

/** The most that is read at once. */
const PIECE_BYTES = 2 ** 20;
const LINK_MAGIC = 'XSLM';
const LINK_HEADER_BYTES = 56;

/** The first `maxBytes` of a file's content; holes read as zeros. */
export async function fileContent(xfs: Xfs, inode: Inode, maxBytes: number): Promise<Buffer> {
  const length = Math.min(inode.size, maxBytes);
  if (inode.format === 'local') return localContent(inode).subarray(0, length);
  const { blockBytes } = xfs.geometry;
  const content = Buffer.alloc(length);
  for await (const { start, count, offset } of extentsOf(xfs, inode, Math.ceil(length / blockBytes))) {
    const place = content.subarray(start * blockBytes, (start + count) * blockBytes);
    if (offset !== undefined) await fill(place, xfs.source, offset);
  }
  return content;
}

/**
 * A link's target: in the inode, or in a run of blocks or a few. In version 5 each run begins with a header that says
 * which part of the target follows. "XFS Algorithms & Data Structures", chapter "Symbolic Links".
 */
export async function linkTarget(xfs: Xfs, inode: Inode): Promise<Buffer> {
  if (inode.format === 'local') return localContent(inode);
  if (xfs.geometry.version === 4) return fileContent(xfs, inode, inode.size);
  const { blockBytes } = xfs.geometry;
  const parts: Buffer[] = [];
  let length = 0;
  // As many blocks as bytes would be too many already.
  for await (const { count, offset } of extentsOf(xfs, inode, inode.size)) {
    if (length === inode.size) break;
    if (offset === undefined) throw damagedLink(inode);
    // A target is short, however long its run of blocks is said to be.
    const room = Math.min(count * blockBytes, LINK_HEADER_BYTES + inode.size - length);
    const bytes = await xfs.source.read(offset, room);
    const part = linkPart(bytes, inode, length);
    parts.push(part);
    length += part.length;
  }
  if (length !== inode.size) throw damagedLink(inode);
  return Buffer.concat(parts);
}

function linkPart(bytes: Buffer, inode: Inode, at: number): Buffer {
  const length = bytes.readUInt32BE(8);
  if (bytes.toString('latin1', 0, 4) !== LINK_MAGIC || bytes.readUInt32BE(4) !== at || length === 0)
    throw damagedLink(inode);
  if (LINK_HEADER_BYTES + length > bytes.length) throw damagedLink(inode);
  return bytes.subarray(LINK_HEADER_BYTES, LINK_HEADER_BYTES + length);
}

function localContent({ number, fork, size }: Inode): Buffer {
  if (size > fork.length) throw corrupt('XFS', `inode ${number} has no room for its ${size} bytes`);
  return fork.subarray(0, size);
}

async function fill(place: Buffer, source: ByteSource, offset: number): Promise<void> {
  for (let at = 0; at < place.length; at += PIECE_BYTES) {
    const length = Math.min(PIECE_BYTES, place.length - at);
    (await source.read(offset + at, length)).copy(place, at);
  }
}

function damagedLink({ number }: Inode): Error {
  return corrupt('XFS', `the target of link ${number} makes no sense`);
}
