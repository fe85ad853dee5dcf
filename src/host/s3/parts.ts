import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError } from '../../core/errors.ts';
import type { PartStorage } from './part-storage.ts';

const MIB = 2 ** 20;
/** Amazon S3 User Guide, "Amazon S3 multipart upload limits": parts of 5 MiB to 5 GiB, and at most so many. */
export const MAX_PARTS = 10_000;

const CLOSE_MS = 1000;

/** How parts grow when nobody knows how many there will be. */
export interface PartPlan {
  readonly firstBytes: number;
  /** So many parts are as large as the first. */
  readonly firstParts: number;
  /** After these, so many parts are twice as large, then so many four times, up to the maximum. */
  readonly partsPerSize: number;
  readonly maxBytes: number;
}

/**
 * 10,000 such parts are 5.8 TiB, more than an object may have. The first 31 GiB are in parts of 8 MiB, which fit
 * into memory: whole disks of the usual sizes.
 */
export const PART_PLAN: PartPlan = {
  firstBytes: 8 * MIB,
  firstParts: 4000,
  partsPerSize: 500,
  maxBytes: 2048 * MIB,
};

/** How large part `number` (from 1) is, unless it is the last. */
export function partSize(number: number, plan: PartPlan = PART_PLAN): number {
  const doublings = Math.max(0, Math.ceil((number - plan.firstParts) / plan.partsPerSize));
  return Math.min(plan.firstBytes * 2 ** doublings, plan.maxBytes);
}

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly size: number;
  /** Hexadecimal. */
  readonly md5: string;
  readonly isLast: boolean;
}

/** Cuts a stream of unknown length into parts. Several may ask for the next one at once: each waits for its turn. */
export class PartSource {
  readonly #iterator: AsyncIterator<Buffer>;
  readonly #plan: PartPlan;
  readonly #signal: AbortSignal;
  readonly #sha256 = createHash('sha256');
  #turn: Promise<unknown> = Promise.resolve();
  #rest: Buffer | undefined;
  #isPulling = false;
  #isOver = false;
  #count = 0;
  #bytes = 0;

  constructor(
    source: AsyncIterable<Buffer>,
    { signal, plan = PART_PLAN }: { readonly signal: AbortSignal; readonly plan?: PartPlan | undefined },
  ) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#signal = signal;
    this.#plan = plan;
  }

  /** Bytes given out so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The hex digest of all bytes; ask once, after the last part. */
  sha256(): string {
    return this.#sha256.digest('hex');
  }

  /**
   * Puts the next part into `storage`; undefined after the last. No part is empty but the only one of an empty
   * stream. Rejects when the signal aborts, even while the source is silent.
   */
  async next(storage: PartStorage): Promise<Part | undefined> {
    const part = this.#turn.then(async () => this.#fill(storage));
    this.#turn = part.catch(() => undefined);
    return part;
  }

  /** Lets the source go, and waits for it; but not long for one in the middle of something: it may never come back. */
  async close(): Promise<void> {
    const closing = Promise.resolve(this.#iterator.return?.());
    if (!this.#isPulling) return void (await closing);
    const over = new AbortController();
    const ended = closing.catch(() => undefined).finally(() => over.abort());
    await Promise.race([ended, sleep(CLOSE_MS, undefined, { signal: over.signal }).catch(() => undefined)]);
  }

  async #fill(storage: PartStorage): Promise<Part | undefined> {
    if (this.#isOver) return undefined;
    const number = ++this.#count;
    if (number > MAX_PARTS)
      throw new HostError(
        'ObjectTooLarge',
        `more than ${MAX_PARTS} parts are needed for ${this.#bytes} bytes`,
      );
    const capacity = partSize(number, this.#plan);
    const md5 = createHash('md5');
    await storage.begin(capacity);
    let size = 0;
    while (size < capacity) {
      const chunk = await this.#chunk();
      if (chunk === undefined) break;
      const piece = chunk.subarray(0, capacity - size);
      if (piece.length < chunk.length) this.#rest = chunk.subarray(piece.length);
      await storage.write(piece);
      md5.update(piece);
      this.#sha256.update(piece);
      size += piece.length;
    }
    this.#bytes += size;
    // One look ahead: whether this is the last part is known before it is sent.
    this.#rest = await this.#chunk();
    this.#isOver = this.#rest === undefined;
    return { number, size, md5: md5.digest('hex'), isLast: this.#isOver };
  }

  /** The next bytes that are not none; undefined at the end. */
  async #chunk(): Promise<Buffer | undefined> {
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest) return rest;
    for (;;) {
      this.#isPulling = true;
      const { value, done } = await orAborted(this.#iterator.next(), this.#signal);
      this.#isPulling = false;
      if (done === true) return undefined;
      if (value.length > 0) return value;
    }
  }
}

/** What `work` gives, or a rejection with the signal's reason as soon as it aborts. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const stop = (): void => reject(signal.reason as Error);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
