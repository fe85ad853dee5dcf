import { connect, type Socket } from 'node:net';
import { HostError, errnoOf } from '../../core/errors.ts';
import { waitUntil } from '../wait-until.ts';

/** An event of QEMU's: QMP reference manual, "Events". */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface Reply {
  readonly id?: number;
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
}

/** Milliseconds that most commands may take; QEMU answers while it runs, so silence is a sign of trouble. */
const COMMAND_TIMEOUT = 5_000;

/**
 * One client on one of a machine's QMP sockets. Each socket serves one client at a time: a second one is accepted
 * by the kernel but never greeted, so connections are kept short (CLI) or for life (agent), each on its own socket.
 */
export class QmpConnection {
  readonly #socket: Socket;
  readonly #pending = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #nextId = 1;
  #buffer = '';
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        for (const { reject } of this.#pending.values())
          reject(new HostError('MachineDied', 'the machine ended while it was being asked'));
        this.#pending.clear();
        resolve();
      });
    });
  }

  /**
   * Connects, waits for the greeting and negotiates. Keeps trying while the socket is not there yet and `alive`
   * says that QEMU is; throws `QmpSilent` after `timeoutMs` and `MachineDied` as soon as QEMU is gone.
   */
  static async open(
    path: string,
    { timeoutMs, alive }: { timeoutMs: number; alive: () => boolean },
  ): Promise<QmpConnection> {
    const deadline = performance.now() + timeoutMs;
    const socket = await waitUntil(
      async () => {
        const attempt = await tryConnect(path);
        if (attempt === undefined && !alive())
          throw new HostError('MachineDied', 'the machine ended before it could be asked');
        return attempt;
      },
      { timeoutMs, pauseMs: 2, maxPauseMs: 50 },
    );
    if (socket === undefined) throw silent(path, timeoutMs);
    const connection = new QmpConnection(socket);
    try {
      await connection.#greeted(Math.max(1, deadline - performance.now()), path);
      await connection.execute('qmp_capabilities');
    } catch (error) {
      connection.close();
      throw error;
    }
    return connection;
  }

  async #greeted(timeoutMs: number, path: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(silent(path, timeoutMs)), timeoutMs);
      this.#pending.set(0, {
        resolve: () => (clearTimeout(timer), resolve()),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      this.#socket.setEncoding('utf8');
      this.#socket.on('data', (chunk: string) => this.#receive(chunk));
    });
  }

  /** Runs one command. Throws `QmpRefused` with QEMU's own words, or `QmpSilent` when no answer comes. */
  async execute(
    command: string,
    args?: Readonly<Record<string, unknown>>,
    timeoutMs = COMMAND_TIMEOUT,
  ): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(
          new HostError('QmpSilent', `the machine did not answer '${command}' within ${timeoutMs / 1000} s`),
        );
      }, timeoutMs);
      this.#pending.set(id, {
        resolve: (value) => (clearTimeout(timer), resolve(value)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      this.#socket.write(
        `${JSON.stringify({ execute: command, id, ...(args ? { arguments: args } : {}) })}\n`,
      );
    });
  }

  onEvent(listener: (event: QmpEvent) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: string): void {
    const lines = (this.#buffer + chunk).split('\n');
    this.#buffer = lines.pop() ?? '';
    for (const line of lines) {
      if (line.trim() === '') continue;
      const message = JSON.parse(line) as Reply & Partial<QmpEvent> & { readonly QMP?: unknown };
      if (message.QMP !== undefined) this.#settle(0, (waiter) => waiter.resolve(undefined));
      else if (message.event !== undefined)
        for (const listener of this.#listeners) listener(message as QmpEvent);
      else if (message.id !== undefined) {
        const { error } = message;
        this.#settle(message.id, (waiter) =>
          error ? waiter.reject(new HostError('QmpRefused', error.desc)) : waiter.resolve(message.return),
        );
      }
    }
  }

  #settle(
    id: number,
    answer: (waiter: { resolve: (value: unknown) => void; reject: (error: Error) => void }) => void,
  ): void {
    const waiter = this.#pending.get(id);
    this.#pending.delete(id);
    if (waiter) answer(waiter);
  }
}

function silent(path: string, timeoutMs: number): HostError {
  return new HostError('QmpSilent', `no greeting from '${path}' within ${Math.round(timeoutMs / 1000)} s`, {
    hint: 'another client may hold this socket: try again when it is done',
  });
}

async function tryConnect(path: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      // From here on an error is followed by 'close', which is what everybody waits for.
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.once('error', (error) => {
      const code = errnoOf(error);
      if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EAGAIN') resolve(undefined);
      else
        reject(
          new HostError('QmpUnreachable', `cannot connect to '${path}': ${error.message}`, { cause: error }),
        );
    });
  });
}
