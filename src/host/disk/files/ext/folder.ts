// Folders: Documentation/filesystems/ext4/directory.rst of the kernel. A hashed folder reads like a linear one: its
// index hides in entries that count as unused.
import { corrupt } from './corrupt.ts';
import { inlineParts } from './content.ts';
import type { Inode } from './inode.ts';
import { runsOf } from './runs.ts';
import type { Volume } from './superblock.ts';

/** Some 100,000 files. The folders that say what an image is have a few thousand. */
const MAX_BYTES = 16 * 2 ** 20;
/** An inline folder begins with its parent's inode number. */
const INLINE_HEADER = 4;

export interface Entry {
  readonly name: Buffer;
  readonly inode: number;
}

/** The entries in use of each block of a folder, at most 16 MiB of them. */
export async function* entryBlocks(volume: Volume, inode: Inode): AsyncGenerator<readonly Entry[]> {
  if (inode.layout === 'inline') {
    const [first, ...more] = inlineParts(inode);
    if (first) yield entriesIn(first.subarray(INLINE_HEADER));
    for (const part of more) yield entriesIn(part);
    return;
  }
  const blocks = Math.ceil(Math.min(inode.size, MAX_BYTES) / volume.blockSize);
  for await (const { logical, physical, count } of runsOf(volume, inode, blocks))
    for (let block = 0; block < count && logical + block < blocks; block++)
      yield entriesIn(await volume.source.read((physical + block) * volume.blockSize, volume.blockSize));
}

function entriesIn(block: Buffer): readonly Entry[] {
  const entries: Entry[] = [];
  for (let place = 0; place + 8 <= block.length;) {
    const length = recordLength(block.readUInt16LE(place + 4));
    const nameLength = block.readUInt8(place + 6);
    if (length < 8 + nameLength || length % 4 !== 0 || place + length > block.length)
      throw corrupt('it has a folder whose entries make no sense');
    const inode = block.readUInt32LE(place);
    if (inode !== 0) entries.push({ name: block.subarray(place + 8, place + 8 + nameLength), inode });
    place += length;
  }
  return entries;
}

/** In blocks of 64 KiB an entry can be longer than 16 bits say. Kernel: fs/ext4/ext4.h, ext4_rec_len_from_disk. */
function recordLength(stored: number): number {
  if (stored === 0 || stored === 65535) return 65536;
  return (stored & 0xfffc) | ((stored & 3) << 16);
}
