// Ports that are passed on, with real sockets and a real helper; the namespace that it connects in is our own.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Connector } from '../../../../src/host/link/connector.ts';
import { OWN_NAMESPACE } from '../../../../src/host/link/namespace.ts';
import { forwardPort, type OpenForward } from '../../../../src/host/link/port-forward.ts';
import { listenerOn } from '../../../../src/host/link/port-owner.ts';
import { commandOf, processesThat } from '../../../../src/host/process/processes.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const folder = temporaryFolder();
const helper = join(folder.path, 'connect-helper.mjs');
const servers: Server[] = [];
let connector: Connector;
const forwards: OpenForward[] = [];

beforeAll(async () => {
  await build({
    entryPoints: [join(import.meta.dirname, '../../../../src/host/link/connect-helper.ts')],
    outfile: helper,
    bundle: true,
    format: 'esm',
    platform: 'node',
  });
  connector = new Connector({ namespace: () => OWN_NAMESPACE, helper });
});
afterEach(() => {
  for (const each of forwards.splice(0)) each.close();
  for (const each of servers.splice(0)) each.close();
});
afterAll(() => {
  connector.close();
  folder[Symbol.dispose]();
});

const helpers = (): readonly number[] => processesThat((pid) => commandOf(pid).includes(helper));

/** A service on this host; its port. */
async function serve(talk: (caller: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (caller) => {
    caller.on('error', () => undefined);
    talk(caller);
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return (server.address() as AddressInfo).port;
}

const echo = (caller: Socket): void => void caller.pipe(caller);

/** A port that leads to that service, and what could not be passed on. */
async function forwardTo(port: number): Promise<OpenForward & { readonly refused: string[] }> {
  const refused: string[] = [];
  const forward = await forwardPort(
    { address: '127.0.0.1', port: 0 },
    {
      connect: async () => connector.connect({ address: '127.0.0.1', port }),
      onRefused: (error) => refused.push((error as { code: string }).code),
    },
  );
  forwards.push(forward);
  return { ...forward, refused };
}

function call(port: number): Socket {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  return socket;
}

/** Everything that is said to us until the end; an error when it is no end. */
async function heard(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  return new Promise((resolve, reject) => {
    socket.once('end', () => resolve(Buffer.concat(chunks)));
    socket.once('error', reject);
  });
}

describe('a connection that is passed on', () => {
  test('may be ended by the caller before the answer comes', async () => {
    const port = await serve((caller) => {
      let asked = '';
      caller.on('data', (bytes) => (asked += bytes.toString()));
      caller.on('end', () => caller.end(`you said ${asked}`));
    });
    const socket = call((await forwardTo(port)).port);
    socket.end('hello');
    expect((await heard(socket)).toString()).toBe('you said hello');
  });

  test('may be ended by the service while the caller goes on', async () => {
    let rest = '';
    const port = await serve((caller) => {
      caller.end('goodbye');
      caller.on('data', (bytes) => (rest += bytes.toString()));
    });
    const socket = call((await forwardTo(port)).port);
    expect((await heard(socket)).toString()).toBe('goodbye');
    socket.end('still here');
    await expect.poll(() => rest).toBe('still here');
  });

  test('loses nothing of what the service says first', async () => {
    const greeting = randomBytes(200_000);
    const port = await serve((caller) => caller.end(greeting));
    const forward = await forwardTo(port);
    for (let round = 0; round < 10; round++)
      expect((await heard(call(forward.port))).equals(greeting)).toBe(true);
  });

  test('carries much in both directions at once, whoever is slower', async () => {
    let service: Socket | undefined;
    const port = await serve((caller) => echo((service = caller)));
    const sent = randomBytes(64 << 20);
    const socket = call((await forwardTo(port)).port);
    socket.end(sent);
    // Nobody reads for a while: the rest waits where it is and not on its way.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(service?.bytesRead).toBeGreaterThan(0);
    expect(service?.bytesRead).toBeLessThan(sent.length);
    expect((await heard(socket)).equals(sent)).toBe(true);
  });

  test('is one of hundreds', async () => {
    const forward = await forwardTo(await serve(echo));
    const answers = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const socket = call(forward.port);
        socket.end(`caller ${index}`);
        return (await heard(socket)).toString();
      }),
    );
    expect(answers).toEqual(answers.map((_, index) => `caller ${index}`));
    expect(helpers()).toHaveLength(1);
  });

  test('that the service resets is reset for the caller: it must not look like an end', async () => {
    const port = await serve((caller) => {
      caller.write('half of');
      caller.once('data', () => caller.resetAndDestroy());
    });
    const socket = call((await forwardTo(port)).port);
    socket.write('go on');
    await expect(heard(socket)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('that the caller resets is reset for the service', async () => {
    let outcome = '';
    const port = await serve((caller) => {
      caller
        .once('end', () => (outcome = 'ended'))
        .once('error', ({ code }: NodeJS.ErrnoException) => (outcome = code ?? ''));
      caller.once('data', () => (outcome = 'began'));
    });
    const socket = call((await forwardTo(port)).port);
    socket.write('half of');
    await expect.poll(() => outcome).toBe('began');
    socket.resetAndDestroy();
    await expect.poll(() => outcome).toBe('ECONNRESET');
  });
});

test('where nothing listens the caller is reset and the reason is told; the next one may find a service', async () => {
  const port = await serve(echo);
  await new Promise((resolve) => servers.pop()?.close(resolve));
  const forward = await forwardTo(port);
  await expect(heard(call(forward.port))).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(forward.refused).toEqual(['ConnectionRefused']);
  const server = createServer(echo).listen(port, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const socket = call(forward.port);
  socket.end('again');
  expect((await heard(socket)).toString()).toBe('again');
});

test('a helper that was killed is replaced, and connections go on without it', async () => {
  const forward = await forwardTo(await serve(echo));
  const old = call(forward.port);
  old.write('one ');
  await once(old, 'data');
  for (const pid of helpers()) process.kill(pid, 'SIGKILL');
  await expect.poll(helpers).toEqual([]);
  const fresh = call(forward.port);
  fresh.end('new');
  expect((await heard(fresh)).toString()).toBe('new');
  old.end('two');
  expect((await heard(old)).toString()).toBe('two');
});

test('a connection that nobody waits for any more is closed', async () => {
  // It hands over one that is too late before the one that was asked for.
  const tardy = join(folder.path, 'tardy-helper.mjs');
  writeFileSync(
    tardy,
    `import { connect } from 'node:net';
process.on('message', ({ id, address, port }) => {
  const late = connect({ host: address, port }, () => {
    process.send({ id: id - 1 }, late, {}, () => {
      const socket = connect({ host: address, port }, () => process.send({ id }, socket));
    });
  });
});
`,
  );
  const own = new Connector({ namespace: () => OWN_NAMESPACE, helper: tardy });
  const ended: boolean[] = [];
  const port = await serve((caller) => {
    const index = ended.push(false) - 1;
    caller.resume().once('end', () => {
      ended[index] = true;
      caller.end();
    });
  });
  const socket = await own.connect({ address: '127.0.0.1', port });
  await expect.poll(() => ended).toEqual([true, false]);
  socket.destroy();
  own.close();
});

test('closing ends the helper, the port and its connections', async () => {
  const own = new Connector({ namespace: () => OWN_NAMESPACE, helper });
  const port = await serve(echo);
  const before = helpers().length;
  const forward = await forwardPort(
    { address: '127.0.0.1', port: 0 },
    { connect: async () => own.connect({ address: '127.0.0.1', port }), onRefused: () => undefined },
  );
  const socket = call(forward.port);
  socket.write('x');
  await once(socket, 'data');
  expect(helpers()).toHaveLength(before + 1);
  forward.close();
  own.close();
  await once(socket, 'end');
  await expect.poll(() => helpers().length).toBe(before);
  await expect(heard(call(forward.port))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(listenerOn(forward.port)).toBeUndefined();
});

describe('a port that cannot be had', () => {
  const none = { connect: async () => Promise.reject(new Error()), onRefused: () => undefined };

  test('is in use, and by whom', async () => {
    const port = await serve(echo);
    await expect(forwardPort({ address: '127.0.0.1', port }, none)).rejects.toMatchObject({
      code: 'PortInUse',
      message: expect.stringMatching(
        new RegExp(`^127\\.0\\.0\\.1:${port} is in use by '.*' \\(pid ${process.pid}\\)$`),
      ),
    });
  });

  test('is on an address of another host', async () => {
    await expect(forwardPort({ address: '192.0.2.1', port: 0 }, none)).rejects.toMatchObject({
      code: 'ListenFailed',
      message: 'this host has no address 192.0.2.1',
    });
  });
});

test('a network that is not there says so', async () => {
  const lost = new Connector({ namespace: () => ({ enter: [], file: '/run/netns/none' }), helper });
  await expect(lost.connect({ address: '127.0.0.1', port: 1 })).rejects.toMatchObject({
    code: 'ConnectionFailed',
  });
});

test('a network that cannot be entered says so', async () => {
  const closed = new Connector({
    namespace: () => ({ enter: ['false'], file: OWN_NAMESPACE.file }),
    helper,
  });
  await expect(closed.connect({ address: '127.0.0.1', port: 1 })).rejects.toMatchObject({
    code: 'ConnectionFailed',
  });
});
