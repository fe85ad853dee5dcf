// The metadata region of a VHDX file: a table of items, and the items behind it. [MS-VHDX] section 2.6.
import type { HostError } from '../../../core/errors.ts';
import { guidAt } from './guid.ts';
import * as refusals from './refusals.ts';

const SIGNATURE = 'metadata';
/** Header and entries; items begin behind it. */
const TABLE_BYTES = 64 * 1024;
const HEADER_BYTES = 32;
const ENTRY_BYTES = 32;
const MAX_ENTRIES = 2047;
const REQUIRED_FLAG = 4;
const HAS_PARENT_FLAG = 2;

const FILE_PARAMETERS = 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B';
const VIRTUAL_DISK_SIZE = '2FA54224-CD1B-4876-B211-5DBED83BF4B8';
const DISK_ID = 'BECA12AB-B2E6-4523-93EF-C309E000C746';
const LOGICAL_SECTOR_SIZE = '8141BF1D-A96F-4709-BA47-F233A8FAAB5F';
const PHYSICAL_SECTOR_SIZE = 'CDA348C7-445D-4471-9CC9-E9885251C556';
const PARENT_LOCATOR = 'A8D35F2D-B30B-454D-ABF7-D3D84834AB0C';

/** The items that every file has, and their lengths. QEMU opens no file that lacks one. */
const ITEM_BYTES: Readonly<Record<string, number>> = {
  [FILE_PARAMETERS]: 8,
  [VIRTUAL_DISK_SIZE]: 8,
  [DISK_ID]: 16,
  [LOGICAL_SECTOR_SIZE]: 4,
  [PHYSICAL_SECTOR_SIZE]: 4,
};

const MIN_BLOCK_BYTES = 2 ** 20;
const MAX_BLOCK_BYTES = 256 * 2 ** 20;
const SECTOR = 512;

const MERGE_HINT = 'where its parent is, in Windows: Merge-VHD OLD.vhdx, then import the parent';

export interface Metadata {
  readonly virtualSize: bigint;
  readonly blockBytes: number;
  readonly sectorBytes: number;
}

/** What the region says of the disk. `region` is as much of it as may be read; items outside of that are refused. */
export function readMetadata(region: Buffer): Metadata {
  const items = readItems(region);
  const parameters = item(items, FILE_PARAMETERS);
  if (parameters.readUInt32LE(4) & HAS_PARENT_FLAG) throw refusals.hasBackingFile('VHDX', MERGE_HINT);
  const blockBytes = parameters.readUInt32LE(0);
  if (!refusals.isPowerOfTwo(blockBytes) || blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES)
    throw corrupt(`its blocks have ${blockBytes} bytes; a power of two from 1 to 256 MiB is allowed`);
  const sectorBytes = readSectorSize(item(items, LOGICAL_SECTOR_SIZE));
  const virtualSize = item(items, VIRTUAL_DISK_SIZE).readBigUInt64LE(0);
  if (virtualSize % BigInt(sectorBytes) !== 0n)
    throw corrupt(`its size of ${virtualSize} bytes is not one of whole sectors`);
  return { virtualSize, blockBytes, sectorBytes };
}

function readSectorSize(bytes: Buffer): number {
  const size = bytes.readUInt32LE(0);
  if (size === 4096)
    throw refusals.featureUnknown(
      'VHDX',
      'has sectors of 4096 bytes, which QEMU does not read',
      'install its system anew on a disk that has sectors of 512 bytes: New-VHD -LogicalSectorSizeBytes 512',
    );
  if (size !== SECTOR) throw corrupt(`its sectors have ${size} bytes`);
  return size;
}

/** The bytes of each known item. */
function readItems(region: Buffer): ReadonlyMap<string, Buffer> {
  if (region.length < TABLE_BYTES) throw corrupt('its metadata are cut off');
  if (region.toString('latin1', 0, SIGNATURE.length) !== SIGNATURE)
    throw corrupt('its metadata are not where its region table says');
  const entries = region.readUInt16LE(10);
  if (entries > MAX_ENTRIES)
    throw corrupt(`its metadata table has ${entries} entries; at most ${MAX_ENTRIES} are allowed`);
  const items = new Map<string, Buffer>();
  for (let index = 0; index < entries; index++) {
    const entry = region.subarray(
      HEADER_BYTES + index * ENTRY_BYTES,
      HEADER_BYTES + (index + 1) * ENTRY_BYTES,
    );
    const id = guidAt(entry, 0);
    if (id === PARENT_LOCATOR) throw refusals.hasBackingFile('VHDX', MERGE_HINT);
    const length = ITEM_BYTES[id];
    if (length === undefined) requireOptional(entry, id);
    else if (items.has(id)) throw corrupt('its metadata name an item twice');
    else items.set(id, itemBytes(region, entry, length));
  }
  return items;
}

function requireOptional(entry: Buffer, id: string): void {
  if (entry.readUInt32LE(24) & REQUIRED_FLAG)
    throw refusals.featureUnknown('VHDX', `needs a kind of metadata that bonami does not know (${id})`);
}

function itemBytes(region: Buffer, entry: Buffer, expected: number): Buffer {
  const offset = entry.readUInt32LE(16);
  const length = entry.readUInt32LE(20);
  if (length !== expected || offset < TABLE_BYTES || offset + length > region.length)
    throw corrupt(`a metadata item of ${length} bytes is said to be at byte ${offset}, where it cannot be`);
  return region.subarray(offset, offset + length);
}

function item(items: ReadonlyMap<string, Buffer>, id: string): Buffer {
  const missing = Object.keys(ITEM_BYTES).find((known) => !items.has(known));
  const found = items.get(id);
  if (missing !== undefined || found === undefined)
    throw corrupt(`its metadata lack an item (${missing ?? id})`);
  return found;
}

function corrupt(what: string): HostError {
  return refusals.corrupt('VHDX', what);
}
