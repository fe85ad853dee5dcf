/** What a disk is stored in and hashed by: a cluster of our qcow2 files, QEMU's own default. */
export const BLOCK_BYTES = 65536;

/** A run of blocks, as positions in the memory that holds them. */
export interface Run {
  readonly start: number;
  readonly end: number;
}

const ZEROS = Buffer.alloc(BLOCK_BYTES);

/** The runs of blocks that are not all zeros, in memory of whole blocks. */
export function dataRuns(bytes: Buffer): readonly Run[] {
  const runs: Run[] = [];
  let start: number | undefined;
  for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
    const isZero = ZEROS.compare(bytes, at, at + BLOCK_BYTES) === 0;
    if (!isZero) start ??= at;
    else if (start !== undefined) {
      runs.push({ start, end: at });
      start = undefined;
    }
  }
  if (start !== undefined) runs.push({ start, end: bytes.length });
  return runs;
}

/** The start of the block that this byte is in. */
export function blockStart(offset: number): number {
  return Math.floor(offset / BLOCK_BYTES) * BLOCK_BYTES;
}

/** The end of the block that the byte before this one is in. */
export function blockEnd(offset: number): number {
  return Math.ceil(offset / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Counts the blocks that ranges touch, each once. */
export class BlockCount {
  #end = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Ranges must come in order. */
  add(start: number, end: number): void {
    if (end <= this.#end) return;
    const blocksEnd = blockEnd(end);
    this.#bytes += blocksEnd - Math.max(this.#end, blockStart(start));
    this.#end = blocksEnd;
  }
}
