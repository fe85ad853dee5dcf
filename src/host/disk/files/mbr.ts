// The partition table in a disk's first sector and the chain of tables in its extended partition. Numbers are
// little-endian. Read as Linux does: block/partitions/msdos.c.
import type { ByteSource } from '../byte-source.ts';
import type { Partition } from './partition-table.ts';

/** The type of the one partition that stands for a GPT. UEFI specification, 5.2.3. */
export const PROTECTIVE_TYPE = '0xee';

const SECTOR = 512;
const TABLE = 446;
const SIGNATURE = 510;
const FIRST_LOGICAL = 5;
/** Many more than anybody has; a chain can be a ring. */
const MAX_LOGICAL = 64;
const EXTENDED_TYPES: readonly number[] = [0x05, 0x0f, 0x85];

interface Entry {
  readonly status: number;
  readonly type: number;
  /** Sectors; from where, is the reader's affair. */
  readonly start: number;
  readonly count: number;
}

/** Partitions of an MBR, logical ones included; undefined when the first sector holds no table that makes sense. */
export async function readMbr(source: ByteSource): Promise<readonly Partition[] | undefined> {
  const entries = await readEntries(source, 0);
  // Boot sectors of file systems end with the same signature and have code where the table would be.
  if (entries?.every(({ status }) => status === 0 || status === 0x80) !== true) return undefined;
  // mformat writes a partition that begins with its own table, to say that the disk is one file system.
  if (entries.some((entry) => isUsed(entry) && entry.start === 0)) return undefined;
  const primary = entries.flatMap((entry, index) =>
    isUsed(entry) && !isExtended(entry) ? [asPartition(entry, index + 1, 0)] : [],
  );
  const extended = entries.find((entry) => isUsed(entry) && isExtended(entry));
  return extended ? [...primary, ...(await readLogical(source, extended.start))] : primary;
}

/** Each table of the chain has a partition, counted from that table, and a link, counted from the chain's begin. */
async function readLogical(source: ByteSource, begin: number): Promise<readonly Partition[]> {
  const found: Partition[] = [];
  let table = begin;
  for (let hops = 0; hops < MAX_LOGICAL; hops++) {
    // A chain ends where it stops to make sense, as it does for a guest's kernel.
    const entries = (await readEntries(source, table))?.slice(0, 2);
    if (entries === undefined) break;
    const data = entries.find((entry) => isUsed(entry) && !isExtended(entry));
    if (data) found.push(asPartition(data, FIRST_LOGICAL + found.length, table));
    const link = entries.find((entry) => isUsed(entry) && isExtended(entry));
    if (link === undefined) break;
    table = begin + link.start;
  }
  return found;
}

async function readEntries(source: ByteSource, sector: number): Promise<readonly Entry[] | undefined> {
  if ((sector + 1) * SECTOR > source.size) return undefined;
  const bytes = await source.read(sector * SECTOR, SECTOR);
  if (bytes.readUInt16BE(SIGNATURE) !== 0x55aa) return undefined;
  return [0, 1, 2, 3].map((index) => {
    const place = TABLE + 16 * index;
    return {
      status: bytes.readUInt8(place),
      type: bytes.readUInt8(place + 4),
      start: bytes.readUInt32LE(place + 8),
      count: bytes.readUInt32LE(place + 12),
    };
  });
}

function isUsed({ type, count }: Entry): boolean {
  return type !== 0 && count !== 0;
}

function isExtended({ type }: Entry): boolean {
  return EXTENDED_TYPES.includes(type);
}

function asPartition({ status, type, start, count }: Entry, number: number, from: number): Partition {
  return {
    number,
    start: (from + start) * SECTOR,
    size: count * SECTOR,
    type: `0x${type.toString(16).padStart(2, '0')}`,
    name: '',
    isBootable: status === 0x80,
  };
}
