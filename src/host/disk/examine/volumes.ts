import { type ByteSource, slice } from '../byte-source.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { Partition, PartitionTable } from '../files/partition-table.ts';
import { READERS } from '../files/readers.ts';
import type { Notes } from './notes.ts';
import { holds } from './signatures.ts';

/** A file system and the partition that it fills; number 0 is the whole disk. */
export interface Volume {
  readonly number: number;
  readonly partition: Partition | undefined;
  readonly files: FileSystem;
}

/** Disks have 15 and fewer; a GPT can promise thousands. */
const MAX_PARTITIONS = 64;
/** GPT's types for what holds code or nothing at all, and no file system: BIOS boot, FreeBSD boot, PReP, Microsoft's reserve. */
const WITHOUT_FILES: readonly string[] = [
  '21686148-6449-6e6f-744e-656564454649',
  '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
  '9e1a2d38-c612-4316-aa26-8b49521e5a8b',
  'e3c9e316-0b5c-4db8-817d-f92df00215ae',
];

/** All file systems that can be read; for all others there is a note. */
export async function openVolumes(
  disk: ByteSource,
  { partitions }: PartitionTable,
  notes: Notes,
): Promise<readonly Volume[]> {
  if (partitions.length > MAX_PARTITIONS)
    notes.add(`only the first ${MAX_PARTITIONS} of ${partitions.length} partitions were looked at`);
  const volumes: Volume[] = [];
  for (const partition of partitions.slice(0, MAX_PARTITIONS)) {
    if (WITHOUT_FILES.includes(partition.type)) continue;
    const where = `partition ${partition.number}`;
    const files = await notes.attempt(where, async () =>
      openFiles(slice(disk, partition.start, partition.size), where, notes),
    );
    if (files) volumes.push({ number: partition.number, partition, files });
  }
  if (partitions.length > 0) return volumes;
  const files = await openFiles(disk, 'the disk', notes);
  return files ? [{ number: 0, partition: undefined, files }] : [];
}

async function openFiles(source: ByteSource, where: string, notes: Notes): Promise<FileSystem | undefined> {
  let isDamaged = false;
  for (const open of READERS) {
    const opened = await notes.attempt(where, async () => ({ files: await open(source) }));
    if (opened?.files) return opened.files;
    isDamaged ||= opened === undefined;
  }
  // A reader that knows its file system, but finds it damaged, has said more than its signature would.
  if (!isDamaged) await notes.attempt(where, async () => notes.add(`${where}: ${await holds(source)}`));
  return undefined;
}
