// bonami as an ordinary user has it: the same instances, in namespaces of the user's own, and no root anywhere.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cachedImage } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';
import { HOST_ADDRESS, OrdinaryUser, OUTSIDE_ADDRESS, SECOND_HOST_ADDRESS } from '../support/rootless.ts';

const ANCHOR = /^sleep infinity$/;
const PASSER = /^slirp4netns /;

let before: Snapshot;
let user: OrdinaryUser;

beforeAll(async () => {
  before = await snapshot();
  user = await OrdinaryUser.open();
  user.installProgram();
  const words = ['--name', 'tiny', '--user', 'root', '--first-boot', 'tiny', '--root-device', '/dev/sda1'];
  await user.bonami('image', 'import', user.give(cachedImage('tiny'), 'tiny.qcow2'), ...words);
  await user.serve('outside', OUTSIDE_ADDRESS, 8080, 'outside');
  await user.serve('host', '0.0.0.0', 8080, 'the host');
  await user.bonami('run', 'tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
});

afterAll(async () => {
  const left = await user.close();
  await expectNoLeaks(before);
  if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
});

const addressOf = async (name: string): Promise<string> =>
  (JSON.parse(await user.bonami('show', name, '--json')) as { PrivateIpAddress: string }).PrivateIpAddress;
/** What answers there, seen from a guest; nothing where nobody does. */
const answerOf = async (name: string, address: string, port: number): Promise<string> =>
  user.inGuest(name, `nc -w 3 ${address} ${port} </dev/null || true`);
const pidOf = (pattern: RegExp): number => {
  const [pid, ...others] = user.pidsOf(pattern);
  if (pid === undefined || others.length > 0) throw new Error(`${pattern}: ${pid} ${others.join(' ')}`);
  return pid;
};
/** Kills the only process of the user's with this in its command line, and waits until there is another one. */
const killed = async (pattern: RegExp): Promise<void> => {
  const pid = pidOf(pattern);
  process.kill(pid, 'SIGKILL');
  await expect
    .poll(() => user.pidsOf(pattern).filter((each) => each !== pid), { timeout: 20_000 })
    .toHaveLength(1);
};

test('the guest is reached by ssh, cp and its console, and has its metadata', async () => {
  const id = await user.inGuest('web', 'wget -qO- http://169.254.169.254/latest/meta-data/instance-id');
  expect(id).toMatch(/^i-[0-9a-f]{17}$/);
  expect(await user.bonami('ls')).toContain(id);
  const file = join(user.home, 'there.txt');
  writeFileSync(file, 'over the wire\n', { mode: 0o644 });
  await user.bonami('cp', file, 'web:/run/there.txt');
  expect(await user.inGuest('web', 'cat /run/there.txt')).toBe('over the wire');
  expect(await user.converse(['console', 'web'], '\recho answer-$((40 + 2))\r', 'answer-42')).toContain(
    'answer-42',
  );
  expect(await user.bonami('logs', 'web')).toContain(id);
});

test('it reaches the outside and its names, and nothing of the host', async () => {
  expect(await answerOf('web', OUTSIDE_ADDRESS, 8080)).toBe('outside');
  expect(await answerOf('web', HOST_ADDRESS, 8080)).toBe('');
  expect(await answerOf('web', SECOND_HOST_ADDRESS, 8080)).toBe('');
  const address = await addressOf('web');
  const name = `ip-${address.replaceAll('.', '-')}.ec2.internal`;
  expect(await user.inGuest('web', `nslookup ${name}`)).toContain(address);
});

test('its QEMU has no privileges, not even over the user’s namespaces', () => {
  const status = readFileSync(`/proc/${pidOf(/^qemu-system-x86_64 /)}/status`, 'utf8');
  expect(status).toMatch(/^CapEff:\s+0+$/m);
  expect(status).toMatch(/^CapBnd:\s+0+$/m);
  expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
  expect(status).toMatch(/^Seccomp:\s+2$/m);
  expect(status).toMatch(
    new RegExp(`^Uid:\\s+${user.uid}\\s+${user.uid}\\s+${user.uid}\\s+${user.uid}$`, 'm'),
  );
});

test('another instance is let in by its groups alone, and goes without a trace', async () => {
  await user.bonami('sg', 'create', 'closed', '--description', 'nothing in');
  await user.bonami('run', 'tiny', '-n', 'db', '-t', 't3.nano', '-g', 'closed', '--wait', 'running');
  const db = await addressOf('db');
  await expect
    .poll(async () => user.bonami('logs', 'db'), { timeout: 100_000, interval: 1000 })
    .toContain('tiny: ready');
  expect(await answerOf('web', db, 7777)).toBe('');
  await user.bonami('sg', 'authorize', 'closed', '--port', '7777', '--from', `${await addressOf('web')}/32`);
  expect(await answerOf('web', db, 7777)).toContain(db);
  expect(await user.inGuest('web', `timeout 3 wget -qO- http://${db}/ || true`)).toBe('');
  await user.bonami('terminate', 'db');
  expect(pidOf(/^qemu-system-x86_64 /)).toBeGreaterThan(0);
});

describe('while it runs', () => {
  const isWhole = async (): Promise<void> => {
    await expect
      .poll(async () => answerOf('web', OUTSIDE_ADDRESS, 8080), { timeout: 20_000 })
      .toBe('outside');
  };

  test('the way out may be killed: the agent starts another one', async () => {
    await killed(PASSER);
    await isWhole();
    expect(user.pidsOf(ANCHOR)).toHaveLength(1);
  });

  test('the anchor may be killed: another one keeps what the guest is in', async () => {
    await killed(ANCHOR);
    await isWhole();
    expect(await user.inGuest('web', 'cat /run/there.txt')).toBe('over the wire');
  });

  test('both and dnsmasq may be killed at once', async () => {
    const pids = [ANCHOR, PASSER, /^dnsmasq /].map(pidOf);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await expect
      .poll(() => [ANCHOR, PASSER, /^dnsmasq /].map((pattern) => user.pidsOf(pattern).length), {
        timeout: 20_000,
      })
      .toEqual([1, 1, 1]);
    await isWhole();
  });

  test('the agent may be killed: the next command starts another one', async () => {
    process.kill(pidOf(/dist\/agent\.js/), 'SIGKILL');
    await user.bonami('ls');
    const said = async (): Promise<string> =>
      user.inGuest('web', 'timeout 3 wget -qO- http://169.254.169.254/latest/meta-data/mac || true');
    await expect.poll(said, { timeout: 20_000 }).toMatch(/^02:/);
  });
});

test('stopped, nothing of it runs; started, it is what it was', async () => {
  const address = await addressOf('web');
  await user.inGuest('web', 'echo kept > /disk/kept && sync');
  await user.bonami('stop', 'web');
  await expect.poll(() => [...user.processes().values()], { timeout: 10_000 }).toEqual([]);
  await user.bonami('start', 'web');
  await user.bonami('wait', 'web', '--for', 'ssh');
  expect(await user.inGuest('web', 'cat /disk/kept')).toBe('kept');
  expect(await addressOf('web')).toBe(address);
});

test('doctor knows what it stands on', async () => {
  const { stdout, code } = await user.try([...user.program, 'doctor']);
  expect(stdout).toContain('mode: rootless');
  for (const fact of ['user namespaces', 'links', 'taps', 'firewall', 'way out', 'leftovers'])
    expect(stdout).toMatch(new RegExp(`^✓ ${fact}: `, 'm'));
  expect(code).toBe(0);
});

test('what needs more than an ordinary user has is refused with the way to it', async () => {
  const { stderr, code } = await user.try([...user.program, 'image', 'build', 'debian-12']);
  expect(code).toBe(1);
  expect(stderr).toContain('subordinate ids');
  expect(stderr).toContain('sudo usermod --add-subuids');
});

test('terminated, nothing of it stays', async () => {
  await user.bonami('terminate', 'web');
  await expect.poll(() => [...user.processes().values()], { timeout: 10_000 }).toEqual([]);
  expect(await user.bonami('doctor')).toContain('leftovers: none');
});
