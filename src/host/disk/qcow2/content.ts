import type { ByteSource } from '../byte-source.ts';

/** A run of a disk's bytes of one kind. */
export interface Extent {
  /** Where the guest sees it. */
  readonly offset: number;
  readonly length: number;
  readonly kind: 'data' | 'zero';
  /** Where data lies in the file as it is; undefined for zeros and for data that is compressed. */
  readonly fileOffset?: number;
}

export interface SurveyOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What a guest sees on a disk, whatever file keeps it. `size` is the disk's, a whole number of sectors. */
export interface DiskContent extends ByteSource {
  readInto(offset: number, target: Uint8Array): Promise<void>;
  /** The whole disk from its first byte to its last, without gaps; data is cut into pieces as the file keeps it. */
  extents(): AsyncIterable<Extent>;
  /**
   * An upper bound of what a copy of ours takes for data: whole blocks. Read from tables alone, so that a small file
   * that describes a full disk is found out before anything is written.
   */
  allocatedBytes(options?: SurveyOptions): Promise<number>;
  /** Whether any of the data is compressed. */
  hasCompressed(options?: SurveyOptions): Promise<boolean>;
}

const SECTOR_BYTES = 512;

/** QEMU pads a disk to whole sectors. */
export function wholeSectors(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES;
}
