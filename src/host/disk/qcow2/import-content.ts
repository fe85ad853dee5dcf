import { dirname } from 'node:path';
import { HostError } from '../../../core/errors.ts';
import { namingFullFolder } from '../durable.ts';
import { dataRuns } from './blocks.ts';
import { type Feed, feedOf } from './chunks.ts';
import { ContentHash } from './content-digest.ts';
import type { DiskContent } from './content.ts';
import { feedOfStream } from './stream-chunks.ts';
import { Qcow2Writer } from './writer.ts';

interface Target {
  /** Made; a qcow2 file of our own. Must not be there. */
  readonly to: string;
  /** Bytes; more is refused, of a stream as soon as it comes. */
  readonly maxVirtualSize: number;
  readonly signal?: AbortSignal | undefined;
  /** How far into the disk, in bytes; holes are jumped over. */
  readonly onProgress?: ((done: number) => void) | undefined;
}

/** A disk that is here, or the bytes of a raw one as they come. */
export type ImportRequest = Target &
  ({ readonly content: DiskContent } | { readonly stream: AsyncIterable<Uint8Array> });

export interface ImportedContent {
  /** As `contentDigest` would compute it from the new file. */
  readonly digest: string;
  /** Bytes the guest sees. */
  readonly virtualSize: number;
}

/**
 * Copies what a guest sees into a qcow2 file of our own in one pass: read, hashed and written at the same time. The
 * file's contents are on the disk when this returns. Throws `ImageTooLarge`, `ImageCorrupt`, `NoSpace`, the signal's
 * reason and the stream's errors; the caller then removes the file, which no one takes for a disk.
 */
export async function importContent(request: ImportRequest): Promise<ImportedContent> {
  const { to, maxVirtualSize } = request;
  try {
    if (!('content' in request)) return await copy(feedOfStream(request.stream, maxVirtualSize), request);
    requireWithin(request.content, maxVirtualSize);
    return await copy(feedOf(request.content), request);
  } catch (error) {
    throw namingFullFolder(error, dirname(to));
  }
}

async function copy(feed: Feed, { to, signal, onProgress }: Target): Promise<ImportedContent> {
  const writer = await Qcow2Writer.create(to);
  try {
    const hash = new ContentHash();
    for await (const chunk of feed.chunks(signal)) {
      const runs = dataRuns(chunk.bytes);
      hash.add(chunk, runs);
      writer.append(chunk, runs);
      onProgress?.(Math.min(feed.size(), chunk.offset + chunk.bytes.length));
    }
    const virtualSize = feed.size();
    if (virtualSize === 0) throw new HostError('ImageCorrupt', 'the raw image is empty');
    signal?.throwIfAborted();
    await writer.finish(virtualSize);
    return { digest: hash.finish(virtualSize), virtualSize };
  } finally {
    await writer.close();
  }
}

function requireWithin({ size }: DiskContent, maxVirtualSize: number): void {
  if (size > maxVirtualSize)
    throw new HostError(
      'ImageTooLarge',
      `the image is a disk of ${size} bytes; at most ${maxVirtualSize} are allowed`,
    );
}
