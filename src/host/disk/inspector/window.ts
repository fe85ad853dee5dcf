/**
 * The parts of a file that the inspector may look at. Nothing outside of them is ever read, so no value in the file
 * can send a reader anywhere.
 */
export interface Window {
  /** The file's first bytes, `HEAD_BYTES` at most. */
  readonly head: Buffer;
  /** The file's last bytes, `TAIL_BYTES` at most. */
  readonly tail: Buffer;
  /** Size of the whole file in bytes. */
  readonly size: number;
}

export const HEAD_BYTES = 1 << 20;
export const TAIL_BYTES = 512;

/** Whether these bytes stand at `offset` of the file's head. Latin-1 text stands for its bytes. */
export function headHas({ head }: Window, offset: number, magic: string): boolean {
  return head.subarray(offset, offset + magic.length).equals(Buffer.from(magic, 'latin1'));
}

/** Whether the file's last 512 bytes begin with these: a trailer such as VHD's and dmg's. */
export function tailHas({ tail, size }: Window, magic: string): boolean {
  return size >= TAIL_BYTES && tail.subarray(0, magic.length).equals(Buffer.from(magic, 'latin1'));
}
