// What a tar archive begins with (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar's manual, "Basic Tar Format").

export const BLOCK = 512;

const CHECKSUM = { offset: 148, length: 8 };
const MAGIC_OFFSET = 257;
const POSIX_MAGIC = 'ustar\x0000';
const GNU_MAGIC = 'ustar  \0';

/** Whether a block says that it is a header and its checksum agrees. */
export function isTarHeader(block: Buffer): boolean {
  const magic = block.toString('latin1', MAGIC_OFFSET, MAGIC_OFFSET + POSIX_MAGIC.length);
  return (magic === POSIX_MAGIC || magic === GNU_MAGIC) && checksumOf(block) === saidChecksum(block);
}

/** The sum of the bytes, with spaces for the sum itself. */
function checksumOf(block: Buffer): number {
  let sum = CHECKSUM.length * 0x20;
  for (const [index, byte] of block.entries())
    if (index < CHECKSUM.offset || index >= CHECKSUM.offset + CHECKSUM.length) sum += byte;
  return sum;
}

/** Spaces, octal digits, then spaces and NULs; undefined for anything else. */
function saidChecksum(block: Buffer): number | undefined {
  const field = block.toString('latin1', CHECKSUM.offset, CHECKSUM.offset + CHECKSUM.length);
  const found = /^ *([0-7]+)[ \0]*$/.exec(field);
  return found === null ? undefined : Number.parseInt(found[1] ?? '', 8);
}
