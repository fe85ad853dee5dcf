// What may die at any time: QEMU, the agent, dnsmasq, the command itself. The next command puts it right.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  await cloud.bonami('run', 'tiny', '--dry-run');
});

afterEach(async () => {
  const living = (await cloud.ls()).flatMap(({ InstanceId }) => InstanceId ?? []);
  if (living.length > 0) await cloud.bonami('terminate', ...living);
  await expectNoLeaks(before, { home: cloud.home });
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

/** The one process of this home whose command line has the word. */
function processOf(word: string, mark: string): number {
  const found = readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      return words.includes(word) && (words + readFileSync(`/proc/${pid}/environ`, 'latin1')).includes(mark);
    } catch {
      return false;
    }
  });
  expect(found).toHaveLength(1);
  return Number(found[0]);
}

function listed(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function consoleOf(id: string): string {
  const path = cloud.layout.instance(id as `i-${string}`).console;
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it never came true');
    await sleep(100);
  }
}

test('an instance whose QEMU was killed is stopped, says so, and starts again with its disk', async () => {
  const [instance] = await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  const id = instance?.InstanceId as `i-${string}`;
  await cloud.bonami('ssh', 'web', '--', 'echo kept > /disk/kept && sync');
  const { pid } = JSON.parse(readFileSync(cloud.layout.instance(id).machine, 'utf8')) as { pid: number };
  process.kill(pid, 'SIGKILL');
  await until(async () => ((await cloud.instance(id))?.State?.Name === 'stopped' ? true : undefined));
  expect((await cloud.instance(id))?.StateReason?.Code).toMatch(/^Server\./);
  await cloud.bonami('start', 'web');
  await cloud.bonami('wait', 'web', '--for', 'ssh');
  expect(await cloud.bonami('ssh', 'web', '--', 'cat', '/disk/kept')).toBe('kept\n');
});

test('an agent that was killed is back with the next command, and the guest gets its answers', async () => {
  await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  process.kill(processOf('dist/agent.js', cloud.home), 'SIGKILL');
  await cloud.bonami('ls');
  const answered = await until(async () => {
    const { stdout } = await cloud.try([
      'ssh',
      'web',
      '--',
      'wget -qO- http://169.254.169.254/latest/meta-data/instance-id || true',
    ]);
    return stdout.startsWith('i-') ? stdout : undefined;
  });
  expect(answered.trim()).toBe((await cloud.ls())[0]?.InstanceId);
});

test('a dnsmasq that was killed is started again', async () => {
  await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  const vpc = (await cloud.ls())[0]?.VpcId ?? '';
  const killed = processOf('dnsmasq', vpc);
  process.kill(killed, 'SIGKILL');
  await until(async () => {
    const { stdout } = await cloud.try(['ssh', 'web', '--', 'nslookup instance-data.ec2.internal || true']);
    return stdout.includes('169.254.169.254') ? true : undefined;
  });
  expect(processOf('dnsmasq', vpc)).not.toBe(killed);
});

test('Ctrl-C while waiting leaves the instance running and says so', async () => {
  const { code, stderr } = await cloud.try(['run', 'tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh'], {
    interruptWhen: () => listed(cloud.layout.instances).some((id) => consoleOf(id).length > 0),
  });
  expect(code).toBe(130);
  const [instance] = await cloud.ls();
  expect(instance?.State?.Name).toBe('running');
  expect(stderr).toContain(`${instance?.InstanceId} keeps running`);
  expect(stderr).toContain('bonami terminate');
});

test('Ctrl-C during the launch itself undoes it', async () => {
  const { code, stderr } = await cloud.try(['run', 'tiny', '-t', 't3.nano'], {
    interruptWhen: () => listed(cloud.layout.instances).length > 0,
  });
  expect(code).toBe(130);
  expect(stderr).toContain('interrupted');
  expect(await cloud.ls()).toEqual([]);
});

test('a wait that takes too long names what it waited for and shows the console', async () => {
  await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  const { code, stderr } = await cloud.try(['wait', 'web', '--for', 'stopped', '--timeout', '1']);
  expect(code).toBe(1);
  expect(stderr).toContain("did not reach 'stopped' within 1 s");
  expect(stderr).toContain('tiny:');
});

test('records survive a run folder that a reboot has emptied', async () => {
  const [instance] = await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  const id = instance?.InstanceId ?? '';
  await cloud.bonami('stop', 'web', '--force');
  const { stdout } = await cloud.try(['ls', '--json'], { env: { BONAMI_BOOT_ID: 'another boot' } });
  expect(stdout).toContain(id);
  await cloud.bonami('start', 'web');
  await cloud.bonami('wait', 'web', '--for', 'ssh');
});
