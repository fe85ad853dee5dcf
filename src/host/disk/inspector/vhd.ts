// Microsoft's older format, which QEMU calls vpc: a disk and a footer, or blocks and a footer at both ends. Numbers
// are big-endian. Microsoft: "Virtual Hard Disk Image Format Specification"; QEMU: block/vpc.c.
import { HostError } from '../../../core/errors.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import * as refusals from './refusals.ts';
import { type Window, bytesAre, headHas, isZero, tailHas, trailer } from './window.ts';

const MAGIC = 'conectix';
const FOOTER_BYTES = 512;
const DYNAMIC_MAGIC = 'cxsparse';
const DYNAMIC_HEADER_BYTES = 1024;
const VERSION_1 = 0x10000;

const FIXED = 2;
const DYNAMIC = 3;
const DIFFERENCING = 4;

const SECTOR = 512n;
/** What the format can hold, 2040 GiB; QEMU refuses more. */
const MAX_SIZE = 0xff000000n * SECTOR;
const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCK_BYTES = 256 * 2 ** 20;
/** For a disk of the largest size in blocks of 256 KiB; usual are 2 MiB. */
const MAX_TABLE_BYTES = 32 * 2 ** 20;

/** A geometry that only says that the disk is larger than geometries can: QEMU then takes the size as it stands. */
const LARGEST_GEOMETRY = 65535n * 16n * 255n * SECTOR;
/** Whose disks QEMU sizes by their cylinders, heads and sectors, and whose by the size in the footer. */
const SIZED_BY_GEOMETRY = ['vpc ', 'qemu'];
const SIZED_BY_FOOTER = ['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS'];

const MERGE_HINT = 'where its parent is, in Windows: Merge-VHD OLD.vhd, then import the parent';

export const vhd: Format = {
  name: 'VHD',
  recognises: (window) => headHas(window, 0, MAGIC) || tailHas(window, MAGIC),
  verdict: { kind: 'inspected', format: 'vpc', inspect },
};

function inspect(window: Window, policy: Policy): DiskFacts {
  const footer = trailer(window);
  if (!tailHas(window, MAGIC)) throw corrupt('its footer is missing, as if its end were cut off');
  const type = checkFooter(footer);
  const { virtualSize, footerSize } = sizesOf(footer);
  const size = refusals.sizeWithin('VHD', virtualSize, policy);
  if (type === FIXED) checkFixed(window, footerSize);
  else checkDynamic(window, footer, footerSize);
  return { virtualSize: size };
}

/** Returns the disk's type: fixed or dynamic. */
function checkFooter(footer: Buffer): typeof FIXED | typeof DYNAMIC {
  if (footer.readUInt32BE(64) !== checksum(footer, 64)) throw corrupt('the checksum of its footer is wrong');
  if (footer.readUInt32BE(12) !== VERSION_1)
    throw refusals.versionUnknown('VHD', `0x${footer.readUInt32BE(12).toString(16)}`, '1.0 is');
  const type = footer.readUInt32BE(60);
  if (type === DIFFERENCING) throw refusals.hasBackingFile('VHD', MERGE_HINT);
  if (type !== FIXED && type !== DYNAMIC)
    throw refusals.featureUnknown('VHD', `is of the unknown type ${type}`);
  return type;
}

interface Sizes {
  readonly virtualSize: bigint;
  readonly footerSize: bigint;
}

/**
 * What QEMU, whichever version, takes for the disk's size. Of disks of programs that it does not list, versions
 * before 10 lose what lies behind the last whole cylinder; such a disk passes when that is nothing.
 */
function sizesOf(footer: Buffer): Sizes {
  const footerSize = footer.readBigUInt64BE(48);
  const geometry =
    BigInt(footer.readUInt16BE(56)) * BigInt(footer.readUInt8(58)) * BigInt(footer.readUInt8(59)) * SECTOR;
  if (footerSize % SECTOR !== 0n)
    throw corrupt(`its size of ${footerSize} bytes is not one of whole sectors`);
  if (footerSize > MAX_SIZE) throw tooLarge(footerSize);
  const creator = footer.toString('latin1', 28, 32);
  if (geometry === LARGEST_GEOMETRY || geometry === footerSize || SIZED_BY_FOOTER.includes(creator))
    return { virtualSize: footerSize, footerSize };
  if (!SIZED_BY_GEOMETRY.includes(creator)) throw sizedTwice(creator, footerSize, geometry);
  if (geometry > footerSize)
    throw corrupt(`its geometry makes ${geometry} bytes, but its size is ${footerSize}`);
  return { virtualSize: geometry, footerSize };
}

