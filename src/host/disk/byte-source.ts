import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { HostError } from '../../core/errors.ts';

/** Random access to bytes that somebody else made: a file, a partition, the disk inside an image. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** Exactly these bytes. Throws `ImageCorrupt` for a place that is not inside; nothing is read then. */
  read(offset: number, length: number): Promise<Buffer>;
  /** Like `read`, into the caller's memory, all of it: spares who reads much an allocation and a copy each time. */
  readInto?(offset: number, target: Uint8Array): Promise<void>;
}

/** `read` into the caller's memory, by the shortest way that the source has. */
export async function readInto(source: ByteSource, offset: number, target: Uint8Array): Promise<void> {
  if (source.readInto) await source.readInto(offset, target);
  else target.set(await source.read(offset, target.length));
}

export interface OpenByteSource extends ByteSource {
  close(): Promise<void>;
}

/** A regular file as a ByteSource. The caller closes it. */
export async function openFileSource(path: string): Promise<OpenByteSource> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const { size } = await file.stat();
  const fill = async <T extends Uint8Array>(offset: number, target: T): Promise<T> => {
    const { bytesRead } = await file.read(target, 0, target.length, offset);
    if (bytesRead !== target.length)
      throw new HostError('ImageCorrupt', `'${path}' ended while it was being read`);
    return target;
  };
  return {
    size,
    async read(offset, length) {
      requireInside({ size }, offset, length);
      return fill(offset, Buffer.allocUnsafe(length));
    },
    async readInto(offset, target) {
      requireInside({ size }, offset, target.length);
      await fill(offset, target);
    },
    close: async () => file.close(),
  };
}

/** A part of a source as a source of its own, say a partition. */
export function slice(source: ByteSource, start: number, size: number): ByteSource {
  requireInside(source, start, size);
  return {
    size,
    async read(offset, length) {
      requireInside({ size }, offset, length);
      return source.read(start + offset, length);
    },
    async readInto(offset, target) {
      requireInside({ size }, offset, target.length);
      await readInto(source, start + offset, target);
    },
  };
}

/** Throws `ImageCorrupt` unless this range lies inside: offsets come out of files that anybody may have written. */
export function requireInside({ size }: Pick<ByteSource, 'size'>, offset: number, length: number): void {
  const isInside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!isInside || offset + length > size)
    throw new HostError('ImageCorrupt', `the disk refers to byte ${offset}, which it does not have`);
}
