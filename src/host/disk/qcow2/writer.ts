import type { Run } from './blocks.ts';
import type { Chunk } from './chunks.ts';
import {
  CLUSTER_BYTES,
  L2_REACH,
  headerCluster,
  l1Table,
  planRefcounts,
  refcountBlock,
  refcountTable,
  setEntry,
} from './layout.ts';
import { OutputFile } from './output-file.ts';

/**
 * Writes a qcow2 file from its guest's bytes in order: data clusters as they come, each L2 table behind the data of its
 * 512 MiB, then L1, reference counts and, last of all, the header: a file that was not finished is none. The same
 * disk makes the same bytes.
 */
export class Qcow2Writer {
  readonly #file: OutputFile;
  /** The next free byte of the file; its first cluster is kept for the header. */
  #end = CLUSTER_BYTES;
  readonly #l2Offsets = new Map<number, number>();
  #l2: { readonly index: number; readonly table: Buffer } | undefined;

  private constructor(file: OutputFile) {
    this.#file = file;
  }

  /** Makes the file; fails when it is there already. */
  static async create(path: string): Promise<Qcow2Writer> {
    return new Qcow2Writer(await OutputFile.create(path));
  }

  /**
   * Begins to write a chunk's runs of data, and releases it when they are written. Chunks must come in the disk's
   * order. Throws what went wrong with those before.
   */
  append(chunk: Chunk, runs: readonly Run[]): void {
    if (runs.length === 0) return chunk.release();
    const l2 = this.#l2For(Math.floor(chunk.offset / L2_REACH));
    let fileOffset = this.#end;
    for (const { start, end } of runs)
      for (let at = start; at < end; at += CLUSTER_BYTES) {
        setEntry(l2, ((chunk.offset + at) % L2_REACH) / CLUSTER_BYTES, fileOffset);
        fileOffset += CLUSTER_BYTES;
      }
    const data = runs.map(({ start, end }) => chunk.bytes.subarray(start, end));
    this.#file.writeData(this.#end, data, () => chunk.release());
    this.#end = fileOffset;
  }

  /** Everything is on the disk when this returns; the file's name is not, see `syncFolder`. */
  async finish(virtualSize: number): Promise<void> {
    this.#passL2();
    const l1Offset = this.#append(l1Table(this.#l2Offsets, virtualSize));
    const plan = planRefcounts(this.#end / CLUSTER_BYTES);
    const firstBlock = this.#end;
    for (let index = 0; index < plan.blocks; index++) {
      this.#append(refcountBlock(index, plan.total));
      await this.#file.drain();
    }
    const refcountTableOffset = this.#append(refcountTable(firstBlock, plan));
    await this.#file.drain();
    const refcountTableClusters = plan.tableClusters;
    this.#file.write(0, [
      headerCluster({ virtualSize, l1Offset, refcountTableOffset, refcountTableClusters }),
    ]);
    await this.#file.sync();
  }

  /** Waits for what is under way; a file that was not finished has no header. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  #l2For(index: number): Buffer {
    if (this.#l2?.index === index) return this.#l2.table;
    this.#passL2();
    const table = Buffer.alloc(CLUSTER_BYTES);
    this.#l2 = { index, table };
    return table;
  }

  /** The disk's next byte is behind the present L2 table's reach. */
  #passL2(): void {
    if (this.#l2) this.#l2Offsets.set(this.#l2.index, this.#append(this.#l2.table));
    this.#l2 = undefined;
  }

  /** Appends a table of whole clusters; returns where it begins. */
  #append(table: Buffer): number {
    const fileOffset = this.#end;
    this.#file.write(fileOffset, [table]);
    this.#end += table.length;
    return fileOffset;
  }
}
