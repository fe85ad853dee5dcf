import { stat } from 'node:fs/promises';
import { type ByteSource, readInto, requireInside } from '../byte-source.ts';
import { mapRaw, type FileRange } from '../qemu-img.ts';
import { BlockCount } from './blocks.ts';
import { type DiskContent, type Extent, wholeSectors } from './content.ts';

/** Zeros are read and compared at several GB/s: smaller holes are not worth starting a program for. */
const WORTH_MAPPING_BYTES = 256 * 2 ** 20;

/**
 * A raw disk: a file's bytes as they are, padded with zeros to whole sectors. `data` says which parts of the file are
 * not holes, in order; all of it when not given.
 */
export function openRaw(
  file: ByteSource,
  data: readonly FileRange[] = [{ start: 0, end: file.size }],
): DiskContent {
  const size = wholeSectors(file.size);
  const into = async (offset: number, target: Uint8Array): Promise<void> => {
    requireInside({ size }, offset, target.length);
    const stored = Math.max(0, Math.min(target.length, file.size - offset));
    if (stored > 0) await readInto(file, offset, target.subarray(0, stored));
    target.fill(0, stored);
  };
  return {
    size,
    readInto: into,
    async read(offset, length) {
      requireInside({ size }, offset, length);
      const target = Buffer.allocUnsafe(length);
      await into(offset, target);
      return target;
    },
    extents: () => extentsOf(data, size),
    allocatedBytes: async () => wholeBlocks(data),
    hasCompressed: async () => false,
  };
}

/** The parts of a raw file that are not holes, in order, for `openRaw`; one for all of it when looking does not pay. */
export async function dataRanges(
  path: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<readonly FileRange[]> {
  const { size, blocks } = await stat(path);
  if (size - blocks * 512 < WORTH_MAPPING_BYTES) return [{ start: 0, end: size }];
  return mapRaw(path, size, options);
}

async function* extentsOf(data: readonly FileRange[], size: number): AsyncGenerator<Extent> {
  let at = 0;
  for (const { start, end } of data) {
    if (start > at) yield { kind: 'zero', offset: at, length: start - at };
    if (end > start) yield { kind: 'data', offset: start, length: end - start, fileOffset: start };
    at = end;
  }
  if (at < size) yield { kind: 'zero', offset: at, length: size - at };
}

function wholeBlocks(data: readonly FileRange[]): number {
  const count = new BlockCount();
  for (const { start, end } of data) if (end > start) count.add(start, end);
  return count.bytes;
}
