import type { Readable } from 'node:stream';
import { HostError } from '../../core/errors.ts';
import { closed } from '../streams.ts';
import { type DecompressOptions, decompress } from './decompress.ts';
import { peek } from './peek.ts';
import { type CompressionKind, HEAD_BYTES, recogniseCompression } from './recognise.ts';

/** Nobody gains by compressing twice; a third time is a bomb's way of looking small. */
const MAX_DEPTH = 2;

export interface Unwrapped {
  /** Outermost first; empty for a file that is not compressed. */
  readonly layers: readonly CompressionKind[];
  /** The beginning of the content, `HEAD_BYTES` where it is that long. It is in the content still. */
  readonly head: Buffer;
  readonly content: Readable;
}

/**
 * What is in a file that may be compressed, by its own bytes. Owns the source. Throws `ArchiveHostile` for more than
 * two layers, and `decompress`' errors; the limits hold for each layer.
 */
export async function unwrap(source: Readable, options: DecompressOptions = {}): Promise<Unwrapped> {
  const layers: CompressionKind[] = [];
  for (let content = source; ;) {
    const head = await peek(content, HEAD_BYTES);
    const kind = recogniseCompression(head);
    if (kind === undefined) return { layers, head, content };
    layers.push(kind);
    if (layers.length > MAX_DEPTH) {
      await closed(content);
      throw new HostError(
        'ArchiveHostile',
        `the file is compressed more than ${MAX_DEPTH} times over (${layers.join(' around ')})`,
        { hint: 'if you trust its author, unpack it yourself and import the result' },
      );
    }
    content = decompress(content, kind, options);
  }
}
