import { HostError } from '../../../core/errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { readGpt } from './gpt.ts';
import { PROTECTIVE_TYPE, readMbr } from './mbr.ts';

export interface Partition {
  /** As a Linux guest counts: `/dev/vda1` is 1, and an MBR's logical partitions begin with 5. */
  readonly number: number;
  /** Bytes. A table can promise more than the disk has: `slice` tells. */
  readonly start: number;
  readonly size: number;
  /** GPT: the type's GUID in lower case. MBR: its byte, as `0x83`. */
  readonly type: string;
  /** GPT's name for it, control characters and all; empty in an MBR, which has none. */
  readonly name: string;
  /** MBR: marked active. GPT: marked as bootable by a BIOS. */
  readonly isBootable: boolean;
}

export interface PartitionTable {
  /** `none`: no table, or an empty MBR as boot sectors of file systems have it; the disk may be one file system. */
  readonly scheme: 'gpt' | 'mbr' | 'none';
  readonly partitions: readonly Partition[];
}

/**
 * The partitions of a disk. Throws `ImageCorrupt` for a GPT whose header or entries are damaged: its second copy is for
 * repairs by whoever owns the disk, not for guesses.
 */
export async function partitions(source: ByteSource): Promise<PartitionTable> {
  const mbr = (await readMbr(source)) ?? [];
  const isProtective = mbr.some(({ type }) => type === PROTECTIVE_TYPE);
  // An MBR with real partitions is what a kernel believes, even with the leavings of a GPT behind it.
  if (mbr.length > 0 && !isProtective) return { scheme: 'mbr', partitions: mbr };
  for (const sectorSize of [512, 4096]) {
    const gpt = await readGpt(source, sectorSize);
    if (gpt) return { scheme: 'gpt', partitions: gpt };
  }
  if (isProtective)
    throw new HostError('ImageCorrupt', 'the disk announces a GPT in its first sector, but has none');
  return { scheme: 'none', partitions: [] };
}