function checkFixed(window: Window, footerSize: bigint): void {
  if (headHas(window, 0, MAGIC))
    throw corrupt('it begins like a growing disk, but its footer says a fixed one');
  const bytes = window.size - FOOTER_BYTES;
  if (BigInt(bytes) !== footerSize)
    throw corrupt(`it holds ${bytes} bytes in front of its footer, which says ${footerSize}`);
}

function checkDynamic({ head, size }: Window, footer: Buffer, footerSize: bigint): void {
  if (!head.subarray(0, FOOTER_BYTES).equals(footer))
    throw corrupt('its footer and the copy at its beginning contradict each other');
  const offset = footer.readBigUInt64BE(16);
  if (offset < BigInt(FOOTER_BYTES) || offset + BigInt(DYNAMIC_HEADER_BYTES) > BigInt(head.length))
    throw corrupt(`its header is said to be at byte ${offset}, where it cannot be`);
  const header = head.subarray(Number(offset), Number(offset) + DYNAMIC_HEADER_BYTES);
  if (!bytesAre(header, 0, DYNAMIC_MAGIC)) throw corrupt('its header is not where its footer says');
  if (header.readUInt32BE(36) !== checksum(header, 36)) throw corrupt('the checksum of its header is wrong');
  if (header.readUInt32BE(24) !== VERSION_1)
    throw refusals.versionUnknown('VHD', `0x${header.readUInt32BE(24).toString(16)}`, '1.0 is');
  // Its parent's id, time, name and eight places of its path.
  if (!isZero(header.subarray(40, 768))) throw refusals.hasBackingFile('VHD', MERGE_HINT);
  checkTable(header, { footerSize, fileSize: size });
}

interface Bounds {
  readonly footerSize: bigint;
  readonly fileSize: number;
}

function checkTable(header: Buffer, { footerSize, fileSize }: Bounds): void {
  const blockBytes = header.readUInt32BE(32);
  if (!refusals.isPowerOfTwo(blockBytes) || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES)
    throw corrupt(`its blocks have ${blockBytes} bytes; a power of two from 4 KiB to 256 MiB is allowed`);
  const entries = header.readUInt32BE(28);
  const covered = BigInt(entries) * BigInt(blockBytes);
  if (covered < footerSize || covered > MAX_SIZE || entries * 4 > MAX_TABLE_BYTES)
    throw corrupt(
      `its table of ${entries} blocks of ${blockBytes} bytes does not fit its size of ${footerSize}`,
    );
  const offset = header.readBigUInt64BE(16);
  if (offset < BigInt(FOOTER_BYTES) || offset + BigInt(entries * 4) > BigInt(fileSize - FOOTER_BYTES))
    throw corrupt(`its block table is said to be at byte ${offset}, where it cannot be`);
}

/** The complement of the sum of all bytes but the checksum's own. */
function checksum(bytes: Buffer, at: number): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) if (index < at || index >= at + 4) sum += byte;
  return ~sum >>> 0;
}

function sizedTwice(creator: string, footerSize: bigint, geometry: bigint): HostError {
  const program = creator.replaceAll(/[^ -~]/g, '?').trim();
  return new HostError(
    'ImageFormatAmbiguous',
    `the VHD image of '${program}' has ${footerSize} bytes by its size and ${geometry} by its geometry, and versions of QEMU differ in which they take`,
    {
      hint: 'qemu-img convert -O qcow2 --image-opts driver=vpc,force_size_calc=current_size,file.filename=OLD.vhd NEW.qcow2',
    },
  );
}

function tooLarge(footerSize: bigint): HostError {
  return new HostError(
    'ImageTooLarge',
    `the image describes a disk of ${footerSize} bytes; a VHD holds at most ${MAX_SIZE}`,
  );
}

function corrupt(what: string): HostError {
  return refusals.corrupt('VHD', what);
}
