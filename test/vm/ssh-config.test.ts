// Plain ssh and scp, as OpenSSH's client has them, and bonami's own, where they may come in and where they may not.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { processesThat, commandOf } from '../../src/host/process/processes.ts';
import { openCloud, PROGRAM, type Answer, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, leaksSince, snapshot, type Snapshot } from '../support/leaks.ts';

/** Of a user who reaches everything else by way of another host. */
const USER_CONFIG = 'Host *\n  ConnectTimeout 5\n  ProxyJump nowhere.invalid\n';

let before: Snapshot;
let cloud: Cloud;
let id: string;
let userConfig: string;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  userConfig = join(cloud.home, 'dot-ssh/config');
  mkdirSync(join(cloud.home, 'dot-ssh'), { mode: 0o700 });
  writeFileSync(userConfig, USER_CONFIG, { mode: 0o600 });
  await cloud.bonami('ssh-config', '--install', '--config', userConfig);
  const [instance] = await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  id = instance?.InstanceId ?? '';
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

/** A program that reads the user's OpenSSH configuration. */
async function openssh(program: 'ssh' | 'scp', ...args: readonly string[]): Promise<Answer> {
  const { exitCode, stdout, stderr } = await execa(program, ['-F', userConfig, ...args], {
    reject: false,
    stdin: 'ignore',
  });
  return { code: exitCode ?? -1, stdout, stderr };
}

const installed = (): string => readFileSync(cloud.layout.sshConfig, 'utf8');

test('plain ssh finds a launched instance by its name and by its id', async () => {
  expect(await openssh('ssh', 'web.bonami', 'hostname; exit 7')).toMatchObject({ code: 7 });
  expect((await openssh('ssh', `${id}.bonami`, 'echo here')).stdout).toBe('here');
  const known = readFileSync(join(cloud.layout.instance(id as `i-${string}`).folder, 'known_hosts'), 'utf8');
  expect(known).toMatch(new RegExp(`^${id} ssh-`));
});

test('plain scp copies both ways', async () => {
  const [there, back] = [join(cloud.home, 'there.txt'), join(cloud.home, 'back.txt')];
  writeFileSync(there, 'over the wire\n');
  expect(await openssh('scp', there, 'web.bonami:/run/there.txt')).toMatchObject({ code: 0 });
  expect(await openssh('scp', 'web.bonami:/run/there.txt', back)).toMatchObject({ code: 0 });
  expect(readFileSync(back, 'utf8')).toBe('over the wire\n');
});

test('a new name is there at once', async () => {
  await cloud.bonami('tag', 'add', 'web', 'Name=shop');
  expect((await openssh('ssh', 'shop.bonami', 'echo here')).stdout).toBe('here');
  expect(installed()).not.toContain('web.bonami');
  await cloud.bonami('tag', 'add', 'shop', 'Name=web');
});

test('a port is passed on that no group has opened', async () => {
  const child = spawn(process.execPath, [PROGRAM, 'port-forward', 'web', ':22'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, BONAMI_HOME: cloud.home },
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const port = Number(/:(\d+) -> /.exec(String(line))?.[1]);
  const socket = connect(port, '127.0.0.1');
  expect(String((await once(socket, 'data'))[0])).toMatch(/^SSH-2\.0-/);
  socket.destroy();
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([130, null]);
});

test('an instance whose groups keep this host out says so, and is reached from inside', async () => {
  await cloud.bonami('sg', 'create', 'closed');
  const [made] = await cloud.run('tiny', '-n', 'db', '-t', 't3.nano', '-g', 'closed', '--wait', 'ssh');
  const groupId = made?.SecurityGroups?.[0]?.GroupId ?? '';
  const refused = await cloud.try(['ssh', 'db', '--', 'true']);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('ConnectionNotAllowed');
  expect(refused.stderr).toContain(`bonami sg authorize ${groupId} -p 22 --from 169.254.96.0/20`);
  expect((await cloud.try(['ssh', '--inside', 'db', '--', 'echo here; exit 5'])).code).toBe(5);
  const file = join(cloud.home, 'inside.txt');
  writeFileSync(file, 'from inside\n');
  await cloud.bonami('cp', '--inside', file, 'db:/run/inside.txt');
  expect(await cloud.bonami('ssh', '--inside', 'db', '--', 'cat', '/run/inside.txt')).toBe('from inside\n');
  const much = await cloud.try(['ssh', '--inside', 'db', '--', 'md5sum'], { input: 'x'.repeat(1 << 20) });
  expect(much.stdout).toBe(
    `${createHash('md5')
      .update('x'.repeat(1 << 20))
      .digest('hex')}  -\n`,
  );
  await cloud.bonami('sg', 'authorize', groupId, '-p', '22', '--from', '169.254.96.0/20');
  expect(await cloud.bonami('ssh', 'db', '--', 'echo', 'here')).toBe('here\n');
  await cloud.bonami('terminate', 'db');
  expect(installed()).not.toContain('db.bonami');
});

/** A session from inside that would last, once it is there. */
async function session(): Promise<{ readonly ssh: number; readonly ended: Promise<unknown> }> {
  await cloud.inGuest('web', 'rm -f /run/session');
  const command = 'touch /run/session; sleep 600';
  const ended = execa(process.execPath, [PROGRAM, 'ssh', '--inside', 'web', '--', command], {
    reject: false,
    stdin: 'ignore',
    env: { BONAMI_HOME: cloud.home },
  });
  await expect
    .poll(async () => cloud.inGuest('web', 'ls /run/session || true'), { timeout: 30_000 })
    .toBe('/run/session');
  const [ssh] = processesThat((pid) => commandOf(pid)[0] === 'ssh' && commandOf(pid).includes(command));
  if (ssh === undefined) throw new Error('there is no ssh');
  return { ssh, ended };
}

const proxies = (): readonly number[] =>
  processesThat((pid) => commandOf(pid).includes('--proxy') && commandOf(pid).includes(id));

test('a session from inside leaves no process behind, however ssh ends', async () => {
  const { ssh, ended } = await session();
  expect(proxies()).toHaveLength(1);
  process.kill(ssh, 'SIGKILL');
  await ended;
  await expect.poll(proxies, { timeout: 10_000 }).toEqual([]);
});

test('it ends with an instance that ends without a word', async () => {
  const { ended } = await session();
  await cloud.bonami('stop', '--force', 'web');
  await ended;
  await expect.poll(proxies, { timeout: 10_000 }).toEqual([]);
  await cloud.bonami('start', 'web');
  await cloud.bonami('wait', 'web', '--for', 'ssh');
  expect((await openssh('ssh', 'web.bonami', 'echo here')).stdout).toBe('here');
});

test('who ends is gone from it, and what was installed goes without a trace', async () => {
  await cloud.try(['ssh', 'web', '--', 'poweroff']);
  await cloud.bonami('wait', 'web', '--for', 'stopped');
  expect(installed()).not.toContain('Host ');
  const refused = await cloud.try(['port-forward', 'web', ':22']);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain('is stopped, so it cannot be reached');
  await cloud.bonami('ssh-config', '--remove', '--config', userConfig);
  expect(readFileSync(userConfig, 'utf8')).toBe(USER_CONFIG);
  expect(existsSync(cloud.layout.sshConfig)).toBe(false);
  await cloud.bonami('terminate', 'web');
  expect(existsSync(cloud.layout.sshConfig)).toBe(false);
  expect(await leaksSince(before, { home: cloud.home })).toEqual([]);
});
