import type { Socket } from 'node:net';
import { HostError } from '../../core/errors.ts';
import { startNodeHelper, type NodeHelper } from '../command.ts';
import { namespaceInode, type Namespace } from './namespace.ts';

/** What is asked of connect-helper.ts. */
export interface ConnectRequest extends Target {
  readonly id: number;
  readonly timeoutMs: number;
}

/** With the connection beside it, or with the system's error code. */
export interface ConnectAnswer {
  readonly id: number;
  readonly code?: string;
}

export interface Target {
  readonly address: string;
  readonly port: number;
}

export interface ConnectorOptions {
  /** Asked at each start: it may have been made anew since. */
  readonly namespace: () => Namespace;
  /** The program that connects (dist/connect-helper.js). */
  readonly helper: string;
}

const TIMEOUT_MS = 10_000;

/**
 * Makes connections in another network namespace. Node cannot change its own, but a socket belongs to the namespace
 * that it was made in, wherever it is used: a helper inside connects and hands it over. The helper ends with us,
 * however we end, and is started again when it is gone or its namespace is.
 */
export class Connector {
  readonly #options: ConnectorOptions;
  #helper: Helper | undefined;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** A connection to a port in there. Throws `ConnectionRefused`, `ConnectionTimedOut` or `ConnectionFailed`. */
  async connect(target: Target, timeoutMs = TIMEOUT_MS): Promise<Socket> {
    const helper = this.#living();
    try {
      return await helper.connect(target, timeoutMs);
    } catch (error) {
      // It had died, and we hear of it only now.
      if (!helper.hasEnded || this.#helper !== helper) throw error;
      return this.#living().connect(target, timeoutMs);
    }
  }

  /** Lets go of the namespace. Connections that were handed over go on. */
  close(): void {
    this.#helper?.end();
    this.#helper = undefined;
  }

  #living(): Helper {
    const namespace = this.#options.namespace();
    const inode = namespaceInode(namespace);
    if (inode === undefined)
      throw new HostError('ConnectionFailed', 'the network that it is in is not there', {
        hint: 'bonami doctor',
      });
    if (this.#helper === undefined || this.#helper.hasEnded || this.#helper.inode !== inode) {
      this.#helper?.end();
      this.#helper = new Helper(startNodeHelper(namespace.enter, this.#options.helper, []), inode);
    }
    return this.#helper;
  }
}

interface Waiting {
  readonly target: Target;
  readonly resolve: (socket: Socket) => void;
  readonly reject: (error: HostError) => void;
}

class Helper {
  readonly inode: number;
  readonly #child: NodeHelper;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  hasEnded = false;

  constructor(child: NodeHelper, inode: number) {
    this.inode = inode;
    this.#child = child;
    child.on('message', (message, handle) =>
      this.#hear(message as ConnectAnswer, handle as Socket | undefined),
    );
    for (const event of ['error', 'exit'] as const) child.once(event, (cause) => this.#mourn(cause));
  }

  async connect(target: Target, timeoutMs: number): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const id = ++this.#asked;
      this.#waiting.set(id, { target, resolve, reject });
      this.#child.send({ id, ...target, timeoutMs } satisfies ConnectRequest, (error) => {
        if (error) this.#mourn(error);
      });
    });
  }

  end(): void {
    if (this.#child.connected) this.#child.disconnect();
  }

  #hear({ id, code }: ConnectAnswer, socket: Socket | undefined): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (waiting === undefined) {
      // Whoever asked for it was told already that there is none.
      socket?.destroy();
      return;
    }
    // A connection that was reset on its way here arrives as nothing.
    if (socket === undefined) waiting.reject(refusal(waiting.target, code ?? 'ECONNRESET'));
    else {
      // Each side ends what it says for itself (net.Socket, `allowHalfOpen`).
      socket.allowHalfOpen = true;
      waiting.resolve(socket);
    }
  }

  #mourn(cause: unknown): void {
    this.hasEnded = true;
    for (const { reject } of this.#waiting.values())
      reject(
        new HostError('ConnectionFailed', 'the network that it is in cannot be entered', {
          hint: 'bonami doctor',
          ...(cause instanceof Error ? { cause } : {}),
        }),
      );
    this.#waiting.clear();
  }
}

function refusal({ address, port }: Target, code: string): HostError {
  switch (code) {
    case 'ECONNREFUSED':
      return new HostError('ConnectionRefused', `nothing listens on port ${port} of ${address}`);
    case 'ETIMEDOUT':
      return new HostError('ConnectionTimedOut', `${address} does not answer on port ${port}`);
    default:
      return new HostError('ConnectionFailed', `cannot connect to port ${port} of ${address} (${code})`);
  }
}
