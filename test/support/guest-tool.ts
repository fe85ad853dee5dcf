// The two ways to use guest.py: one command to its end, or a command that goes on.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { execa } from 'execa';
import { namedNamespace } from '../../src/host/link/namespace.ts';

const SCRIPT = join(import.meta.dirname, 'guest.py');
const PATIENCE_MS = 10_000;

/** A command of guest.py that goes on until it is closed. */
export class Conversation {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #lines: Interface;
  readonly #heard: AsyncIterator<string>;

  constructor(namespace: string | undefined, args: readonly string[]) {
    const [command, ...words] = wrapped(namespace, args);
    const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#ended = once(child, 'close');
    this.#lines = createInterface({ input: child.stdout });
    this.#heard = this.#lines[Symbol.asyncIterator]();
  }

  /** What it says next; an error when it says nothing. */
  async next(): Promise<unknown> {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('nothing was said')), PATIENCE_MS);
    });
    const { value, done } = await Promise.race([this.#heard.next(), silence]).finally(() =>
      clearTimeout(timer),
    );
    if (done === true) throw new Error('it has ended');
    return JSON.parse(value);
  }

  /** Everything it says until and with the first thing that `isLast`. */
  async until(isLast: (said: unknown) => boolean): Promise<readonly unknown[]> {
    const all: unknown[] = [];
    do all.push(await this.next());
    while (!isLast(all.at(-1)));
    return all;
  }

  async ask(line: string): Promise<unknown> {
    this.#child.stdin?.write(`${line}\n`);
    return this.next();
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
    this.#lines.close();
  }
}

/** One command of guest.py to its end, in a namespace or on the host. */
export async function tool(namespace: string | undefined, ...args: readonly string[]): Promise<unknown> {
  const [command, ...words] = wrapped(namespace, args);
  const { stdout } = await execa(command, words, { stdin: 'ignore' });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? 'null');
}

function wrapped(namespace: string | undefined, args: readonly string[]): [string, ...string[]] {
  const python = ['/usr/bin/python3', '-B', SCRIPT, ...args];
  return namespace === undefined
    ? ['env', ...python]
    : ['nsenter', `--net=${namedNamespace(namespace).file}`, ...python];
}
