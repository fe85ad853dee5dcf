import { crc32c } from '../../../src/host/disk/crc32c.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const BAT_REGION = '2DC27766-F623-4200-9D64-115E9BFD4A08';
export const METADATA_REGION = '8B7CA206-4790-4B9A-B8FE-575F050F886E';
export const PARENT_LOCATOR = 'A8D35F2D-B30B-454D-ABF7-D3D84834AB0C';

export interface VhdxHeaderFields {
  readonly signature?: string;
  readonly sequence?: bigint;
  readonly logId?: string;
  readonly logVersion?: number;
  readonly version?: number;
  readonly logLength?: number;
  readonly logOffset?: bigint;
  readonly checksumError?: number;
}

export interface VhdxRegion {
  readonly id: string;
  readonly offset: bigint;
  readonly length: number;
  readonly flags?: number;
}

export interface VhdxItem {
  readonly id: string;
  readonly data: Buffer;
  readonly flags?: number;
  /** From the region's beginning; one behind the other when not given. */
  readonly offset?: number;
  readonly length?: number;
}

export interface VhdxFields {
  readonly headers?: readonly [VhdxHeaderFields, VhdxHeaderFields];
  readonly regions?: readonly VhdxRegion[];
  readonly regionSignature?: string;
  /** As the table says; the true number when not given. */
  readonly regionCount?: number;
  readonly regionChecksumError?: number;
  readonly items?: readonly VhdxItem[];
  readonly metadataSignature?: string;
  readonly itemCount?: number;
}

export const VHDX_REGIONS: readonly VhdxRegion[] = [
  { id: BAT_REGION, offset: BigInt(2 * MIB), length: MIB, flags: 1 },
  { id: METADATA_REGION, offset: BigInt(3 * MIB), length: MIB, flags: 1 },
];

export interface VhdxItemFields {
  readonly blockBytes?: number;
  readonly parameterFlags?: number;
  readonly size?: bigint;
  readonly sectorBytes?: number;
}

/** The five items that every file has. */
export function vhdxItems({
  blockBytes = 8 * MIB,
  parameterFlags = 0,
  size = BigInt(64 * MIB),
  sectorBytes = 512,
}: VhdxItemFields = {}): readonly VhdxItem[] {
  return [
    { id: 'CAA16737-FA36-4D43-B3B6-33F0AA44E76B', data: numbers(blockBytes, parameterFlags), flags: 4 },
    {
      id: '2FA54224-CD1B-4876-B211-5DBED83BF4B8',
      data: numbers(Number(size & 0xffff_ffffn), Number(size >> 32n)),
      flags: 6,
    },
    { id: 'BECA12AB-B2E6-4523-93EF-C309E000C746', data: Buffer.from('an id, not zero!'), flags: 6 },
    { id: '8141BF1D-A96F-4709-BA47-F233A8FAAB5F', data: numbers(sectorBytes), flags: 6 },
    { id: 'CDA348C7-445D-4471-9CC9-E9885251C556', data: numbers(512), flags: 6 },
  ];
}

function numbers(...values: readonly number[]): Buffer {
  return Buffer.from(Uint32Array.from(values).buffer);
}

/** A VHDX file of 4 MiB: headers, log, block table, metadata, a MiB each; a disk of 64 MiB of nothing. */
export function vhdxFile({
  headers: [first, second] = [{}, {}],
  regions = VHDX_REGIONS,
  regionSignature = 'regi',
  regionCount = regions.length,
  regionChecksumError = 0,
  items = vhdxItems(),
  metadataSignature = 'metadata',
  itemCount = items.length,
}: VhdxFields = {}): Buffer {
  const file = Buffer.alloc(4 * MIB);
  file.write('vhdxfile', 0, 'latin1');
  header({ sequence: 7n, ...first }).copy(file, 64 * KIB);
  header({ sequence: 8n, ...second }).copy(file, 128 * KIB);

  const table = Buffer.alloc(64 * KIB);
  table.write(regionSignature, 0, 'latin1');
  table.writeUInt32LE(regionCount, 8);
  for (const [index, { id, offset, length, flags = 0 }] of regions.entries()) {
    const entry = table.subarray(16 + 32 * index, 48 + 32 * index);
    writeGuid(entry, id);
    entry.writeBigUInt64LE(offset, 16);
    entry.writeUInt32LE(length, 24);
    entry.writeUInt32LE(flags, 28);
  }
  signVhdx(table, regionChecksumError);
  for (const copy of [192, 256]) table.copy(file, copy * KIB);

  writeMetadata(file.subarray(3 * MIB), { items, metadataSignature, itemCount });
  return file;
}

function header({
  signature = 'head',
  sequence = 1n,
  logId = '',
  logVersion = 0,
  version = 1,
  logLength = MIB,
  logOffset = BigInt(MIB),
  checksumError = 0,
}: VhdxHeaderFields): Buffer {
  const bytes = Buffer.alloc(4 * KIB);
  bytes.write(signature, 0, 'latin1');
  bytes.writeBigUInt64LE(sequence, 8);
  bytes.write('an id, not zero!', 16, 'latin1');
  bytes.write(logId, 48, 'latin1');
  bytes.writeUInt16LE(logVersion, 64);
  bytes.writeUInt16LE(version, 66);
  bytes.writeUInt32LE(logLength, 68);
  bytes.writeBigUInt64LE(logOffset, 72);
  signVhdx(bytes, checksumError);
  return bytes;
}

function writeMetadata(
  region: Buffer,
  {
    items,
    metadataSignature,
    itemCount,
  }: Required<Pick<VhdxFields, 'items' | 'metadataSignature' | 'itemCount'>>,
): void {
  region.write(metadataSignature, 0, 'latin1');
  region.writeUInt16LE(itemCount, 10);
  let next = 64 * KIB;
  for (const [index, { id, data, flags = 0, offset = next, length = data.length }] of items.entries()) {
    const entry = region.subarray(32 + 32 * index, 64 + 32 * index);
    writeGuid(entry, id);
    entry.writeUInt32LE(offset, 16);
    entry.writeUInt32LE(length, 20);
    entry.writeUInt32LE(flags, 24);
    data.copy(region, next);
    next += data.length;
  }
}

function writeGuid(bytes: Buffer, id: string): void {
  const raw = Buffer.from(id.replaceAll('-', ''), 'hex');
  Buffer.concat([
    raw.subarray(0, 4).toReversed(),
    raw.subarray(4, 6).toReversed(),
    raw.subarray(6, 8).toReversed(),
    raw.subarray(8),
  ]).copy(bytes);
}

/** Writes the right checksum, or one that is wrong by `error`. */
export function signVhdx(block: Buffer, error = 0): void {
  block.writeUInt32LE(0, 4);
  block.writeUInt32LE((crc32c(block) + error) >>> 0, 4);
}
