// Ports of this host that lead to guests, by the real program.
import { randomBytes } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../src/core/cidr.ts';
import { createTags, deleteTags } from '../../../src/ec2/tags/create-tags.ts';
import { commandOf, processesThat } from '../../../src/host/process/processes.ts';
import { instances } from '../../../src/store/instances.ts';
import { PROGRAM } from '../../support/cloud.ts';
import type { Guest } from '../../support/guest.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../../support/leaks.ts';
import { PrivateCloud } from '../../support/private-cloud.ts';

let before: Snapshot;
let cloud: PrivateCloud;
let guest: Guest;

beforeAll(async () => {
  if (!existsSync(PROGRAM)) throw new Error('dist/ is missing: npm run build');
  before = await snapshot();
  cloud = await PrivateCloud.open();
  guest = await cloud.boot({ name: 'web' });
  await guest.starts('serve', '80');
  await guest.starts('echo', '7');
});
afterAll(async () => {
  await PrivateCloud.closeAll();
  await expectNoLeaks(before);
});

const idOf = ({ interface: { attachment } }: Guest): string => attachment?.instanceId ?? '';
const routerAddress = (): string => addressAt(parseCidr(cloud.subnet().cidrBlock), 1);

/** A running `bonami port-forward`. */
class Forwarding {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  said = '';

