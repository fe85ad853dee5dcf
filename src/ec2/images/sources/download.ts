import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, messageOf } from '../../../core/errors.ts';
import { type Version, bytesToSkip, changed, rangeHeaders, versionOf } from './byte-range.ts';
import {
  type Answer,
  type ConnectionOptions,
  IDLE_TIMEOUT_MS,
  StatusError,
  follow,
  shown,
  silence,
} from './connection.ts';

/** Failures in a row, without one byte in between, after which a download is given up. */
const MAX_FAILURES = 5;

export interface DownloadOptions extends ConnectionOptions {
  /** A longer file is refused. */
  readonly maxBytes: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total?: number }) => void;
  /** Before the first attempt to go on; doubles with every failure in a row. */
  readonly retryPauseMs?: number;
}

interface Start {
  readonly origin: URL;
  readonly options: DownloadOptions;
  readonly stop: AbortController;
  readonly answer: Answer;
}

/**
 * The bytes of one file, over as many connections as it takes. After a drop or a silence it goes on where it was, at
 * the place that answered and then from the first URL, and only with the same version of the file: what has been
 * handed on is never followed by bytes of another.
 */
export class Download extends Readable {
  readonly version: Version;
  readonly #origin: URL;
  readonly #options: DownloadOptions;
  readonly #stop: AbortController;
  #place: URL;
  #body: AsyncIterator<Buffer, void> | undefined;
  /** Bytes at the beginning of this connection's that are here already. */
  #skip = 0;
  #done = 0;
  #failures = 0;

  private constructor({ origin, options, stop, answer }: Start) {
    super();
    this.#origin = origin;
    this.#options = options;
    this.#stop = stop;
    this.#place = answer.url;
    this.version = versionOf(answer.response);
    this.#body = this.#received(answer.response);
  }

  /** Throws as `follow` does, and `DownloadFailed` when the file is too long. */
  static async start(origin: URL, given: DownloadOptions): Promise<Download> {
    // Ends every connection when nobody wants the bytes any more.
    const stop = new AbortController();
    const options = { ...given, signal: AbortSignal.any([given.signal, stop.signal]) };
    const answer = await follow(origin, options);
    const download = new Download({ origin, options, stop, answer });
    if ((download.version.length ?? 0) <= options.maxBytes) return download;
    download.destroy();
    throw tooLong(origin, options.maxBytes);
  }

  /** The place that answered last. */
  get place(): URL {
    return this.#place;
  }

  override _read(): void {
    this.#next().then(
      (chunk) => this.push(chunk),
      (error: unknown) => this.destroy(error instanceof Error ? error : new Error(String(error))),
    );
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#stop.abort();
    callback(error);
  }

  /** The next bytes, or null at the end. */
  async #next(): Promise<Buffer | null> {
    for (;;) {
      const step = await this.#step().catch(async (error: unknown) => this.#recover(error));
      if (step !== undefined) return step;
    }
  }

  /** Undefined when there is nothing to hand on yet. */
  async #step(): Promise<Buffer | null | undefined> {
    this.#options.signal.throwIfAborted();
    this.#body ??= await this.#reopen();
    const { value, done } = await this.#body.next();
    if (done !== true) return this.#take(value as Buffer);
    const { length = this.#done } = this.version;
    if (this.#done < length || this.#skip > 0) throw new Error('the connection ended early');
    return null;
  }

  #take(chunk: Buffer): Buffer | undefined {
    const fresh = chunk.subarray(this.#skip);
    this.#skip -= chunk.length - fresh.length;
    if (fresh.length === 0) return undefined;
    this.#failures = 0;
    this.#done += fresh.length;
    const [done, total] = [this.#done, this.version.length];
    const { maxBytes, onProgress } = this.#options;
    if (done > maxBytes) throw tooLong(this.#origin, maxBytes);
    if (total !== undefined && done > total) throw changed(shown(this.#place));
    onProgress?.(total === undefined ? { done } : { done, total });
    return fresh;
  }

  /** Waits until another attempt makes sense. Throws when none does. */
  async #recover(error: unknown): Promise<undefined> {
    this.#body = undefined;
    const isTransient =
      !(error instanceof HostError) || error.code === 'Unreachable' || error instanceof StatusError;
    if (this.#options.signal.aborted || !isTransient) throw error;
    this.#failures += 1;
    const canGoOn = this.#done === 0 || this.version.validator !== undefined;
    if (!canGoOn || this.#failures > MAX_FAILURES) throw this.#givenUp(error);
    const { retryPauseMs = 1000 } = this.#options;
    await sleep(retryPauseMs * 2 ** (this.#failures - 1), undefined, { signal: this.#options.signal });
    return undefined;
  }

  async #reopen(): Promise<AsyncIterator<Buffer, void>> {
    const from = this.#done;
    const wanted = from === 0 ? {} : rangeHeaders(this.version, from);
    const start = this.#failures > 1 ? this.#origin : this.#place;
    const { response, url } = await follow(start, this.#options, wanted).catch((error: unknown) => {
      // The file has become shorter than what is here of it.
      if (error instanceof StatusError && error.status === 416) throw changed(shown(start));
      throw error;
    });
    try {
      this.#skip = bytesToSkip(response, { version: this.version, from, place: shown(url) });
    } catch (error) {
      response.destroy();
      throw error;
    }
    this.#place = url;
    return this.#received(response);
  }

  /** One connection's bytes. Only the wait for the other side counts as silence, not that of whoever reads us. */
  async *#received(body: IncomingMessage): AsyncGenerator<Buffer, void> {
    const { idleTimeoutMs = IDLE_TIMEOUT_MS } = this.#options;
    const watch = (): NodeJS.Timeout => setTimeout(() => body.destroy(silence(idleTimeoutMs)), idleTimeoutMs);
    let timer = watch();
    try {
      for await (const chunk of body) {
        clearTimeout(timer);
        yield chunk as Buffer;
        timer = watch();
      }
    } finally {
      clearTimeout(timer);
      body.destroy();
    }
  }

  #givenUp(cause: unknown): HostError {
    const { length } = this.version;
    const amount = length === undefined ? `${this.#done}` : `${this.#done} of ${length}`;
    return new HostError(
      'DownloadFailed',
      `the download of '${shown(this.#origin)}' failed: ${messageOf(cause)}`,
      { hint: 'try again', details: [`${amount} bytes had arrived`], cause },
    );
  }
}

function tooLong(url: URL, maxBytes: number): HostError {
  return new HostError('DownloadFailed', `'${shown(url)}' is longer than ${maxBytes} bytes`);
}
