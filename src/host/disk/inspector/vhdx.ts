// Microsoft's newer format. Numbers are little-endian. [MS-VHDX]: "Virtual Hard Disk v2 (VHDX) File Format"; QEMU:
// block/vhdx.c.
import { HostError } from '../../../core/errors.ts';
import { crc32c } from '../crc32c.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import { guidAt } from './guid.ts';
import * as refusals from './refusals.ts';
import { type Metadata, readMetadata } from './vhdx-metadata.ts';
import { PART_BYTES, type Place, type Window, bytesAre, headHas, isZero } from './window.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const HEADER_OFFSETS = [64 * KIB, 128 * KIB] as const;
const HEADER_BYTES = 4 * KIB;
const REGION_TABLE_OFFSETS = [192 * KIB, 256 * KIB] as const;
const REGION_TABLE_BYTES = 64 * KIB;
/** Where the second region table ends; everything else is behind the first MiB. */
const HEADER_SECTION_BYTES = 320 * KIB;
const MAX_REGIONS = 2047;
const REQUIRED_FLAG = 1;

const BAT_REGION = '2DC27766-F623-4200-9D64-115E9BFD4A08';
const METADATA_REGION = '8B7CA206-4790-4B9A-B8FE-575F050F886E';

export const vhdx: Format = {
  name: 'VHDX',
  recognises: (window) => headHas(window, 0, 'vhdxfile'),
  verdict: { kind: 'inspected', format: 'vhdx', inspect, partWanted: metadataPlace },
};

interface Region {
  readonly id: string;
  readonly offset: bigint;
  readonly length: number;
}

function inspect(window: Window, policy: Policy): DiskFacts {
  if (window.head.length < HEADER_SECTION_BYTES) throw corrupt('its headers are cut off');
  const header = currentHeader(window.head);
  refuseLog(header);
  const regions = checkedRegions(window, header);
  region(regions, METADATA_REGION);
  const metadata = readMetadata(window.part);
  const virtualSize = refusals.sizeWithin('VHDX', metadata.virtualSize, policy);
  checkBlockTable(region(regions, BAT_REGION), metadata);
  return { virtualSize };
}

/** The place that the region table names, unchecked. */
function metadataPlace({ head }: Window): Place | undefined {
  if (head.length < HEADER_SECTION_BYTES) return undefined;
  const found = regionsOf(head).find(({ id }) => id === METADATA_REGION);
  return found && { offset: Number(found.offset), length: Math.min(found.length, PART_BYTES) };
}

/** Of two copies, the valid one that was written last. */
function currentHeader(head: Buffer): Buffer {
  const [one, two] = HEADER_OFFSETS.map((offset) => head.subarray(offset, offset + HEADER_BYTES)).filter(
    (header) => bytesAre(header, 0, 'head') && isIntact(header) && header.readUInt16LE(66) === 1,
  );
  if (!one) throw corrupt('neither of its two headers is intact');
  if (!two) return one;
  const [first, second] = [one.readBigUInt64LE(8), two.readBigUInt64LE(8)];
  // Some tools write the same header twice.
  if (first === second && !one.equals(two)) throw corrupt('its two headers are equally new and differ');
  return first >= second ? one : two;
}

/** Changes that are in the log only would be lost. */
function refuseLog(header: Buffer): void {
  if (header.readUInt16LE(64) !== 0) throw refusals.featureUnknown('VHDX', 'has a log of an unknown version');
  const { offset } = logOf(header);
  if (offset < BigInt(MIB) || offset % BigInt(MIB) !== 0n)
    throw corrupt(`its log is said to be at byte ${offset}, where it cannot be`);
  if (isZero(header.subarray(48, 64))) return;
  throw new HostError('ImageDirty', 'the VHDX image was not closed: its log holds changes to it', {
    hint: 'start its machine in Hyper-V and shut it down; or, if you trust its author: qemu-img check -r all -f vhdx FILE',
  });
}

