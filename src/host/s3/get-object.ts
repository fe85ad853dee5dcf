import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../../core/errors.ts';
import type { S3 } from './client.ts';
import { asS3Error, isPassing, named, nameOf, reasonOf, translated } from './errors.ts';
import { bareEtag } from './objects.ts';
import type { S3Url } from './s3-url.ts';

const IDLE_TIMEOUT_MS = 30_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
/** With these pauses about a minute: the time a router takes to start again. */
const MAX_FRUITLESS = 8;

export interface GetOptions {
  /** Silence that ends a connection. */
  readonly idleTimeoutMs?: number;
  /** Before the first new connection; doubles as long as nothing arrives. */
  readonly pauseMs?: number;
}

export interface S3Object {
  /** The object's bytes. Read it to its end or destroy it: until then it holds a connection. */
  readonly stream: Readable;
  readonly length: number;
  readonly etag: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads an object. The stream survives broken connections: it goes on where it was, as long as it is the same
 * object, and fails with `ObjectChanged` when it is not. It ends after exactly `length` bytes or with an error.
 */
export async function getObject(s3: S3, place: S3Url, options: GetOptions = {}): Promise<S3Object> {
  const { Body, ContentLength, ETag, Metadata } = await translated(s3, place, () =>
    s3.client.send(new s3.sdk.GetObjectCommand({ Bucket: place.bucket, Key: place.key }), {
      abortSignal: s3.signal,
    }),
  );
  const body = Body as unknown as Readable;
  if (ETag === undefined || ContentLength === undefined) {
    body.destroy();
    throw new HostError(
      'S3RequestFailed',
      `${s3.name} does not say which version of ${named(place)} it sends`,
    );
  }
  const version = { place, etag: ETag, length: ContentLength };
  const stream = new ResumedObject(s3, version, { body, ...options });
  return { stream, length: ContentLength, etag: bareEtag(ETag), metadata: Metadata ?? {} };
}

/** One version of an object: what a new connection must find again. */
interface Version {
  readonly place: S3Url;
  readonly etag: string;
  readonly length: number;
}

class ResumedObject extends Readable {
  readonly #s3: S3;
  readonly #version: Version;
  readonly #options: Required<GetOptions>;
  readonly #over = new AbortController();
  #body: Readable;
  #chunks: AsyncIterator<Buffer>;
  #done = 0;
  #fruitless = 0;

  constructor(s3: S3, version: Version, { body, ...options }: GetOptions & { readonly body: Readable }) {
    super();
    this.#s3 = s3;
    this.#version = version;
    this.#options = { idleTimeoutMs: IDLE_TIMEOUT_MS, pauseMs: FIRST_PAUSE_MS, ...options };
    this.#body = body;
    this.#chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const stop = (): void => void this.destroy(s3.signal.reason as Error);
    s3.signal.addEventListener('abort', stop, { once: true });
    this.once('close', () => s3.signal.removeEventListener('abort', stop));
  }

  override _read(): void {
    this.#next().then(
      (chunk) => this.destroyed || this.push(chunk),
      (error: unknown) => this.destroy(error as Error),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#over.abort();
    this.#body.destroy();
    callback(error);
  }

  /** The next bytes, over a new connection if need be; null after the last. */
  async #next(): Promise<Buffer | null> {
    const { place, length } = this.#version;
    for (;;) {
      const chunk = await this.#receive().catch((lost: Error) => lost);
      if (Buffer.isBuffer(chunk)) {
        this.#fruitless = 0;
        this.#done += chunk.length;
        if (this.#done <= length) return chunk;
        throw new HostError('S3RequestFailed', `${named(place)} is longer than the store said`);
      }
      if (this.#done === length) return null;
      await this.#continue(chunk);
    }
  }

  /** Bytes of the present connection, or why there are no more. */
  async #receive(): Promise<Buffer | Error> {
    const { idleTimeoutMs } = this.#options;
    const body = this.#body;
    const timer = setTimeout(() => body.destroy(new Error(`silence for ${idleTimeoutMs} ms`)), idleTimeoutMs);
    try {
      const { value, done } = await this.#chunks.next();
      return done === true ? new Error('the connection ended early') : value;
    } finally {
      clearTimeout(timer);
    }
  }

  async #continue(lost: Error): Promise<void> {
    for (let why: unknown = lost; ;) {
      this.#over.signal.throwIfAborted();
      this.#fruitless++;
      if (this.#fruitless > MAX_FRUITLESS) throw this.#givenUp(why);
      const pause = Math.min(this.#options.pauseMs * 2 ** (this.#fruitless - 1), MAX_PAUSE_MS);
      await sleep(pause, undefined, { signal: this.#over.signal });
      try {
        this.#body = await openAt(this.#s3, this.#version, { from: this.#done, signal: this.#over.signal });
        this.#chunks = this.#body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
        if (this.destroyed) this.#body.destroy();
        return;
      } catch (cause) {
        if (!isPassing(cause)) throw asS3Error(cause, this.#s3, this.#version.place);
        why = cause;
      }
    }
  }

  #givenUp(cause: unknown): HostError {
    const { place, length } = this.#version;
    return new HostError(
      'S3RequestFailed',
      `${named(place)} broke off after ${this.#done} of ${length} bytes: ${reasonOf(cause)}`,
      { hint: 'try again' },
    );
  }
}

/** The rest of a version of an object. Throws `ObjectChanged` when there is another one by now. */
async function openAt(
  { client, sdk }: S3,
  { place, etag, length }: Version,
  { from, signal }: { readonly from: number; readonly signal: AbortSignal },
): Promise<Readable> {
  const command = new sdk.GetObjectCommand({
    Bucket: place.bucket,
    Key: place.key,
    IfMatch: etag,
    Range: `bytes=${from}-`,
  });
  const answer = await client.send(command, { abortSignal: signal }).catch((cause: unknown) => {
    // A shorter object is another one, whichever of the two conditions the store looks at first.
    throw nameOf(cause) === 'InvalidRange' ? changed(place) : cause;
  });
  const body = answer.Body as unknown as Readable;
  // Not every store knows If-Match.
  const isSame = answer.ETag === etag;
  if (isSame && answer.ContentRange === `bytes ${from}-${length - 1}/${length}`) return body;
  body.destroy();
  if (!isSame) throw changed(place);
  throw new HostError(
    'S3RequestFailed',
    `${named(place)} broke off after ${from} of ${length} bytes, and the store cannot send the rest alone`,
    { hint: 'try again' },
  );
}

function changed(place: S3Url): HostError {
  return new HostError('ObjectChanged', `${named(place)} was replaced while it was read`, {
    hint: 'try again',
  });
}
