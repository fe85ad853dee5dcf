// The metadata of the qcow2 files that we write: version 3, clusters of 64 KiB, 16 bits for each reference count, every
// cluster in use exactly once. QEMU: docs/interop/qcow2.txt.
import { BLOCK_BYTES } from './blocks.ts';

/** Of the guest's disk and of the file alike. */
export const CLUSTER_BYTES = BLOCK_BYTES;
/** Guest bytes that one L2 table is for. */
export const L2_REACH = CLUSTER_BYTES * (CLUSTER_BYTES / 8);

const HEADER_LENGTH = 112;
const REFCOUNT_ORDER = 4;
const COUNTS_PER_BLOCK = CLUSTER_BYTES / 2;
/** "Refcount is exactly one": the cluster may be written to in place. */
const COPIED = 0x8000_0000;

/** Writes an entry of L1 or L2. */
export function setEntry(table: Buffer, index: number, fileOffset: number): void {
  table.writeUInt32BE((COPIED | Math.floor(fileOffset / 2 ** 32)) >>> 0, index * 8);
  table.writeUInt32BE(fileOffset % 2 ** 32, index * 8 + 4);
}

/** The L1 table in whole clusters; `tables` has no entry where there is no L2 table. */
export function l1Table(tables: ReadonlyMap<number, number>, virtualSize: number): Buffer {
  const table = Buffer.alloc(wholeClusters(Math.ceil(virtualSize / L2_REACH) * 8));
  for (const [index, fileOffset] of tables) setEntry(table, index, fileOffset);
  return table;
}

/** Where the reference counts lie when `used` clusters precede them: they count themselves too. */
export interface RefcountPlan {
  /** Clusters of the whole file. */
  readonly total: number;
  readonly blocks: number;
  readonly tableClusters: number;
}

export function planRefcounts(used: number): RefcountPlan {
  let plan: RefcountPlan = { total: used, blocks: 0, tableClusters: 0 };
  for (;;) {
    const blocks = Math.ceil(plan.total / COUNTS_PER_BLOCK);
    const tableClusters = wholeClusters(blocks * 8) / CLUSTER_BYTES;
    const total = used + blocks + tableClusters;
    if (total === plan.total) return plan;
    plan = { total, blocks, tableClusters };
  }
}

/** A block of reference counts: one for each cluster up to `total`. */
export function refcountBlock(index: number, total: number): Buffer {
  const block = Buffer.alloc(CLUSTER_BYTES);
  const counts = Math.min(COUNTS_PER_BLOCK, total - index * COUNTS_PER_BLOCK);
  return block.fill(Buffer.from([0, 1]), 0, counts * 2);
}

/** The table of blocks that follow each other in the file from `firstBlock` on. */
export function refcountTable(firstBlock: number, { blocks, tableClusters }: RefcountPlan): Buffer {
  const table = Buffer.alloc(tableClusters * CLUSTER_BYTES);
  for (let index = 0; index < blocks; index++)
    table.writeBigUInt64BE(BigInt(firstBlock + index * CLUSTER_BYTES), index * 8);
  return table;
}

export interface HeaderFields {
  readonly virtualSize: number;
  readonly l1Offset: number;
  readonly refcountTableOffset: number;
  readonly refcountTableClusters: number;
}

/** The file's first cluster: no features, no extensions, no backing file. */
export function headerCluster(fields: HeaderFields): Buffer {
  const header = Buffer.alloc(CLUSTER_BYTES);
  header.write('QFI\xfb', 0, 'latin1');
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(Math.log2(CLUSTER_BYTES), 20);
  header.writeBigUInt64BE(BigInt(fields.virtualSize), 24);
  header.writeUInt32BE(Math.ceil(fields.virtualSize / L2_REACH), 36);
  header.writeBigUInt64BE(BigInt(fields.l1Offset), 40);
  header.writeBigUInt64BE(BigInt(fields.refcountTableOffset), 48);
  header.writeUInt32BE(fields.refcountTableClusters, 56);
  header.writeUInt32BE(REFCOUNT_ORDER, 96);
  header.writeUInt32BE(HEADER_LENGTH, 100);
  return header;
}

function wholeClusters(bytes: number): number {
  return Math.ceil(bytes / CLUSTER_BYTES) * CLUSTER_BYTES;
}
