// VMware's format, of which one kind passes: a sparse file that holds all of its disk. Numbers are little-endian.
// VMware: "Virtual Disk Format 5.0", section "Hosted Sparse Extents"; QEMU: block/vmdk.c.
import { HostError } from '../../../core/errors.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import * as refusals from './refusals.ts';
import { type Descriptor, MERGE_HINT, readDescriptor } from './vmdk-descriptor.ts';
import { TAIL_BYTES, type Window, bytesAre, headHas, isZero } from './window.ts';

const SECTOR = 512n;
const SPARSE_MAGIC = 'KDMV';
const OLD_SPARSE_MAGIC = 'COWD';
const HEADER_BYTES = 512;
/** QEMU's own limits: a grain of 1 GiB, 512 grains to a table, 32 Mi tables. */
const MAX_GRAIN_SECTORS = 0x200000;
const MAX_TABLE_ENTRIES = 512;
const MAX_DIRECTORY_ENTRIES = 32n * 2n ** 20n;

const NEWLINE_TEST_FLAG = 1;
const SECOND_DIRECTORY_FLAG = 2;
const COMPRESSED_FLAG = 1 << 16;
/** Newline test, second directory, zeroed grains, compression, markers. */
const KNOWN_FLAGS = 0x30007;
/** The grain directory's sector is in a footer: the file was written in one go. */
const AT_END = 0xffff_ffff_ffff_ffffn;
const FOOTER_MARKER = 3;

export const vmdk: Format = {
  name: 'VMDK',
  recognises: (window) =>
    headHas(window, 0, SPARSE_MAGIC) || headHas(window, 0, OLD_SPARSE_MAGIC) || isDescriptor(window),
  verdict: { kind: 'inspected', format: 'vmdk', inspect },
};

interface Header {
  readonly version: number;
  readonly flags: number;
  readonly capacity: bigint;
  readonly grainSectors: bigint;
  readonly descriptor: { readonly sector: bigint; readonly sectors: bigint };
  readonly tableEntries: number;
  readonly secondDirectory: bigint;
  readonly directory: bigint;
  readonly overhead: bigint;
  readonly isPlain: boolean;
  readonly compression: number;
}

function inspect(window: Window, policy: Policy): DiskFacts {
  if (!headHas(window, 0, SPARSE_MAGIC)) throw namesOtherFiles(window);
  const announced = readHeader(window.head);
  const descriptor = readDescriptor(window.head, announced.descriptor);
  const header = announced.directory === AT_END ? readFooter(window, announced) : announced;
  checkKind(header, descriptor);
  const virtualSize = refusals.sizeWithin('VMDK', header.capacity * SECTOR, policy);
  checkGrains(header, descriptor);
  checkTables(window, header);
  return { virtualSize };
}

function readHeader(bytes: Buffer): Header {
  if (bytes.length < HEADER_BYTES) throw corrupt('its header is cut off');
  const header = {
    version: bytes.readUInt32LE(4),
    flags: bytes.readUInt32LE(8),
    capacity: bytes.readBigUInt64LE(12),
    grainSectors: bytes.readBigUInt64LE(20),
    descriptor: { sector: bytes.readBigUInt64LE(28), sectors: bytes.readBigUInt64LE(36) },
    tableEntries: bytes.readUInt32LE(44),
    secondDirectory: bytes.readBigUInt64LE(48),
    directory: bytes.readBigUInt64LE(56),
    overhead: bytes.readBigUInt64LE(64),
    isPlain: bytesAre(bytes, 73, '\n \r\n'),
    compression: bytes.readUInt16LE(77),
  };
  if (header.version < 1 || header.version > 3)
    throw refusals.versionUnknown('VMDK', `${header.version}`, '1 to 3 are');
  const unknown = header.flags & ~KNOWN_FLAGS;
  if (unknown)
    throw refusals.featureUnknown(
      'VMDK',
      `needs features that bonami does not know (bits 0x${(unknown >>> 0).toString(16)})`,
    );
  if (header.flags & NEWLINE_TEST_FLAG && !header.isPlain)
    throw corrupt('its line ends were changed, as by a transfer of text');
  return header;
}

/**
 * The header again, with the directory's place, between two markers at the end. QEMU believes it rather than the
 * header, so it may not say anything else.
 */
