/**
 * The parts of a file that the inspector may look at. Nothing outside of them is ever read. Where `part` lies is the
 * only thing that a value in the file decides, and `placeToRead` keeps it inside the file and small.
 */
export interface Window {
  /** The file's first bytes, `HEAD_BYTES` at most. */
  readonly head: Buffer;
  /** The file's last bytes, `TAIL_BYTES` at most. */
  readonly tail: Buffer;
  /** The place that the file's format asked for (`placeToRead` decided); empty when there is none. */
  readonly part: Buffer;
  /** Size of the whole file in bytes. */
  readonly size: number;
}

/** A range of a file, in bytes. */
export interface Place {
  readonly offset: number;
  readonly length: number;
}

export const HEAD_BYTES = 1 << 20;
/** The longest ending of a format: three sectors of a stream-optimized VMDK. */
export const TAIL_BYTES = 3 * 512;
/** What VHDX allots to its metadata. */
export const PART_BYTES = 1 << 20;
/** A trailer such as VHD's and dmg's. */
const TRAILER_BYTES = 512;

/** Whether these bytes stand at `offset` of the file's head. Latin-1 text stands for its bytes. */
export function headHas({ head }: Window, offset: number, magic: string): boolean {
  return bytesAre(head, offset, magic);
}

/** Whether the file's last 512 bytes begin with these. */
export function tailHas(window: Window, magic: string): boolean {
  return bytesAre(trailer(window), 0, magic);
}

/** The file's last 512 bytes; empty when it has fewer. */
export function trailer({ tail }: Window): Buffer {
  return tail.length < TRAILER_BYTES ? Buffer.alloc(0) : tail.subarray(-TRAILER_BYTES);
}

/** Whether these bytes stand at `offset`. Latin-1 text stands for its bytes. */
export function bytesAre(bytes: Buffer, offset: number, magic: string): boolean {
  return bytes.subarray(offset, offset + magic.length).equals(Buffer.from(magic, 'latin1'));
}

export function isZero(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
