// The header of qcow2, versions 2 and 3; numbers are big-endian. QEMU: docs/interop/qcow2.txt.
import { HostError } from '../../../core/errors.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import * as refusals from './refusals.ts';
import { type Window, headHas } from './window.ts';

const MAGIC = 'QFI\xfb';
const V2_HEADER_BYTES = 72;
const V3_HEADER_BYTES = 104;
const SECTOR = 512;
/** QEMU's own limits: an L1 table of 32 MiB, a refcount table of 8 MiB. */
const MAX_L1_BYTES = 32 * 2 ** 20;
const MAX_REFCOUNT_TABLE_BYTES = 8 * 2 ** 20;
/** 32 subclusters of a sector each. */
const MIN_SUBCLUSTERED_BYTES = 32 * 512;

const CORRUPT_BIT = 1n << 1n;
const DATA_FILE_BIT = 1n << 2n;
const COMPRESSION_TYPE_BIT = 1n << 3n;
const EXTENDED_L2_BIT = 1n << 4n;
/** Dirty (0), compression type (3) and subclusters (4) change nothing about what the file can reach. */
const HARMLESS_BITS = 0b11001n;

const DATA_FILE_EXTENSION = 0x44415441;
const ENCRYPTION_EXTENSION = 0x0537be77;

const MERGE_HINT =
  'where that file is, if you trust its author: qemu-img convert -f qcow2 -O qcow2 OLD NEW.qcow2, then import NEW.qcow2';

/** QEMU's own format. Its first version shares the magic and is another format. */
export const qcow2: Format = {
  name: 'qcow2',
  recognises: (window) => headHas(window, 0, MAGIC) && !headHas(window, 4, '\0\0\0\x01'),
  verdict: { kind: 'inspected', format: 'qcow2', inspect },
};

export const qcow1: Format = {
  name: 'qcow (version 1)',
  recognises: (window) => headHas(window, 0, `${MAGIC}\0\0\0\x01`),
  verdict: {
    kind: 'refused',
    hint: 'if you trust its author: qemu-img convert -f qcow -O qcow2 OLD NEW.qcow2',
  },
};

interface Header {
  readonly version: number;
  readonly length: number;
  readonly clusterBytes: number;
  readonly virtualSize: bigint;
  readonly incompatible: bigint;
}

function inspect(window: Window, policy: Policy): DiskFacts {
  const header = readHeader(window);
  refuseOtherFiles(window.head, header);
  refuseEncryption(window.head);
  const virtualSize = refusals.sizeWithin('qcow2', header.virtualSize, policy);
  // QEMU would leave the rest away.
  if (virtualSize % SECTOR !== 0)
    throw corrupt(`its size of ${virtualSize} bytes is not one of whole sectors`);
  checkTables(window, header);
  if (window.head.readUInt32BE(60) !== 0)
    throw new HostError(
      'ImageHasSnapshots',
      `the qcow2 image holds ${window.head.readUInt32BE(60)} internal snapshots`,
      { hint: 'keep only its present state: qemu-img convert -f qcow2 -O qcow2 OLD NEW.qcow2' },
    );
  walkExtensions(window.head, header);
  return { virtualSize };
}

function readHeader({ head }: Window): Header {
  if (head.length < V2_HEADER_BYTES) throw corrupt('its header is cut off');
  const version = head.readUInt32BE(4);
  if (version !== 2 && version !== 3) throw refusals.versionUnknown('qcow2', `${version}`, '2 and 3 are');
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21)
    throw corrupt(`its clusters have 2^${clusterBits} bytes; 2^9 to 2^21 are allowed`);
  const common = { version, clusterBytes: 2 ** clusterBits, virtualSize: head.readBigUInt64BE(24) };
  if (version === 2) return { ...common, length: V2_HEADER_BYTES, incompatible: 0n };

  if (head.length < V3_HEADER_BYTES) throw corrupt('its header is cut off');
  const length = head.readUInt32BE(100);
  if (length < V3_HEADER_BYTES || length % 8 !== 0 || length > Math.min(common.clusterBytes, head.length))
    throw corrupt(`its header claims a length of ${length} bytes`);
  const incompatible = head.readBigUInt64BE(72);
  checkFeatures(incompatible);
  checkCompression(head, length, incompatible);
  if (head.readUInt32BE(96) > 6) throw corrupt('its reference counts are wider than 64 bits');
  return { ...common, length, incompatible };
}