function readFooter({ tail, size }: Window, announced: Header): Header {
  const [marker, copy, endMarker] = [tail.subarray(0, 512), tail.subarray(512, 1024), tail.subarray(1024)];
  const isMarked =
    tail.length === TAIL_BYTES &&
    BigInt(size) % SECTOR === 0n &&
    marker.readUInt32LE(8) === 0 &&
    marker.readUInt32LE(12) === FOOTER_MARKER &&
    isZero(endMarker.subarray(0, 16)) &&
    bytesAre(copy, 0, SPARSE_MAGIC);
  if (!isMarked) throw corrupt('its footer is missing, as if its end were cut off');
  const footer = readHeader(copy);
  const agrees =
    footer.version === announced.version &&
    footer.flags === announced.flags &&
    footer.capacity === announced.capacity &&
    footer.grainSectors === announced.grainSectors &&
    footer.tableEntries === announced.tableEntries &&
    footer.compression === announced.compression;
  if (!agrees) throw corrupt('its header and its footer contradict each other');
  return footer;
}

function checkKind({ flags, directory, compression }: Header, { createType }: Descriptor): void {
  if (compression > 1)
    throw refusals.featureUnknown('VMDK', `is compressed in an unknown way (algorithm ${compression})`);
  const isStream = createType === 'streamOptimized';
  if (isStream !== (compression === 1) || isStream !== Boolean(flags & COMPRESSED_FLAG))
    throw corrupt('its type and its compression contradict each other');
  if (directory === AT_END) throw corrupt('its footer does not say where its grain directory is');
}

function checkGrains({ capacity, grainSectors, tableEntries }: Header, { sectors }: Descriptor): void {
  const grain = Number(grainSectors);
  if (!refusals.isPowerOfTwo(grain) || grain > MAX_GRAIN_SECTORS)
    throw corrupt(
      `its grains have ${grainSectors} sectors; a power of two up to ${MAX_GRAIN_SECTORS} is allowed`,
    );
  if (tableEntries < 1 || tableEntries > MAX_TABLE_ENTRIES)
    throw corrupt(`its grain tables have ${tableEntries} entries; 1 to ${MAX_TABLE_ENTRIES} are allowed`);
  // VirtualBox rounds the capacity up to whole grains and leaves the extent as it is.
  const wholeGrains = ((sectors + grainSectors - 1n) / grainSectors) * grainSectors;
  if (capacity !== sectors && capacity !== wholeGrains)
    throw corrupt(`its header says ${capacity} sectors and its descriptor ${sectors}`);
}

/** What QEMU reads when it opens the file lies in the file. */
function checkTables({ size }: Window, header: Header): void {
  const perTable = header.grainSectors * BigInt(header.tableEntries);
  const entries = (header.capacity + perTable - 1n) / perTable;
  if (entries > MAX_DIRECTORY_ENTRIES)
    throw corrupt(`its grain directory has ${entries} entries; at most ${MAX_DIRECTORY_ENTRIES} are allowed`);
  const inside = (sector: bigint): boolean => sector > 0n && sector * SECTOR + entries * 4n <= BigInt(size);
  if (!inside(header.directory))
    throw corrupt(`its grain directory is said to be at sector ${header.directory}, where it cannot be`);
  const hasSecond = header.flags & SECOND_DIRECTORY_FLAG && header.secondDirectory !== 0n;
  if (hasSecond && !inside(header.secondDirectory))
    throw corrupt(
      `its second grain directory is said to be at sector ${header.secondDirectory}, where it cannot be`,
    );
  if (header.overhead * SECTOR > BigInt(size))
    throw corrupt(`its grains are said to begin at sector ${header.overhead}, behind its end`);
}

/** Text whose first line that is neither empty nor a comment is `version=…`: what QEMU takes for a descriptor. */
function isDescriptor({ head }: Window): boolean {
  const lines = head.toString('latin1', 0, 4096).split('\n');
  const first = lines.find((line) => line.trim() !== '' && !line.startsWith('#'));
  return first?.startsWith('version=') === true || lines[0]?.startsWith('# Disk DescriptorFile') === true;
}

function namesOtherFiles(window: Window): HostError {
  const what = isDescriptor(window)
    ? 'only a text that names the files of a VMDK disk'
    : "a VMDK of ESX' old kind, which another file describes";
  return new HostError(
    'ImageFormatRefused',
    `the file is ${what}; bonami imports VMDK disks of one sparse file`,
    { hint: MERGE_HINT },
  );
}

function corrupt(what: string): HostError {
  return refusals.corrupt('VMDK', what);
}
