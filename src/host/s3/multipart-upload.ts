import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, Interrupted } from '../../core/errors.ts';
import { asS3Error, named, nameOf, reasonOf, translated } from './errors.ts';
import { bareEtag } from './objects.ts';
import { type StorageOptions, PartStorage } from './part-storage.ts';
import type { Part, PartSource } from './parts.ts';
import { type StoredPart, type Upload, sendPart } from './send-part.ts';

/** While one lane fills its storage, the others send theirs. */
const LANES = 3;
/** What an interrupted upload may still take, to begin and so be known, and to be removed. */
const GRACE_MS = 15_000;
const REMOVALS = 3;

interface SentPart {
  readonly PartNumber: number;
  readonly ETag: string;
}

export interface Parts {
  readonly source: PartSource;
  /** The first part, which lies in `storage`. */
  readonly first: Part;
  readonly storage: PartStorage;
  readonly storageOptions: StorageOptions;
}

/**
 * Uploads in parts and returns the object's ETag. Whatever goes wrong, the store is told to forget the parts: they
 * are invisible and would be paid for.
 */
export async function uploadInParts(upload: Upload, parts: Parts): Promise<string> {
  const { s3, place } = upload;
  const id = await begin(upload);
  try {
    const sent = await inLanes(upload, id, parts);
    const { ETag } = await translated(s3, place, () =>
      s3.client.send(
        new s3.sdk.CompleteMultipartUploadCommand({
          ...addressOf(upload, id),
          MultipartUpload: { Parts: [...sent] },
        }),
        { abortSignal: upload.signal },
      ),
    );
    return bareEtag(ETag);
  } catch (error) {
    throw await afterRemoval(upload, id, error);
  }
}

/** The upload's id. An interruption waits for it a little: an upload nobody knows of could not be removed. */
async function begin({ s3, place, metadata, contentType, signal }: Upload): Promise<string> {
  const late = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const soon = (): void => void (timer = setTimeout(() => late.abort(), GRACE_MS));
  signal.addEventListener('abort', soon, { once: true });
  try {
    signal.throwIfAborted();
    const header = { Bucket: place.bucket, Key: place.key, Metadata: metadata, ContentType: contentType };
    const command = new s3.sdk.CreateMultipartUploadCommand(header);
    const { UploadId } = await s3.client.send(command, { abortSignal: late.signal });
    if (UploadId !== undefined) return UploadId;
  } catch (cause) {
    throw asS3Error(cause, s3, place);
  } finally {
    signal.removeEventListener('abort', soon);
    clearTimeout(timer);
  }
  throw new HostError('S3RequestFailed', `${s3.name} gave no id for the upload of ${named(place)}`);
}

/** Sends all parts, a few at a time, and returns them in order. The first failure ends the others. */
async function inLanes(upload: Upload, id: string, parts: Parts): Promise<readonly SentPart[]> {
  const sent: SentPart[] = [];
  let stored = 0;
  const lane = async (storage: PartStorage, first?: Part): Promise<void> => {
    let part = first ?? (await parts.source.next(storage));
    for (; part; part = await parts.source.next(storage)) {
      sent.push(await sendOne(upload, id, { ...part, storage }));
      stored += part.size;
      upload.onProgress?.(stored);
    }
  };
  const others = Array.from({ length: LANES - 1 }, () => new PartStorage(parts.storageOptions));
  const lanes = [lane(parts.storage, parts.first), ...others.map(async (storage) => lane(storage))];
  for (const work of lanes) work.catch(upload.fail);
  await Promise.allSettled(lanes);
  await Promise.all(others.map(async (storage) => storage.close()));
  upload.signal.throwIfAborted();
  return sent.toSorted((a, b) => a.PartNumber - b.PartNumber);
}

async function sendOne(upload: Upload, id: string, part: StoredPart): Promise<SentPart> {
  const { s3, signal } = upload;
  const ETag = await sendPart(upload, part, async (payload) => {
    const address = { ...addressOf(upload, id), PartNumber: part.number };
    return s3.client.send(new s3.sdk.UploadPartCommand({ ...address, ...payload }), { abortSignal: signal });
  });
  return { PartNumber: part.number, ETag };
}

/** As a shell reads it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The error to throw, which says so when parts had to be left behind. */
async function afterRemoval(upload: Upload, id: string, error: unknown): Promise<unknown> {
  try {
    await remove(upload, id);
    return error;
  } catch (cause) {
    const { s3, place } = upload;
    const store = s3.endpoint === undefined ? '' : ` --endpoint-url ${s3.endpoint}`;
    const address = `--bucket ${place.bucket} --key ${quoted(place.key)} --upload-id ${quoted(id)}`;
    const details = [
      `the parts of ${named(place)} could not be removed: ${reasonOf(cause)}; to remove them:`,
      `aws s3api abort-multipart-upload${store} ${address}`,
    ];
    if (error instanceof Interrupted) return new Interrupted(error.message, { details });
    if (!(error instanceof HostError)) return error;
    const { code, message, hint } = error;
    const more = { details: [...error.details, ...details], cause: error.cause };
    return new HostError(code, message, hint === undefined ? more : { ...more, hint });
  }
}

/**
 * Makes the store forget an upload. Amazon S3 API Reference, "AbortMultipartUpload": a part that was on its way may
 * arrive afterwards, so the store is asked what it has, and told again.
 */
async function remove(upload: Upload, id: string): Promise<void> {
  const { client, sdk } = upload.s3;
  const sending = { abortSignal: AbortSignal.timeout(GRACE_MS) };
  for (let removal = 1; removal <= REMOVALS; removal++) {
    await client.send(new sdk.AbortMultipartUploadCommand(addressOf(upload, id)), sending).catch(unlessGone);
    // Whoever may not list parts is told that there are none: the removal itself was accepted.
    const { Parts = [] } = await client
      .send(new sdk.ListPartsCommand(addressOf(upload, id)), sending)
      .catch(() => ({ Parts: [] }));
    if (Parts.length === 0) return;
    await sleep(1000);
  }
  throw new Error('they keep arriving');
}

function unlessGone(cause: unknown): void {
  if (nameOf(cause) !== 'NoSuchUpload') throw cause;
}

function addressOf({ place }: Upload, id: string): { Bucket: string; Key: string; UploadId: string } {
  return { Bucket: place.bucket, Key: place.key, UploadId: id };
}