function logOf(header: Buffer): Region {
  return { id: 'log', offset: header.readBigUInt64LE(72), length: header.readUInt32LE(68) };
}

function regionsOf(head: Buffer): readonly (Region & { readonly isRequired: boolean })[] {
  const table = head.subarray(REGION_TABLE_OFFSETS[0], REGION_TABLE_OFFSETS[0] + REGION_TABLE_BYTES);
  const count = Math.min(table.readUInt32LE(8), MAX_REGIONS);
  return Array.from({ length: count }, (_, index) => {
    const entry = table.subarray(16 + 32 * index, 48 + 32 * index);
    return {
      id: guidAt(entry, 0),
      offset: entry.readBigUInt64LE(16),
      length: entry.readUInt32LE(24),
      isRequired: Boolean(entry.readUInt32LE(28) & REQUIRED_FLAG),
    };
  });
}

/** The regions, each inside the file and apart from the others and from the log. */
function checkedRegions({ head, size }: Window, header: Buffer): readonly Region[] {
  const [table, copy] = REGION_TABLE_OFFSETS.map((offset) =>
    head.subarray(offset, offset + REGION_TABLE_BYTES),
  );
  if (!table || !bytesAre(table, 0, 'regi') || !isIntact(table))
    throw corrupt('its region table is not intact');
  if (!copy?.equals(table)) throw corrupt('its two region tables differ');
  const count = table.readUInt32LE(8);
  if (count > MAX_REGIONS)
    throw corrupt(`its region table has ${count} entries; at most ${MAX_REGIONS} are allowed`);
  const regions = regionsOf(head);
  for (const { id, isRequired, ...place } of regions) {
    if (isRequired && id !== BAT_REGION && id !== METADATA_REGION)
      throw refusals.featureUnknown('VHDX', `needs a region that bonami does not know (${id})`);
    checkPlace(place, size);
  }
  refuseOverlaps([...regions, logOf(header)]);
  return regions;
}

function checkPlace({ offset, length }: Omit<Region, 'id'>, size: number): void {
  const isAligned = offset % BigInt(MIB) === 0n && length % MIB === 0;
  if (!isAligned || offset < BigInt(MIB) || length === 0 || offset + BigInt(length) > BigInt(size))
    throw corrupt(`a region of ${length} bytes is said to be at byte ${offset}, where it cannot be`);
}

function refuseOverlaps(regions: readonly Region[]): void {
  const inOrder = regions.filter(({ length }) => length > 0);
  const sorted = inOrder.toSorted((a, b) => (a.offset < b.offset ? -1 : a.offset > b.offset ? 1 : 0));
  for (const [index, { offset, length }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next && offset + BigInt(length) > next.offset) throw corrupt('two of its regions overlap');
  }
}

function region(regions: readonly Region[], id: string): Region {
  const [found, another] = regions.filter((candidate) => candidate.id === id);
  if (!found || another)
    throw corrupt(`it has ${found ? 'two' : 'no'} ${id === BAT_REGION ? 'block tables' : 'metadata'}`);
  return found;
}

/** An entry for each block, and one more behind each chunk of 2^23 sectors. */
function checkBlockTable({ length }: Region, { virtualSize, blockBytes, sectorBytes }: Metadata): void {
  const blocks = Math.ceil(Number(virtualSize) / blockBytes);
  const blocksPerChunk = (2 ** 23 * sectorBytes) / blockBytes;
  const entries = blocks + Math.floor((blocks - 1) / blocksPerChunk);
  if (entries * 8 > length)
    throw corrupt(`its block table has ${length} bytes, but its size needs ${entries * 8}`);
}

/** Whether the checksum in bytes 4 to 8 is that of the whole, itself counted as zero. */
function isIntact(block: Buffer): boolean {
  const unsigned = Buffer.from(block);
  unsigned.writeUInt32LE(0, 4);
  return crc32c(unsigned) === block.readUInt32LE(4);
}

function corrupt(what: string): HostError {
  return refusals.corrupt('VHDX', what);
}
