// Composition root of the agent: answers metadata requests for every VPC, hears what machines say of themselves,
// restarts what died. Crash-only: it holds nothing that the records, the locks and the sockets do not tell again.
import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { openContext } from './compose.ts';
import { BonamiError, messageOf } from './core/errors.ts';
import type { Ec2Context } from './ec2/context.ts';
import { appendEvent } from './ec2/instances/events.ts';
import { refreshSshConfig } from './ec2/instances/ssh-config-file.ts';
import { watchMachines, type MachineWatch } from './ec2/instances/watch-machines.ts';
import { mendNetworks } from './ec2/network-findings.ts';
import { agentBuild } from './host/agent/client.ts';
import type { AgentAnswer, AgentRequest } from './host/agent/protocol.ts';
import { writeWhole } from './host/whole-file.ts';
import { MetadataListeners } from './metadata-listeners.ts';

process.umask(0o077);

/** How long an agent that has nothing to do stays, in case another launch follows. */
const IDLE_MS = 3_000;
const TICK_MS = 1_000;
const LINGER_MS = 2_000;
/** Networks are compared with their records once in so many looks; not at the first, in the middle of a launch. */
const MEND_EVERY = 10;

const log = pino({ level: process.env['BONAMI_LOG'] ?? 'info', redact: ['userData', 'token', 'key'] });
const stopping = new AbortController();
const ctx: Ec2Context = openContext({
  signal: stopping.signal,
  report: {
    progress: () => undefined,
    info: (message) => log.info(message),
    warn: (message) => log.warn(message),
  },
});

const listeners = new MetadataListeners(ctx, {
  tokenKey: homeTokenKey(),
  onError: (error) => log.warn(`metadata service: ${messageOf(error)}`),
  onRequest: (instanceId, path, status) => {
    log.debug({ instanceId, path, status }, 'imds');
    if (instanceId.startsWith('i-'))
      appendEvent(ctx.layout.instance(instanceId as `i-${string}`), {
        t: uptime(),
        kind: 'imds',
        path,
        status,
      });
  },
});
const build = agentBuild(ctx.agentScript);
const conversations = new Set<Socket>();
const machines: MachineWatch = watchMachines(ctx, (error) => log.warn(messageOf(error)));
let idleSince = performance.now();
let ticks = 0;

const door = createServer(converse);
rmSync(ctx.layout.agent.socket, { force: true });
await listen(door, ctx.layout.agent.socket);
log.info({ pid: process.pid, home: ctx.layout.home }, 'agent started');
process.on('SIGTERM', () => stopping.abort());
await live();
await close();

/** Looks at everything once a second until told to stop, or until there has been nothing to do for a while. */
async function live(): Promise<void> {
  while (!stopping.signal.aborted && performance.now() - idleSince <= IDLE_MS) {
    try {
      const active = await machines.look();
      if (++ticks % MEND_EVERY === 0) for (const line of await mendNetworks(ctx)) log.info(line);
      await listeners.keep(active);
      refreshSshConfig(ctx);
      if (active.size > 0 || conversations.size > 0) idleSince = performance.now();
    } catch (error) {
      log.warn(messageOf(error));
    }
    await sleep(TICK_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
  }
}

/** Lets go of everything. Only now, between two looks: a look in progress would take it up again. */
async function close(): Promise<void> {
  stopping.abort();
  rmSync(ctx.layout.agent.socket, { force: true });
  door.close();
  for (const socket of conversations) socket.destroy();
  machines.close();
  await listeners.close();
  log.info('agent stopped');
  // Whoever starts the next agent waits for our lock. What still holds us after this is not worth waiting for.
  setTimeout(() => {
    log.error({ held: process.getActiveResourcesInfo() }, 'agent could not end by itself');
    process.kill(process.pid, 'SIGKILL');
  }, LINGER_MS).unref();
}

function converse(socket: Socket): void {
  conversations.add(socket);
  socket.on('close', () => {
    conversations.delete(socket);
    idleSince = performance.now();
  });
  socket.on('error', () => undefined);
  socket.setEncoding('utf8');
  let buffer = '';
  let queue = Promise.resolve();
  socket.on('data', (chunk: string) => {
    const lines = (buffer + chunk).split('\n');
    buffer = lines.pop() ?? '';
    for (const line of lines)
      queue = queue.then(async () => void socket.write(`${JSON.stringify(await answer(line))}\n`));
  });
}

async function answer(line: string): Promise<AgentAnswer> {
  try {
    const request = JSON.parse(line) as AgentRequest;
    switch (request.do) {
      case 'hello':
        return { ok: true, build, pid: process.pid, serving: listeners.serving };
      case 'serve':
        await listeners.serve(request.vpcId);
        return { ok: true };
      case 'release':
        await listeners.release(request.vpcId);
        return { ok: true };
      case 'stop':
        setImmediate(() => stopping.abort());
        return { ok: true };
    }
  } catch (error) {
    return {
      ok: false,
      code: error instanceof BonamiError ? error.code : 'InternalError',
      message: messageOf(error),
    };
  }
}

/** Kept in the run folder, so that tokens outlive an agent but not a boot. */
function homeTokenKey(): { readonly key: Buffer; readonly uptime: () => number } {
  const path = join(ctx.layout.run, 'token-key');
  try {
    return { key: readFileSync(path), uptime };
  } catch {
    const key = randomBytes(32);
    writeWhole(path, key, 0o600);
    return { key, uptime };
  }
}

/** Seconds since boot: monotonic, and the same for every process. */
function uptime(): number {
  return Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
}

async function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}
