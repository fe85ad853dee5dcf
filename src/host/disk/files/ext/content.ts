import { corrupt } from './corrupt.ts';
import type { Inode } from './inode.ts';
import { type Run, runsOf } from './runs.ts';
import type { Volume } from './superblock.ts';

const SYMBOLIC_LINK = 0xa000;
const ATTRIBUTES_MAGIC = 0xea020000;
/** Kernel: fs/ext4/xattr.h, EXT4_XATTR_INDEX_SYSTEM. */
const SYSTEM_NAMESPACE = 7;

/** The first `length` bytes of a file or link. `length` is not more than the file's size. */
export async function content(volume: Volume, inode: Inode, length: number): Promise<Buffer> {
  if (inode.layout === 'inline') return Buffer.concat(inlineParts(inode)).subarray(0, length);
  if (isFastLink(inode)) return inode.map.subarray(0, length);
  const bytes = Buffer.alloc(length);
  const blocks = Math.ceil(length / volume.blockSize);
  for await (const { logical, physical, count } of adjoined(runsOf(volume, inode, blocks))) {
    const begin = logical * volume.blockSize;
    const part = await volume.source.read(
      physical * volume.blockSize,
      Math.min(count * volume.blockSize, length - begin),
    );
    part.copy(bytes, begin);
  }
  return bytes;
}

/** A short target stands where other inodes have their map of blocks. */
function isFastLink({ mode, size, layout, map }: Inode): boolean {
  return (mode & 0xf000) === SYMBOLIC_LINK && layout === 'blocks' && size < map.length;
}

/** Block maps tell one block at a time, which is many reads for what mostly lies in one piece. */
async function* adjoined(runs: AsyncIterable<Run>): AsyncGenerator<Run> {
  let whole: Run | undefined;
  for await (const run of runs) {
    if (whole && follows(run, whole)) whole = { ...whole, count: whole.count + run.count };
    else {
      if (whole) yield whole;
      whole = run;
    }
  }
  if (whole) yield whole;
}

function follows(run: Run, { logical, physical, count }: Run): boolean {
  return run.logical === logical + count && run.physical === physical + count;
}

/**
 * Content inside the inode: 60 bytes in the place of the map, the rest in the attribute `system.data`. Kernel:
 * Documentation/filesystems/ext4/{inlinedata,attributes}.rst.
 */
export function inlineParts({ map, attributes }: Inode): readonly Buffer[] {
  if (attributes.length < 4 || attributes.readUInt32LE(0) !== ATTRIBUTES_MAGIC) return [map];
  const values = attributes.subarray(4);
  for (let place = 0; place + 16 <= values.length;) {
    // Four zero bytes end the list.
    if (values.readUInt32LE(place) === 0) break;
    const nameLength = values.readUInt8(place);
    const name = values.toString('latin1', place + 16, place + 16 + nameLength);
    if (values.readUInt8(place + 1) === SYSTEM_NAMESPACE && name === 'data')
      return [map, valueAt(values, place)];
    place += 16 + Math.ceil(nameLength / 4) * 4;
  }
  return [map];
}

function valueAt(values: Buffer, place: number): Buffer {
  const start = values.readUInt16LE(place + 2);
  const length = values.readUInt32LE(place + 8);
  if (start + length > values.length) throw corrupt('it has an attribute behind its inode');
  return values.subarray(start, start + length);
}
