import { stat } from 'node:fs/promises';
import { openFileSource } from './byte-source.ts';
import { digestOf } from './digest.ts';
import { contentDigest } from './qcow2/content-digest.ts';
import { openQcow2 } from './qcow2/reader.ts';

export interface VerifyOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/**
 * Whether a layer still has its digest: `content-sha256:` of what the guest sees, for a disk that came from outside
 * and may be kept in more than one way, or `sha256:` of the file, for what a machine of ours has written.
 */
export async function verifyDigest(
  path: string,
  digest: string,
  { signal, onProgress }: VerifyOptions,
): Promise<boolean> {
  if (!digest.startsWith('content-')) {
    const { size } = await stat(path);
    return (await digestOf(path, { signal, onProgress: (done) => onProgress(done, size) })) === digest;
  }
  const file = await openFileSource(path);
  try {
    const content = await openQcow2(file);
    const found = await contentDigest(content, {
      signal,
      onProgress: (done: number) => onProgress(done, content.size),
    });
    return found === digest;
  } finally {
    await file.close();
  }
}
