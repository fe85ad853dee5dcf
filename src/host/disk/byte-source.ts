import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { HostError } from '../../core/errors.ts';

/** Random access to bytes that somebody else made: a file, a partition, the disk inside an image. */
export interface ByteSource {
  /** Bytes. */
  readonly size: number;
  /** Exactly these bytes. Throws `ImageCorrupt` for a place that is not inside; nothing is read then. */
  read(offset: number, length: number): Promise<Buffer>;
}

export interface OpenByteSource extends ByteSource {
  close(): Promise<void>;
}

/** A regular file as a ByteSource. The caller closes it. */
export async function openFileSource(path: string): Promise<OpenByteSource> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const { size } = await file.stat();
  return {
    size,
    async read(offset, length) {
      requireInside({ size }, offset, length);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      if (bytesRead !== length)
        throw new HostError('ImageCorrupt', `'${path}' ended while it was being read`);
      return buffer;
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
  };
}

/** Throws `ImageCorrupt` unless this range lies inside: offsets come out of files that anybody may have written. */
export function requireInside({ size }: Pick<ByteSource, 'size'>, offset: number, length: number): void {
  const isInside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!isInside || offset + length > size)
    throw new HostError('ImageCorrupt', `the disk refers to byte ${offset}, which it does not have`);
}
