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
