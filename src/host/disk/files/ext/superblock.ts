// The superblock of ext2, ext3 and ext4; numbers are little-endian. Kernel: Documentation/filesystems/ext4/super.rst.
import { HostError } from '../../../../core/errors.ts';
import type { ByteSource } from '../../byte-source.ts';
import { uuidAt } from '../guid.ts';
import { corrupt } from './corrupt.ts';

const PLACE = 1024;
const BYTES = 1024;
const MAGIC = 0xef53;

/** A file system's journal on a device of its own: not a file system. */
const JOURNAL_DEVICE = 0x8;
const META_BLOCK_GROUPS = 0x10;
const WIDE = 0x80;
/**
 * What needs nothing (file types in entries 0x2, journal to replay 0x4, multiple mount protection 0x100, flexible
 * groups 0x200, values in inodes 0x400, checksum seed 0x2000, encryption 0x10000, case folding 0x20000) or is read:
 * 0x10, extents 0x40, 0x80, large folders 0x4000, inline data 0x8000.
 */
const KNOWN_FEATURES = 0x3e7d6;
const SPARSE_BACKUPS = 0x1;
const TWO_BACKUPS = 0x200;

/** What the readers of inodes and blocks need to know. */
export interface Volume {
  readonly source: ByteSource;
  readonly label: string;
  readonly uuid: string;
  readonly blockSize: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  readonly inodeCount: number;
  readonly inodeSize: number;
  readonly descriptorSize: number;
  /** From this block of group descriptors on, each lies in the groups that it describes. */
  readonly firstMetaBlock: number;
  /** Whether a group begins with a copy of the superblock. */
  readonly hasBackup: (group: number) => boolean;
}

/** undefined when there is no superblock of this kind. */
export async function readSuperblock(source: ByteSource): Promise<Volume | undefined> {
  if (source.size < PLACE + BYTES) return undefined;
  const bytes = await source.read(PLACE, BYTES);
  if (bytes.readUInt16LE(56) !== MAGIC) return undefined;
  // Revision 0 has neither features nor inodes of another size.
  const isDynamic = bytes.readUInt32LE(76) > 0;
  const incompatible = isDynamic ? bytes.readUInt32LE(96) : 0;
  if (incompatible & JOURNAL_DEVICE) return undefined;
  const unknown = incompatible & ~KNOWN_FEATURES;
  if (unknown)
    throw new HostError(
      'ImageCorrupt',
      `the ext file system has features that bonami does not know (0x${(unknown >>> 0).toString(16)})`,
    );
  const volume: Volume = {
    source,
    label: bytes.toString('utf8', 120, 136).split('\0')[0] ?? '',
    uuid: uuidAt(bytes, 104),
    blockSize: 2 ** (10 + bytes.readUInt32LE(24)),
    firstDataBlock: bytes.readUInt32LE(20),
    blocksPerGroup: bytes.readUInt32LE(32),
    inodesPerGroup: bytes.readUInt32LE(40),
    inodeCount: bytes.readUInt32LE(0),
    inodeSize: isDynamic ? bytes.readUInt16LE(88) : 128,
    descriptorSize: incompatible & WIDE ? bytes.readUInt16LE(254) : 32,
    firstMetaBlock: incompatible & META_BLOCK_GROUPS ? bytes.readUInt32LE(260) : Infinity,
    hasBackup: backups(bytes),
  };
  requireSense(volume);
  return volume;
}

function requireSense({ blockSize, inodeSize, descriptorSize, ...volume }: Volume): void {
  if (blockSize > 65536) throw corrupt('its blocks are larger than 64 KiB');
  if (inodeSize < 128 || inodeSize > blockSize || !isPowerOf(2, inodeSize))
    throw corrupt(`its inodes have ${inodeSize} bytes`);
  if (descriptorSize < 32 || descriptorSize > blockSize || !isPowerOf(2, descriptorSize))
    throw corrupt(`its group descriptors have ${descriptorSize} bytes`);
  if (volume.inodesPerGroup === 0 || volume.blocksPerGroup === 0) throw corrupt('its groups are empty');
}

/** Kernel: fs/ext4/balloc.c, ext4_bg_has_super. */
function backups(bytes: Buffer): (group: number) => boolean {
  if (bytes.readUInt32LE(92) & TWO_BACKUPS) {
    const groups = [0, bytes.readUInt32LE(588), bytes.readUInt32LE(592)];
    return (group) => groups.includes(group);
  }
  if ((bytes.readUInt32LE(100) & SPARSE_BACKUPS) === 0) return () => true;
  return (group) => group <= 1 || [3, 5, 7].some((base) => isPowerOf(base, group));
}

function isPowerOf(base: number, value: number): boolean {
  let power = 1;
  while (power < value) power *= base;
  return power === value;
}
