// The superblock: numbers are big-endian. "XFS Algorithms & Data Structures", chapter "Superblocks"; Linux:
// fs/xfs/libxfs/xfs_format.h. The log is not replayed and checksums are not verified: a reader that only looks for a
// kernel and an os-release has no use for either.
import type { ByteSource } from '../../byte-source.ts';
import { corrupt, labelText, unknownFeatures, uuidText } from '../disk-fields.ts';

const MAGIC = 'XFSB';
/** Up to the end of the fields that are read; every sector is at least as long. */
const SUPERBLOCK_BYTES = 272;
const MAX_LOG = 16;

/** Version 4 says in two words which optional parts it has: second version of folders, more bits, file types. */
const DIR_V2_BIT = 0x2000;
const MORE_BITS_BIT = 0x8000;
const FILE_TYPE_BIT2 = 0x200;

const FILE_TYPE_INCOMPAT = 0x1;
/**
 * Version 5: file types, sparse inodes, another UUID in metadata, times after 2038, needs repair, 64-bit counts of
 * extents, exchange of ranges, parent pointers, metadata folders. None of them moves what is read here; zoned storage
 * (0x200, 0x400) does.
 */
const KNOWN_INCOMPAT = 0x1ff;

/** Where everything lies: an inode's or a block's number holds the allocation group and the place in it. */
export interface Geometry {
  readonly version: 4 | 5;
  readonly label: string;
  readonly uuid: string;
  readonly rootInode: bigint;
  readonly blockBytes: number;
  readonly inodeBytes: number;
  readonly directoryBlockBytes: number;
  readonly groups: number;
  readonly groupBlocks: number;
  /** Bits of a block's number that count blocks inside of its group. */
  readonly groupBlockBits: number;
  readonly inodesPerBlockBits: number;
  /** Whether an entry of a folder says which kind of file it names. */
  readonly hasFileTypes: boolean;
}

/** The geometry; undefined when no XFS begins here. */
export async function readGeometry(source: ByteSource): Promise<Geometry | undefined> {
  if (source.size < SUPERBLOCK_BYTES) return undefined;
  const head = await source.read(0, SUPERBLOCK_BYTES);
  if (head.toString('latin1', 0, 4) !== MAGIC) return undefined;
  const { version, hasFileTypes } = readVersion(head);
  const blockLog = checkedLog(head, { log: 120, bytes: head.readUInt32BE(4), min: 9, what: 'blocks' });
  const inodeLog = checkedLog(head, { log: 122, bytes: head.readUInt16BE(104), min: 8, what: 'inodes' });
  const directoryLog = blockLog + head.readUInt8(192);
  if (
    inodeLog > Math.min(blockLog, 11) ||
    directoryLog > MAX_LOG ||
    head.readUInt8(123) !== blockLog - inodeLog
  )
    throw corrupt('XFS', 'its superblock contradicts itself about sizes');
  return {
    version,
    hasFileTypes,
    label: labelText(head.subarray(108, 120)),
    uuid: uuidText(head.subarray(32, 48)),
    rootInode: head.readBigUInt64BE(56),
    blockBytes: 2 ** blockLog,
    inodeBytes: 2 ** inodeLog,
    directoryBlockBytes: 2 ** directoryLog,
    inodesPerBlockBits: blockLog - inodeLog,
    ...readGroups(head),
  };
}

function readVersion(head: Buffer): Pick<Geometry, 'version' | 'hasFileTypes'> {
  const word = head.readUInt16BE(100);
  const version = word & 0xf;
  if (version === 5) {
    const incompat = head.readUInt32BE(216);
    if (incompat & ~KNOWN_INCOMPAT) throw unknownFeatures('XFS', BigInt((incompat & ~KNOWN_INCOMPAT) >>> 0));
    return { version, hasFileTypes: (incompat & FILE_TYPE_INCOMPAT) !== 0 };
  }
  if (version !== 4 || !(word & DIR_V2_BIT))
    throw corrupt('XFS', `its version is ${version}, or its folders are older than Linux knows`);
  return {
    version,
    hasFileTypes: (word & MORE_BITS_BIT) !== 0 && (head.readUInt32BE(200) & FILE_TYPE_BIT2) !== 0,
  };
}

function checkedLog(
  head: Buffer,
  { log, bytes, min, what }: { log: number; bytes: number; min: number; what: string },
): number {
  const value = head.readUInt8(log);
  if (value < min || value > MAX_LOG || 2 ** value !== bytes)
    throw corrupt('XFS', `its ${what} are said to have ${bytes} bytes`);
  return value;
}

function readGroups(head: Buffer): Pick<Geometry, 'groups' | 'groupBlocks' | 'groupBlockBits'> {
  const groupBlocks = head.readUInt32BE(84);
  const groups = head.readUInt32BE(88);
  const groupBlockBits = head.readUInt8(124);
  if (groups === 0 || groupBlocks === 0 || groupBlockBits > 31 || 2 ** groupBlockBits < groupBlocks)
    throw corrupt('XFS', `its superblock names ${groups} allocation groups of ${groupBlocks} blocks`);
  return { groups, groupBlocks, groupBlockBits };
}

/** The byte at which `count` blocks begin; they lie in one allocation group. */
export function blockOffset(geometry: Geometry, block: bigint, count: number): number {
  const group = block >> BigInt(geometry.groupBlockBits);
  const inGroup = Number(BigInt.asUintN(geometry.groupBlockBits, block));
  if (group >= BigInt(geometry.groups) || inGroup + count > geometry.groupBlocks)
    throw corrupt('XFS', `it refers to block ${block}, which it does not have`);
  return (Number(group) * geometry.groupBlocks + inGroup) * geometry.blockBytes;
}

/** The byte at which an inode begins. */
export function inodeOffset(geometry: Geometry, inode: bigint): number {
  const bits = geometry.inodesPerBlockBits;
  const inBlock = Number(BigInt.asUintN(bits, inode));
  return blockOffset(geometry, inode >> BigInt(bits), 1) + inBlock * geometry.inodeBytes;
}
