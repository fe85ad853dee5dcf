// GUID partition tables: UEFI specification, chapter 5.3. Numbers are little-endian.
import { crc32 } from 'node:zlib';
import { HostError } from '../../../core/errors.ts';
import { type ByteSource, slice } from '../byte-source.ts';
import { guidAt } from './guid.ts';
import type { Partition } from './partition-table.ts';

const SIGNATURE = 'EFI PART';
const HEADER_BYTES = 92;
const ENTRY_BYTES = 128;
/** The customary table has 128 entries of 128 bytes. */
const MAX_TABLE_BYTES = 1 << 20;
const UNUSED = '00000000-0000-0000-0000-000000000000';
/** Attribute bit 2: legacy BIOS bootable. */
const BIOS_BOOTABLE = 1n << 2n;

interface Header {
  readonly tableAt: bigint;
  readonly entries: number;
  readonly entryBytes: number;
  readonly tableChecksum: number;
}

/** Partitions of the GPT in a disk with sectors of this size; undefined when there is none. */
export async function readGpt(
  source: ByteSource,
  sectorSize: number,
): Promise<readonly Partition[] | undefined> {
  if (source.size < 2 * sectorSize) return undefined;
  const sector = await source.read(sectorSize, sectorSize);
  if (sector.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE) return undefined;
  const header = readHeader(sector);
  const length = header.entries * header.entryBytes;
  const table = await slice(source, Number(header.tableAt) * sectorSize, length).read(0, length);
  if (crc32(table) !== header.tableChecksum) throw damaged('its entries do not match their checksum');
  return Array.from({ length: header.entries }, (_, index) =>
    readEntry(table.subarray(index * header.entryBytes, (index + 1) * header.entryBytes), index, sectorSize),
  ).filter((partition) => partition !== undefined);
}

function readHeader(sector: Buffer): Header {
  const length = sector.readUInt32LE(12);
  if (length < HEADER_BYTES || length > sector.length) throw damaged(`its header claims ${length} bytes`);
  const header = Buffer.from(sector.subarray(0, length));
  const checksum = header.readUInt32LE(16);
  header.writeUInt32LE(0, 16);
  if (crc32(header) !== checksum) throw damaged('its header does not match its checksum');
  const entries = header.readUInt32LE(80);
  const entryBytes = header.readUInt32LE(84);
  if (entryBytes < ENTRY_BYTES || entryBytes % 8 !== 0 || entries * entryBytes > MAX_TABLE_BYTES)
    throw damaged(`it claims ${entries} entries of ${entryBytes} bytes`);
  return { tableAt: header.readBigUInt64LE(72), entries, entryBytes, tableChecksum: header.readUInt32LE(88) };
}

function readEntry(entry: Buffer, index: number, sectorSize: number): Partition | undefined {
  const type = guidAt(entry, 0);
  const first = Number(entry.readBigUInt64LE(32));
  const last = Number(entry.readBigUInt64LE(40));
  const size = (last - first + 1) * sectorSize;
  const isPlace = first > 0 && last >= first && Number.isSafeInteger(first * sectorSize + size);
  // A kernel passes over an entry without a place: block/partitions/efi.c, is_pte_valid.
  if (type === UNUSED || !isPlace) return undefined;
  return {
    number: index + 1,
    start: first * sectorSize,
    size,
    type,
    name: entry.toString('utf16le', 56, ENTRY_BYTES).split('\0')[0] ?? '',
    isBootable: (entry.readBigUInt64LE(48) & BIOS_BOOTABLE) !== 0n,
  };
}

function damaged(what: string): HostError {
  return new HostError('ImageCorrupt', `the disk's GPT is damaged: ${what}`);
}
