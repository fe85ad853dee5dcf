import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { HostError } from '../../../core/errors.ts';
import type { Digest } from './checksum-file.ts';

export interface Expected extends Digest {
  /** Who says so, for people. */
  readonly saidBy: string;
}

/** The same bytes; at their end throws `ImageDigestMismatch` unless they are what was expected. */
export async function* verified(
  stream: AsyncIterable<Buffer>,
  expected: Expected,
  name: string,
): AsyncGenerator<Buffer> {
  const hash = createHash(expected.algorithm);
  for await (const chunk of stream) {
    hash.update(chunk);
    yield chunk;
  }
  requireDigest(hash.digest('hex'), expected, name);
}

/** Throws `ImageDigestMismatch` unless a file holds what was expected. */
export async function verifyFile(
  path: string,
  expected: Expected,
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (done: number) => void },
): Promise<void> {
  const hash = createHash(expected.algorithm);
  let done = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    onProgress(done);
  }
  requireDigest(hash.digest('hex'), expected, path);
}

function requireDigest(hex: string, { algorithm, hex: wanted, saidBy }: Expected, name: string): void {
  if (hex === wanted) return;
  throw new HostError('ImageDigestMismatch', `'${name}' is not what ${saidBy} says it is`, {
    details: [`expected ${algorithm} ${wanted}`, `received ${algorithm} ${hex}`],
    hint: 'try again: it may have been replaced a moment ago',
  });
}
