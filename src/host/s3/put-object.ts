import { HostError } from '../../core/errors.ts';
import type { S3 } from './client.ts';
import { uploadInParts } from './multipart-upload.ts';
import { type StorageOptions, PartStorage } from './part-storage.ts';
import { type PartPlan, PartSource } from './parts.ts';
import type { S3Url } from './s3-url.ts';
import { sendWhole } from './send-part.ts';

export interface PutOptions extends StorageOptions {
  /** Kept with the object. The store allows 2 KiB of it, in ASCII; names are lower-case. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly contentType?: string;
  /** Bytes that the store has. */
  readonly onProgress?: (done: number) => void;
  /** Before a part is sent again; doubles. */
  readonly pauseMs?: number;
  /** How large parts are; for tests. */
  readonly plan?: PartPlan;
}

export interface PutResult {
  readonly etag: string;
  readonly bytes: number;
  /** Hex digest of all bytes. */
  readonly sha256: string;
}

/**
 * Writes an object from a stream whose length nobody knows. The object is there whole, or not at all: an upload that
 * fails or is interrupted is removed. At most 24 MiB are held in memory; beyond 31 GiB parts lie in `spoolFolder`,
 * up to 6 GiB at a time.
 */
export async function putObject(
  s3: S3,
  place: S3Url,
  source: AsyncIterable<Buffer>,
  options: PutOptions = {},
): Promise<PutResult> {
  const over = new AbortController();
  const signal = AbortSignal.any([s3.signal, over.signal]);
  const parts = new PartSource(source, { signal, plan: options.plan });
  const storage = new PartStorage(options);
  try {
    const first = await parts.next(storage);
    if (first === undefined) throw new HostError('S3RequestFailed', 'a source gave no first part');
    const { metadata, contentType = 'application/octet-stream' } = options;
    const fail = (error: unknown): void => over.abort(error);
    const upload = { ...options, s3, place, metadata: { ...metadata }, contentType, signal, fail };
    const etag = first.isLast
      ? await sendWhole(upload, { ...first, storage })
      : await uploadInParts(upload, { source: parts, first, storage, storageOptions: options });
    return { etag, bytes: parts.bytes, sha256: parts.sha256() };
  } finally {
    over.abort();
    await parts.close();
    await storage.close();
  }
}
