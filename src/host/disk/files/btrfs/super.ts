// The superblock: numbers are little-endian. btrfs: "On-disk Format" (btrfs.readthedocs.io); Linux:
// include/uapi/linux/btrfs_tree.h, struct btrfs_super_block.
import { HostError } from '../../../../core/errors.ts';
import type { ByteSource } from '../../byte-source.ts';
import { corrupt, labelText, unknownFeatures, uuidText } from '../disk-fields.ts';

/** The first copy. The others lie further on and are only needed when this one is damaged. */
const OFFSET = 64 * 1024;
const BYTES = 4096;
const MAGIC = '_BHRfS_M';
const LABEL_AT = 299;
const SYSTEM_CHUNKS_AT = 811;
const MAX_SYSTEM_CHUNK_BYTES = 2048;
const MIN_SECTOR_BYTES = 4096;
const MAX_NODE_BYTES = 64 * 1024;
const MAX_LEVEL = 7;

/**
 * Mixed back references, default subvolume, mixed block groups, lzo, zstd, large metadata, extended references,
 * RAID 5/6, skinny metadata, no holes, metadata UUID, RAID 1 with more copies; simple quotas. None of them moves what
 * is read here; zones (0x1000), the second extent tree, the stripe tree and the remap tree do.
 */
const KNOWN_INCOMPAT = 0x10fffn;

/** Where a tree begins: its root's logical address and its level, zero for a leaf. */
export interface TreeRoot {
  readonly address: bigint;
  readonly level: number;
}

export interface Super {
  readonly label: string;
  readonly uuid: string;
  readonly nodeBytes: number;
  readonly sectorBytes: number;
  readonly rootTree: TreeRoot;
  readonly chunkTree: TreeRoot;
  /** The object of the root tree that names the default subvolume. */
  readonly rootDirectory: bigint;
  readonly device: bigint;
  /** The chunks in which the chunk tree lies. */
  readonly systemChunks: Buffer;
}

/** The superblock; undefined when there is none. Throws for a file system on several disks, of which this is one. */
export async function readSuper(source: ByteSource): Promise<Super | undefined> {
  if (source.size < OFFSET + BYTES) return undefined;
  const bytes = await source.read(OFFSET, BYTES);
  if (bytes.toString('latin1', 64, 72) !== MAGIC) return undefined;
  refuseUnreadable(bytes);
  const systemChunkBytes = bytes.readUInt32LE(160);
  if (systemChunkBytes > MAX_SYSTEM_CHUNK_BYTES)
    throw corrupt('btrfs', 'its chunks run out of its superblock');
  return {
    ...readSizes(bytes),
    label: labelText(bytes.subarray(LABEL_AT, LABEL_AT + 256)),
    uuid: uuidText(bytes.subarray(32, 48)),
    rootTree: treeRoot(bytes.readBigUInt64LE(80), bytes.readUInt8(198)),
    chunkTree: treeRoot(bytes.readBigUInt64LE(88), bytes.readUInt8(199)),
    rootDirectory: bytes.readBigUInt64LE(128),
    device: bytes.readBigUInt64LE(201),
    systemChunks: bytes.subarray(SYSTEM_CHUNKS_AT, SYSTEM_CHUNKS_AT + systemChunkBytes),
  };
}

function refuseUnreadable(bytes: Buffer): void {
  const unknown = bytes.readBigUInt64LE(188) & ~KNOWN_INCOMPAT;
  if (unknown) throw unknownFeatures('btrfs', unknown);
  const devices = bytes.readBigUInt64LE(136);
  if (devices > 1n)
    throw new HostError(
      'ImageNeedsOtherDisks',
      `the btrfs file system lies on ${devices} disks; bonami reads those on one`,
      { hint: 'where it is in use: btrfs device remove all others' },
    );
}

function readSizes(bytes: Buffer): Pick<Super, 'nodeBytes' | 'sectorBytes'> {
  const sectorBytes = bytes.readUInt32LE(144);
  const nodeBytes = bytes.readUInt32LE(148);
  const areSizes = isPowerOfTwo(sectorBytes) && isPowerOfTwo(nodeBytes);
  if (!areSizes || sectorBytes < MIN_SECTOR_BYTES || sectorBytes > nodeBytes || nodeBytes > MAX_NODE_BYTES)
    throw corrupt('btrfs', `it is said to have sectors of ${sectorBytes} and nodes of ${nodeBytes} bytes`);
  return { sectorBytes, nodeBytes };
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && 2 ** Math.floor(Math.log2(value)) === value;
}

export function treeRoot(address: bigint, level: number): TreeRoot {
  if (level > MAX_LEVEL) throw corrupt('btrfs', `a tree is said to have ${level} levels`);
  return { address, level };
}
