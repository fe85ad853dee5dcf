import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../../core/errors.ts';
import type { S3 } from './client.ts';
import { asS3Error, isPassing, named } from './errors.ts';
import { bareEtag } from './objects.ts';
import type { PartStorage } from './part-storage.ts';
import type { Part } from './parts.ts';
import type { S3Url } from './s3-url.ts';

const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 500;

/** An upload: where to, under which signal, and whom to tell. */
export interface Upload {
  readonly s3: S3;
  readonly place: S3Url;
  readonly metadata: Record<string, string>;
  readonly contentType: string;
  readonly signal: AbortSignal;
  /** Aborts `signal`, and with it everything that belongs to the upload. */
  readonly fail: (error: unknown) => void;
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly pauseMs?: number | undefined;
}

export interface StoredPart extends Part {
  readonly storage: PartStorage;
}

/** What a request that carries a part says about it. `Content-MD5` is the one checksum that every store verifies. */
interface Payload {
  readonly Body: Readable;
  readonly ContentLength: number;
  readonly ContentMD5: string;
}

interface Answer {
  readonly ETag?: string | undefined;
  readonly ServerSideEncryption?: string | undefined;
  readonly SSECustomerAlgorithm?: string | undefined;
}

/**
 * Sends a part, again when the connection breaks or the store is busy: the library itself does not send a stream
 * twice. Returns the store's ETag. Throws `UploadDamaged` when the store has got other bytes.
 */
export async function sendPart(
  { s3, place, signal, pauseMs = FIRST_PAUSE_MS }: Upload,
  part: StoredPart,
  request: (payload: Payload) => Promise<Answer>,
): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    const body = part.storage.read();
    try {
      signal.throwIfAborted();
      const answer = await request({
        Body: body,
        ContentLength: part.size,
        ContentMD5: Buffer.from(part.md5, 'hex').toString('base64'),
      });
      requireSameBytes(answer, { part, place });
      return answer.ETag ?? '';
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      if (attempt === ATTEMPTS || !isPassing(cause)) throw asS3Error(cause, s3, place);
    } finally {
      body.destroy();
    }
    // An interruption only shortens the pause; the next attempt finds it.
    await sleep(pauseMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => undefined);
  }
}

/** Sends an object that is a single part. Stores take it whole or not at all. */
export async function sendWhole(upload: Upload, part: StoredPart): Promise<string> {
  const { s3, place, metadata, contentType, signal } = upload;
  const etag = await sendPart(upload, part, async (payload) => {
    const header = { Bucket: place.bucket, Key: place.key, Metadata: metadata, ContentType: contentType };
    const command = new s3.sdk.PutObjectCommand({ ...header, ...payload });
    return s3.client.send(command, { abortSignal: signal });
  });
  upload.onProgress?.(part.size);
  return bareEtag(etag);
}

/**
 * Amazon S3 API Reference, "Object": the ETag of bytes that came in one request is their MD5, unless they are
 * encrypted with a key of the customer or of KMS. Some stores make ETags of other kinds.
 */
function requireSameBytes(
  { ETag, ServerSideEncryption, SSECustomerAlgorithm }: Answer,
  { part, place }: { readonly part: Part; readonly place: S3Url },
): void {
  const etag = bareEtag(ETag);
  const isEncrypted =
    SSECustomerAlgorithm !== undefined || ServerSideEncryption?.startsWith('aws:kms') === true;
  if (isEncrypted || !/^[0-9a-f]{32}$/.test(etag) || etag === part.md5) return;
  throw new HostError('UploadDamaged', `part ${part.number} of ${named(place)} reached the store damaged`, {
    details: [`sent md5 ${part.md5}`, `stored md5 ${etag}`],
    hint: 'try again',
  });
}
