// Inodes and where they are. Kernel: Documentation/filesystems/ext4/{group_descr,inodes}.rst.
import { corrupt } from './corrupt.ts';
import type { Volume } from './superblock.ts';

export const ROOT_INODE = 2;

const COMPRESSED = 0x4;
const ENCRYPTED = 0x800;
const EXTENTS = 0x80000;
const INLINE = 0x10000000;

export interface Inode {
  readonly mode: number;
  /** Bytes of content. */
  readonly size: number;
  /** How the 60 bytes `map` lead to the content. */
  readonly layout: 'blocks' | 'extents' | 'inline';
  readonly map: Buffer;
  /** What follows the fields: extended attributes, one of which is the rest of inline content. */
  readonly attributes: Buffer;
  /** Whether its content is what was written, neither encrypted nor compressed. */
  readonly isReadable: boolean;
}

export async function readInode(volume: Volume, number: number): Promise<Inode> {
  if (number < 1 || number > volume.inodeCount) throw corrupt(`it refers to inode ${number}`);
  const group = Math.floor((number - 1) / volume.inodesPerGroup);
  const index = (number - 1) % volume.inodesPerGroup;
  const table = await inodeTable(volume, group);
  const bytes = await volume.source.read(
    table * volume.blockSize + index * volume.inodeSize,
    volume.inodeSize,
  );
  const flags = bytes.readUInt32LE(32);
  const size = bytes.readUInt32LE(4) + bytes.readUInt32LE(108) * 2 ** 32;
  if (!Number.isSafeInteger(size)) throw corrupt(`its inode ${number} claims ${size} bytes`);
  return {
    mode: bytes.readUInt16LE(0),
    size,
    layout: flags & INLINE ? 'inline' : flags & EXTENTS ? 'extents' : 'blocks',
    map: bytes.subarray(40, 100),
    attributes: attributesOf(bytes),
    isReadable: (flags & (COMPRESSED | ENCRYPTED)) === 0,
  };
}

/** Inodes of 128 bytes end with their fields; larger ones say how many more bytes of fields they have. */
function attributesOf(inode: Buffer): Buffer {
  if (inode.length < 132) return Buffer.alloc(0);
  const start = 128 + inode.readUInt16LE(128);
  return inode.subarray(Math.min(start, inode.length));
}

/** The first block of a group's inode table, from the group's descriptor. */
async function inodeTable(volume: Volume, group: number): Promise<number> {
  const perBlock = volume.blockSize / volume.descriptorSize;
  const block = descriptorBlock(volume, Math.floor(group / perBlock), perBlock);
  const descriptor = await volume.source.read(
    block * volume.blockSize + (group % perBlock) * volume.descriptorSize,
    volume.descriptorSize,
  );
  const high = volume.descriptorSize >= 64 ? descriptor.readUInt32LE(40) : 0;
  return high * 2 ** 32 + descriptor.readUInt32LE(8);
}

/** Kernel: fs/ext4/super.c, descriptor_loc. */
function descriptorBlock(volume: Volume, index: number, perBlock: number): number {
  // The superblock is at byte 1024 whatever the block size: in block 1 or in block 0.
  const superblock = volume.blockSize === 1024 ? 1 : 0;
  if (index < volume.firstMetaBlock) return superblock + 1 + index;
  const group = index * perBlock;
  const shift = volume.blockSize === 1024 && index === 0 && volume.firstDataBlock === 0 ? 1 : 0;
  const start = group * volume.blocksPerGroup + volume.firstDataBlock;
  return start + (volume.hasBackup(group) ? 1 : 0) + shift;
}