function checkFeatures(incompatible: bigint): void {
  if (incompatible & DATA_FILE_BIT) throw hasDataFile();
  if (incompatible & CORRUPT_BIT)
    throw new HostError('ImageMarkedCorrupt', 'the qcow2 image is marked as corrupt by whoever wrote it', {
      hint: 'fetch or build it again; to look at the damage: qemu-img check -f qcow2 FILE',
    });
  const unknown = incompatible & ~HARMLESS_BITS;
  if (unknown)
    throw refusals.featureUnknown(
      'qcow2',
      `needs features that bonami does not know (bits 0x${unknown.toString(16)})`,
    );
}

function checkCompression(head: Buffer, headerLength: number, incompatible: bigint): void {
  const type = headerLength > V3_HEADER_BYTES ? head.readUInt8(V3_HEADER_BYTES) : 0;
  if (type > 1) throw refusals.featureUnknown('qcow2', `is compressed in an unknown way (type ${type})`);
  if ((type !== 0) !== Boolean(incompatible & COMPRESSION_TYPE_BIT))
    throw corrupt('its compression type and its feature bits contradict each other');
}

function refuseOtherFiles(head: Buffer, { version }: Header): void {
  if (head.readBigUInt64BE(8) !== 0n || head.readUInt32BE(16) !== 0)
    throw refusals.hasBackingFile('qcow2', MERGE_HINT);
  // Autoclear bit 1 says that the data file is raw: it has no meaning without one.
  if (version === 3 && head.readBigUInt64BE(88) & 2n) throw hasDataFile();
}

function refuseEncryption(head: Buffer): void {
  if (head.readUInt32BE(32) !== 0) throw encrypted();
}

/** The tables lie inside the file, on clusters of their own, and fit the size that the header names. */
function checkTables({ head, size }: Window, { clusterBytes, virtualSize, incompatible }: Header): void {
  const l2EntryBytes = incompatible & EXTENDED_L2_BIT ? 16 : 8;
  if (incompatible & EXTENDED_L2_BIT && clusterBytes < MIN_SUBCLUSTERED_BYTES)
    throw corrupt(`its clusters of ${clusterBytes} bytes are too small for subclusters`);
  const perL2Table = BigInt(clusterBytes) * BigInt(clusterBytes / l2EntryBytes);
  const needed = (virtualSize + perL2Table - 1n) / perL2Table;
  const l1Entries = head.readUInt32BE(36);
  if (BigInt(l1Entries) < needed || l1Entries * 8 > MAX_L1_BYTES)
    throw corrupt(`its L1 table has ${l1Entries} entries, but its size needs ${needed}`);
  inside('L1 table', { offset: head.readBigUInt64BE(40), bytes: l1Entries * 8, clusterBytes, size });

  const refcountClusters = head.readUInt32BE(56);
  const bytes = refcountClusters * clusterBytes;
  if (refcountClusters === 0 || bytes > Math.max(MAX_REFCOUNT_TABLE_BYTES, clusterBytes))
    throw corrupt(`its reference count table has ${refcountClusters} clusters`);
  inside('reference count table', { offset: head.readBigUInt64BE(48), bytes, clusterBytes, size });
}

interface Place {
  readonly offset: bigint;
  readonly bytes: number;
  readonly clusterBytes: number;
  readonly size: number;
}

function inside(what: string, { offset, bytes, clusterBytes, size }: Place): void {
  const isAligned = offset !== 0n && offset % BigInt(clusterBytes) === 0n;
  if (!isAligned || offset + BigInt(bytes) > BigInt(size))
    throw corrupt(`its ${what} is said to be at byte ${offset}, where it cannot be`);
}

/** Header extensions are {type, length, data padded to 8 bytes} up to a zero type or the first cluster's end. */
function walkExtensions(head: Buffer, { length, clusterBytes }: Header): void {
  const end = Math.min(clusterBytes, head.length);
  for (let offset = length; offset + 8 <= end;) {
    const type = head.readUInt32BE(offset);
    if (type === 0) return;
    if (type === DATA_FILE_EXTENSION) throw hasDataFile();
    if (type === ENCRYPTION_EXTENSION) throw encrypted();
    const data = head.readUInt32BE(offset + 4);
    offset += 8 + Math.ceil(data / 8) * 8;
    if (offset > end) throw corrupt('its header extensions run out of the header');
  }
}

function hasDataFile(): HostError {
  return new HostError('ImageHasDataFile', 'the qcow2 image keeps its data in another file', {
    hint: MERGE_HINT,
  });
}

function encrypted(): HostError {
  return new HostError('ImageEncrypted', 'the qcow2 image is encrypted', {
    hint: 'decrypt it with qemu-img convert first',
  });
}

function corrupt(what: string): HostError {
  return refusals.corrupt('qcow2', what);
}
