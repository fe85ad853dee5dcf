// A tar archive's blocks, as POSIX.1-2017 (pax, "ustar Interchange Format") and GNU tar's manual ("Basic Tar Format")
// describe them. Only what can be read in one way is read: a number with a letter in it, which one reader takes for
// another number than the next, is no number here.

export const BLOCK = 512;

export interface TarHeader {
  readonly name: string;
  /** Bytes that follow, before the padding. */
  readonly size: number;
  /** The type flag: `0` for a regular file. */
  readonly type: string;
  readonly linkName: string;
}

interface Field {
  readonly offset: number;
  readonly length: number;
}

const NAME = { offset: 0, length: 100 };
const SIZE = { offset: 124, length: 12 };
const CHECKSUM = { offset: 148, length: 8 };
const TYPE_OFFSET = 156;
const LINK_NAME = { offset: 157, length: 100 };
const MAGIC = { offset: 257, length: 8 };
const PREFIX = { offset: 345, length: 155 };

const POSIX_MAGIC = 'ustar\x0000';
const GNU_MAGIC = 'ustar  \0';

/** The most that the size field's eleven octal digits can say. */
export const MAX_OCTAL_SIZE = 8 ** 11 - 1;

/** Bytes between the end of a content and the next header. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** Whether a block says that it is a header and its checksum agrees. */
export function isTarHeader(block: Buffer): boolean {
  const magic = latin1(block, MAGIC);
  return (magic === POSIX_MAGIC || magic === GNU_MAGIC) && checksumOf(block) === octal(block, CHECKSUM);
}

/** What a header block says; undefined for a block that is none. */
export function parseTarHeader(block: Buffer): TarHeader | undefined {
  const size = isTarHeader(block) ? (octal(block, SIZE) ?? binary(block)) : undefined;
  if (size === undefined) return undefined;
  // GNU keeps other things where POSIX keeps the beginning of a long name.
  const folder = latin1(block, MAGIC) === POSIX_MAGIC ? text(block, PREFIX) : '';
  const name = text(block, NAME);
  return {
    name: folder === '' ? name : `${folder}/${name}`,
    size,
    type: block.toString('latin1', TYPE_OFFSET, TYPE_OFFSET + 1).replace('\0', '0'),
    linkName: text(block, LINK_NAME),
  };
}

/** The sum of the bytes, with spaces for the sum itself. */
function checksumOf(block: Buffer): number {
  let sum = CHECKSUM.length * 0x20;
  for (const [index, byte] of block.entries())
    if (index < CHECKSUM.offset || index >= CHECKSUM.offset + CHECKSUM.length) sum += byte;
  return sum;
}

/** Spaces, octal digits, then spaces and NULs; undefined for anything else. */
function octal(block: Buffer, field: Field): number | undefined {
  const found = /^ *([0-7]+)[ \0]*$/.exec(latin1(block, field));
  return found === null ? undefined : Number.parseInt(found[1] ?? '', 8);
}

/** GNU's form for sizes from 8 GiB on: a byte 0x80, then the number. Undefined for what no file can have. */
function binary(block: Buffer): number | undefined {
  if (block.readUInt32BE(SIZE.offset) !== 0x8000_0000) return undefined;
  const value = block.readBigUInt64BE(SIZE.offset + 4);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

function latin1(block: Buffer, { offset, length }: Field): string {
  return block.toString('latin1', offset, offset + length);
}

/** Up to the first NUL. Bytes that are not UTF-8 become U+FFFD, which no name may have. */
function text(block: Buffer, { offset, length }: Field): string {
  const field = block.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return field.toString('utf8', 0, end < 0 ? length : end);
}
