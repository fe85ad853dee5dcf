// Hand-made disk files: headers as the formats' own documents describe them, with every field open to abuse.
import { HEAD_BYTES, TAIL_BYTES, type Window } from '../../src/host/disk/inspector/window.ts';

const CLUSTER = 65536;

export interface Qcow2Fields {
  readonly version?: number;
  readonly backingOffset?: bigint;
  readonly backingSize?: number;
  readonly clusterBits?: number;
  readonly virtualSize?: bigint;
  readonly cryptMethod?: number;
  readonly l1Entries?: number;
  readonly l1Offset?: bigint;
  readonly refcountOffset?: bigint;
  readonly refcountClusters?: number;
  readonly snapshots?: number;
  readonly incompatible?: bigint;
  readonly autoclear?: bigint;
  readonly refcountOrder?: number;
  readonly headerLength?: number;
  readonly compressionType?: number;
  readonly extensions?: readonly (readonly [type: number, length: number, data: string])[];
}

/** A qcow2 file of four clusters: header, refcount table, refcount block, L1 table; 1 GiB of nothing by default. */
export function qcow2File({
  version = 3,
  backingOffset = 0n,
  backingSize = 0,
  clusterBits = 16,
  virtualSize = 2n ** 30n,
  cryptMethod = 0,
  l1Entries = 2,
  l1Offset = 3n * BigInt(CLUSTER),
  refcountOffset = BigInt(CLUSTER),
  refcountClusters = 1,
  snapshots = 0,
  incompatible = 0n,
  autoclear = 0n,
  refcountOrder = 4,
  headerLength = version === 2 ? 72 : 112,
  compressionType = 0,
  extensions = [],
}: Qcow2Fields = {}): Buffer {
  const file = Buffer.alloc(4 * CLUSTER);
  file.write('QFI\xfb', 0, 'latin1');
  file.writeUInt32BE(version, 4);
  file.writeBigUInt64BE(backingOffset, 8);
  file.writeUInt32BE(backingSize, 16);
  file.writeUInt32BE(clusterBits, 20);
  file.writeBigUInt64BE(virtualSize, 24);
  file.writeUInt32BE(cryptMethod, 32);
  file.writeUInt32BE(l1Entries, 36);
  file.writeBigUInt64BE(l1Offset, 40);
  file.writeBigUInt64BE(refcountOffset, 48);
  file.writeUInt32BE(refcountClusters, 56);
  file.writeUInt32BE(snapshots, 60);
  if (version !== 2) {
    file.writeBigUInt64BE(incompatible, 72);
    file.writeBigUInt64BE(autoclear, 88);
    file.writeUInt32BE(refcountOrder, 96);
    file.writeUInt32BE(headerLength, 100);
    file.writeUInt8(compressionType, 104);
  }
  let offset = Math.min(headerLength, CLUSTER);
  for (const [type, length, data] of extensions) {
    file.writeUInt32BE(type, offset);
    file.writeUInt32BE(length, offset + 4);
    file.write(data, offset + 8, 'latin1');
    offset += 8 + Math.ceil(data.length / 8) * 8;
  }
  // A reference count for each cluster in use, so that qemu-img finds nothing to repair.
  file.writeBigUInt64BE(2n * BigInt(CLUSTER), CLUSTER);
  for (let cluster = 0; cluster < 4; cluster++) file.writeUInt16BE(1, 2 * CLUSTER + 2 * cluster);
  return file;
}

/** A raw disk of `bytes` with one Linux partition in its MBR. */
export function mbrDisk(bytes = 1 << 20): Buffer {
  const disk = Buffer.alloc(bytes);
  disk.writeUInt8(0x80, 446);
  disk.writeUInt8(0x83, 450);
  disk.writeUInt32LE(64, 454);
  disk.writeUInt32LE(Math.floor(bytes / 512) - 64, 458);
  disk.writeUInt16BE(0x55aa, 510);
  return disk;
}

/** A file of zeros with text at some places. */
export function fileWith(places: Readonly<Record<number, string>>, bytes = 1 << 17): Buffer {
  const file = Buffer.alloc(bytes);
  for (const [offset, text] of Object.entries(places)) file.write(text, Number(offset), 'latin1');
  return file;
}

/** What the inspector gets to see of a file. */
export function windowOf(file: Buffer): Window {
  return {
    head: file.subarray(0, HEAD_BYTES),
    tail: file.subarray(Math.max(0, file.length - TAIL_BYTES)),
    size: file.length,
  };
}
