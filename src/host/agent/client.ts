import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { HostError } from '../../core/errors.ts';
import { startDetached } from '../command.ts';
import { identify } from '../process/identity.ts';
import { tryLock } from '../process/lock.ts';
import { waitUntil } from '../wait-until.ts';
import type { AgentAnswer, AgentRequest } from './protocol.ts';

export interface AgentPaths {
  /** Held by the agent itself: there is never more than one. */
  readonly lock: string;
  readonly socket: string;
  readonly log: string;
}

const ANSWER_TIMEOUT = 20_000;
const START_TIMEOUT = 20_000;

/** One conversation with the agent; close it when done, for an open one keeps the agent alive. */
export class AgentClient {
  readonly #socket: Socket;
  #buffer = '';
  #waiting: { resolve: (answer: AgentAnswer) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      this.#buffer += chunk;
      const end = this.#buffer.indexOf('\n');
      if (end < 0) return;
      const answer = JSON.parse(this.#buffer.slice(0, end)) as AgentAnswer;
      this.#buffer = this.#buffer.slice(end + 1);
      this.#waiting?.resolve(answer);
    });
    socket.on('error', () => undefined);
    socket.on('close', () =>
      this.#waiting?.reject(
        new HostError('AgentDied', 'the agent ended while it was being asked', { hint: 'try again' }),
      ),
    );
  }

  async hello(): Promise<{ readonly build: string }> {
    return { build: (await this.#ask({ do: 'hello' })).build ?? '' };
  }

  async serve({ vpcId }: { readonly vpcId: string }): Promise<void> {
    await this.#ask({ do: 'serve', vpcId });
  }

  async release({ vpcId }: { readonly vpcId: string }): Promise<void> {
    await this.#ask({ do: 'release', vpcId });
  }

  async stop(): Promise<void> {
    await this.#ask({ do: 'stop' });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #ask(request: AgentRequest): Promise<AgentAnswer & { readonly ok: true }> {
    const answer = await new Promise<AgentAnswer>((resolve, reject) => {
      const timer = setTimeout(
        () =>
          reject(
            new HostError('AgentSilent', `the agent did not answer '${request.do}'`, {
              hint: 'bonami doctor',
            }),
          ),
        ANSWER_TIMEOUT,
      );
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          this.#waiting = undefined;
          then(value);
        };
      this.#waiting = { resolve: settle(resolve), reject: settle(reject) };
      this.#socket.write(`${JSON.stringify(request)}\n`);
    });
    if (!answer.ok) throw new HostError(answer.code, answer.message);
    return answer;
  }
}

/** The agent, if one runs. */
export async function connectAgent({
  socket: path,
}: Pick<AgentPaths, 'socket'>): Promise<AgentClient | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(new AgentClient(socket));
    });
    socket.once('error', () => resolve(undefined));
  });
}

/** Names the very program that an agent was started from: another build is replaced. */
export function agentBuild(script: string): string {
  return `${script} ${statSync(script).mtimeMs}`;
}

/** The agent, started now when none of this build runs. Two callers at once end with one agent. */
export async function ensureAgent(
  paths: AgentPaths,
  { script, home }: { readonly script: string; readonly home: string },
): Promise<AgentClient> {
  const build = agentBuild(script);
  const client = await waitUntil(
    async () => {
      const running = await connectAgent(paths);
      if (running) {
        if ((await running.hello()).build === build) return running;
        await running.stop();
        running.close();
      } else await startAgent(paths, { script, home });
      return undefined;
    },
    { timeoutMs: START_TIMEOUT, pauseMs: 10, maxPauseMs: 100 },
  );
  if (client === undefined) throw notStarted(paths);
  return client;
}

/** Starts an agent unless one already holds the lock, and waits until its socket answers or it has died. */
async function startAgent(
  paths: AgentPaths,
  { script, home }: { readonly script: string; readonly home: string },
): Promise<void> {
  const held = tryLock(paths.lock);
  // Somebody else's agent is on its way up, or on its way down.
  if (held === undefined) return;
  const output = openSync(paths.log, 'a', 0o600);
  try {
    const pid = await startDetached(
      process.execPath,
      ['--max-semi-space-size=2', '--max-old-space-size=256', script],
      {
        output,
        inherit: [held.descriptor],
        env: { BONAMI_HOME: home },
      },
    );
    held.release();
    await waitUntil(
      async () => {
        const client = await connectAgent(paths);
        client?.close();
        if (client) return true;
        if (identify(pid) === undefined) throw notStarted(paths);
        return undefined;
      },
      { timeoutMs: START_TIMEOUT, pauseMs: 5, maxPauseMs: 30 },
    );
  } finally {
    held.release();
    closeSync(output);
  }
}

function notStarted({ log }: AgentPaths): HostError {
  const said = readFileSync(log, 'utf8').trim().split('\n').slice(-5);
  return new HostError('AgentNeverStarted', 'the agent, which answers metadata requests, did not start', {
    hint: `see ${log}`,
    details: said,
  });
}
