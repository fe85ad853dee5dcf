// Inodes: "XFS Algorithms & Data Structures", chapter "On-disk Inode"; Linux: struct xfs_dinode.
import { HostError } from '../../../../core/errors.ts';
import type { ByteSource } from '../../byte-source.ts';
import { corrupt, kindOfMode } from '../disk-fields.ts';
import type { FileNode } from '../file-system.ts';
import { type Geometry, inodeOffset } from './geometry.ts';

const MAGIC = 'IN';
/** The forks begin behind the fields: version 3 has more of them. */
const V2_BYTES = 100;
const V3_BYTES = 176;
const REALTIME_FLAG = 0x1;
const MANY_EXTENTS_FLAG2 = 0x10n;
/** Linux: XFS_SYMLINK_MAXLEN. */
const MAX_LINK_BYTES = 1024;

const FORMATS: readonly Inode['format'][] = ['none', 'local', 'extents', 'btree'];

/** A disk and what its superblock says about it. */
export interface Xfs {
  readonly source: ByteSource;
  readonly geometry: Geometry;
}

export interface Inode {
  readonly number: bigint;
  readonly kind: FileNode['kind'];
  readonly size: number;
  /** How the data fork tells the content: in itself, by a list of extents, by the root of a tree of them, not at all. */
  readonly format: 'none' | 'local' | 'extents' | 'btree';
  /** Extents in the list; says nothing for other formats. */
  readonly extents: bigint;
  readonly fork: Buffer;
}

export async function readInode({ source, geometry }: Xfs, number: bigint): Promise<Inode> {
  const bytes = await source.read(inodeOffset(geometry, number), geometry.inodeBytes);
  checkIdentity(bytes, geometry, number);
  const kind = kindOfMode(bytes.readUInt16BE(2));
  if (kind === 'file' && bytes.readUInt16BE(90) & REALTIME_FLAG)
    throw new HostError(
      'ImageNeedsOtherDisks',
      `the XFS file system has the content of inode ${number} on another disk; bonami reads one`,
    );
  return {
    number,
    kind,
    size: sizeOf(bytes, number, kind),
    format: FORMATS[bytes.readUInt8(5)] ?? 'none',
    extents: extentCount(bytes),
    fork: dataFork(bytes, number),
  };
}

function checkIdentity(bytes: Buffer, { version }: Geometry, number: bigint): void {
  const inodeVersion = bytes.readUInt8(4);
  const isKnown = version === 5 ? inodeVersion === 3 : inodeVersion === 1 || inodeVersion === 2;
  if (bytes.toString('latin1', 0, 2) !== MAGIC || !isKnown || bytes.readUInt16BE(2) === 0)
    throw corrupt('XFS', `inode ${number} is none`);
  if (version === 5 && bytes.readBigUInt64BE(152) !== number)
    throw corrupt('XFS', `inode ${number} calls itself ${bytes.readBigUInt64BE(152)}`);
}

function sizeOf(bytes: Buffer, number: bigint, kind: FileNode['kind']): number {
  const size = Number(bytes.readBigUInt64BE(56));
  if (!Number.isSafeInteger(size) || (kind === 'link' && size > MAX_LINK_BYTES))
    throw corrupt('XFS', `inode ${number} is said to have ${size} bytes`);
  return size;
}

function extentCount(bytes: Buffer): bigint {
  const hasManyExtents = bytes.readUInt8(4) === 3 && (bytes.readBigUInt64BE(120) & MANY_EXTENTS_FLAG2) !== 0n;
  return hasManyExtents ? bytes.readBigUInt64BE(24) : BigInt(bytes.readUInt32BE(76));
}

/** The data fork ends where the fork of attributes begins, at an eighth of its distance, or with the inode. */
function dataFork(bytes: Buffer, number: bigint): Buffer {
  const area = bytes.subarray(bytes.readUInt8(4) === 3 ? V3_BYTES : V2_BYTES);
  const attributes = bytes.readUInt8(82) * 8;
  if (attributes > area.length) throw corrupt('XFS', `inode ${number} has attributes outside of itself`);
  return attributes === 0 ? area : area.subarray(0, attributes);
}
