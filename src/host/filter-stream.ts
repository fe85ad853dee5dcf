import { Readable, type Writable } from 'node:stream';
import type { Failure, PipedChild } from './command.ts';
import { closed, reasonOf, roomIn } from './streams.ts';

export interface FilterOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the program's pid. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
  /** Called with what goes in, before it does. What it throws ends the program and is the stream's error. */
  readonly onInput?: (chunk: Buffer) => void;
  /** The same for what comes out. */
  readonly onOutput?: (chunk: Buffer) => void;
  /** For a program that tells some failures on standard error only: whether a word there is one. */
  readonly isSilent?: boolean | undefined;
  /** What a failure means; `CommandFailed` when not given or undefined. */
  readonly asError?: (failure: Failure) => Error | undefined;
}

export interface StartedFilter {
  readonly child: PipedChild;
  readonly asError: (failure: Failure) => Error;
}

/** The beginning of what a program says on standard error is kept; the program may be a stranger's puppet. */
const MAX_STDERR = 16 * 1024;

/** What is held at most between a program and who reads its output: stopping and starting a pipe costs time. */
const HELD_BYTES = 2 ** 20;

/** The output of a program that reads another stream: see `filter`. It owns both the program and that stream. */
export class FilterStream extends Readable {
  readonly #start: () => Promise<StartedFilter>;
  readonly #input: Readable;
  readonly #options: FilterOptions;
  readonly #abort = (): void => void this.destroy(reasonOf(this.#options.signal));
  #child: PipedChild | undefined;
  #closed: Promise<void> = Promise.resolve();
  #stderr = '';

  constructor(start: () => Promise<StartedFilter>, input: Readable, options: FilterOptions) {
    super({ highWaterMark: HELD_BYTES });
    this.#start = start;
    this.#input = input;
    this.#options = options;
    options.signal?.addEventListener('abort', this.#abort, { once: true });
    input.once('error', (error) => this.destroy(error));
  }

  override _construct(callback: (error?: Error | null) => void): void {
    this.#begin().then(() => callback(), callback);
  }

  override _read(): void {
    this.#child?.stdout.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#options.signal?.removeEventListener('abort', this.#abort);
    // A child that has ended is not signalled: Node knows, and its number may be another's by now.
    this.#child?.kill('SIGKILL');
    this.#child?.stdin.destroy();
    this.#child?.stdout.destroy();
    void Promise.all([closed(this.#input), this.#closed]).then(() => callback(error));
  }

  async #begin(): Promise<void> {
    const { child, asError } = await this.#start();
    this.#child = child;
    this.#closed = new Promise((resolve) => child.once('close', () => resolve()));
    child.once('close', (code, signal) => this.#end(asError, code, signal));
    for (const stream of [child, child.stdin, child.stdout, child.stderr])
      // How the program ended says it better than a broken pipe.
      stream.on('error', () => {});
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(0, MAX_STDERR);
    });
    child.stdout.on('data', (chunk: Buffer) => this.#take(chunk)).pause();
    if (child.pid !== undefined) this.#options.onSpawn?.(child.pid);
    void this.#feed(child.stdin);
  }

  #take(chunk: Buffer): void {
    try {
      this.#options.onOutput?.(chunk);
      if (!this.push(chunk)) this.#child?.stdout.pause();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  async #feed(stdin: Writable): Promise<void> {
    try {
      // A program that ends early says why itself: the input must not be made to fail before it has.
      for await (const chunk of this.#input.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        this.#options.onInput?.(chunk);
        if (!stdin.write(chunk)) await roomIn(stdin);
        if (stdin.destroyed) return;
      }
      stdin.end();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #end(asError: StartedFilter['asError'], code: number | null, signal: string | null): void {
    const isFine = code === 0 && !(this.#options.isSilent === true && this.#stderr !== '');
    if (this.destroyed) return;
    if (isFine) {
      this.push(null);
      return;
    }
    const failure = { exitCode: code ?? -1, signal: signal ?? undefined, stderr: this.#stderr };
    this.destroy(this.#options.asError?.(failure) ?? asError(failure));
  }
}