  constructor(...args: readonly string[]) {
    this.process = spawn(process.execPath, [PROGRAM, 'port-forward', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, BONAMI_HOME: cloud.home.ctx.layout.home },
    });
    this.process.stderr?.on('data', (text) => (this.said += String(text)));
    this.#lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
    open.push(this);
  }

  /** The next port that it has said to listen on. */
  async port(): Promise<number> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`it has ended: ${this.said}`);
    return Number(/:(\d+) -> /.exec(String(value))?.[1]);
  }

  /** What it prints as JSON. */
  async json(): Promise<string> {
    let text = '';
    do text += (await this.#lines.next()).value;
    while (!text.endsWith('}') || text.endsWith(' }'));
    return text;
  }

  /** Its exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
    return this.process.exitCode;
  }
}
const open: Forwarding[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) {
    each.process.kill('SIGKILL');
    await each.end();
  }
});

const helpers = (): readonly number[] =>
  processesThat((pid) => commandOf(pid).some((word) => word.endsWith('connect-helper.js')));

function call(port: number, address = '127.0.0.1'): Socket {
  const socket = connect({ host: address, port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  return socket;
}

/** Everything that is said to us until the end. */
async function heard(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  return new Promise((resolve, reject) => {
    socket.once('end', () => resolve(text));
    socket.once('error', reject);
  });
}

/** What the guest's service says to a caller who says this and ends. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = call(port);
  socket.end(text);
  return heard(socket);
}

test('a free port leads to a guest whose groups let nobody in; it sees the router', async () => {
  const direct = call(80, guest.address).setTimeout(500, () => direct.destroy());
  await expect(Promise.race([heard(direct), once(direct, 'close').then(() => 'silent')])).resolves.toBe(
    'silent',
  );
  const port = await new Forwarding('web', ':80').port();
  expect(await exchange(port, 'hello\n')).toBe(`${routerAddress()}\nhello\n`);
});

test('several ports at once, one of them at another address of this host', async () => {
  const forwarding = new Forwarding('web', ':80', '127.0.0.2::80');
  const [first, second] = [await forwarding.port(), await forwarding.port()];
  expect(await exchange(first, 'a\n')).toContain('a\n');
  const socket = call(second, '127.0.0.2');
  socket.end('b\n');
  expect(await heard(socket)).toContain('b\n');
});

test('much is carried whole, by many at once', async () => {
  const port = await new Forwarding('web', ':7').port();
  const lines = Array.from({ length: 2000 }, () => randomBytes(3000).toString('hex')).join('\n');
  const answers = await Promise.all(Array.from({ length: 8 }, async () => exchange(port, lines)));
  for (const answer of answers) expect(answer === lines).toBe(true);
  const many = await Promise.all(Array.from({ length: 200 }, async (_, n) => exchange(port, `${n}`)));
  expect(many).toEqual(many.map((_, n) => `${n}`));
  expect(helpers()).toHaveLength(1);
});

test('where nothing listens a line says so, and the rest goes on', async () => {
  const forwarding = new Forwarding('web', ':81', ':80');
  const [none, some] = [await forwarding.port(), await forwarding.port()];
  await expect(exchange(none, '')).rejects.toMatchObject({ code: 'ECONNRESET' });
  await expect.poll(() => forwarding.said).toBe(`warning: nothing listens on port 81 of ${guest.address}\n`);
  expect(await exchange(some, 'x\n')).toContain('x\n');
});

describe('it ends', () => {
  const expectOver = async (forwarding: Forwarding, port: number): Promise<void> => {
    await forwarding.end();
    await expect.poll(helpers).toEqual([]);
    await expect(exchange(port, '')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  };

  test.each(['SIGINT', 'SIGTERM'] as const)('by %s, with everything that it had', async (signal) => {
    const forwarding = new Forwarding('web', ':7');
    const port = await forwarding.port();
    const socket = call(port);
    socket.write('x');
    await once(socket, 'data');
    forwarding.process.kill(signal);
    await expectOver(forwarding, port);
    expect(forwarding.process.exitCode).toBe(130);
    expect(forwarding.said).toBe('');
  });

  test('by SIGKILL just so, in the middle of a transfer and of connecting', async () => {
    const forwarding = new Forwarding('web', ':7');
    const port = await forwarding.port();
    const busy = call(port);
    busy.write(randomBytes(50_000_000));
    await once(busy, 'data');
    const connecting = Array.from({ length: 20 }, () => call(port));
    forwarding.process.kill('SIGKILL');
    await expectOver(forwarding, port);
    for (const each of [busy, ...connecting]) each.destroy();
  });

  test('with a helper that is killed only for a moment', async () => {
    const forwarding = new Forwarding('web', ':80');
    const port = await forwarding.port();
    await exchange(port, '');
    for (const pid of helpers()) process.kill(pid, 'SIGKILL');
    expect(await exchange(port, 'again\n')).toContain('again\n');
  });

  test('with the instance, and says so', async () => {
    const other = await cloud.boot();
    await other.starts('serve', '80');
    const forwarding = new Forwarding(idOf(other), ':80');
    const port = await forwarding.port();
    await exchange(port, '');
    const { db } = cloud.home.ctx;
    const record = instances.get(db, idOf(other));
    if (record === undefined) throw new Error('no record');
    instances.update(db, { ...record, state: 'stopping' });
    await expectOver(forwarding, port);
    expect(forwarding.process.exitCode).toBe(1);
    expect(forwarding.said).toContain(
      `IncorrectInstanceState: The instance '${idOf(other)}' is stopping: its ports are no longer forwarded`,
    );
    const refused = new Forwarding(idOf(other), ':80');
    expect(await refused.end()).toBe(1);
    expect(refused.said).toContain('cannot be reached');
    await cloud.unplug(other);
  });
});

test('a port that is taken is refused with the name of who has it, and nothing is left open', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const forwarding = new Forwarding('web', ':80', `${port}:80`);
  expect(await forwarding.end()).toBe(1);
  expect(forwarding.said).toContain(`PortInUse: 127.0.0.1:${port} is in use by '`);
  expect(forwarding.said).toContain(`(pid ${process.pid})`);
  server.close();
});

test('--json says what is open', async () => {
  const forwarding = new Forwarding('web', ':80', '--json');
  expect(JSON.parse(await forwarding.json())).toEqual({
    InstanceId: idOf(guest),
    Ports: [{ Address: '127.0.0.1', Port: expect.any(Number), InstancePort: 80 }],
  });
});

describe('a name', () => {
  const resolver = (): string => addressAt(parseCidr(cloud.vpc.cidrBlock), 2);
  let asking: Guest;
  beforeEach(async () => {
    asking = await cloud.boot();
  });
  afterEach(async () => cloud.unplug(asking));

  test('that a tag gives or takes is known in the VPC at once', async () => {
    const { ctx } = cloud.home;
    const found = async (name: string): Promise<readonly string[] | undefined> =>
      (await asking.dns(resolver(), name))?.records;
    expect(await found('web.internal')).toEqual([guest.address]);
    await createTags(ctx, { Resources: [idOf(guest)], Tags: [{ Key: 'Name', Value: 'db' }] });
    expect(await found('db.internal')).toEqual([guest.address]);
    expect(await found('web.internal')).toEqual([]);
    await deleteTags(ctx, { Resources: [idOf(guest)], Tags: [{ Key: 'Name' }] });
    expect(await found('db.internal')).toEqual([]);
    await createTags(ctx, { Resources: [idOf(guest)], Tags: [{ Key: 'Name', Value: 'web' }] });
    expect(await found('web.internal')).toEqual([guest.address]);
  });
});
