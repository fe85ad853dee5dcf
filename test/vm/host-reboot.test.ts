// A host that went down under its instances: everything but the home is gone when it is up again.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { InstanceId } from '../../src/core/ids.ts';
import { linkName } from '../../src/core/link-name.ts';
import { hostTableName } from '../../src/ec2/vpcs/network-note.ts';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;
beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
});
afterAll(async () => {
  await cloud.close();
  delete process.env['BONAMI_BOOT_ID'];
  await expectNoLeaks(before, { home: cloud.home });
});

/** Kills what this home started and takes from the kernel what it made, without a word to bonami. */
function powerCut(vpcs: readonly string[]): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const isOurs =
        words.includes(cloud.home) ||
        words.includes(cloud.layout.run) ||
        (words.includes('agent.js') &&
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`BONAMI_HOME=${cloud.home}\0`));
      if (isOurs && Number(pid) !== process.pid) process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
  for (const vpc of vpcs) {
    execFileSync('ip', ['netns', 'del', vpc]);
    execFileSync('nft', ['delete', 'table', 'inet', hostTableName(vpc as `vpc-${string}`)]);
    execFileSync('sh', ['-c', `ip link del ${linkName('bnv', vpc)} 2>/dev/null || true`]);
  }
  rmSync(cloud.layout.run, { recursive: true, force: true });
}

test('instances are stopped after it, start again, and keep their addresses, disks and rules', async () => {
  await cloud.bonami('vpc', 'create', '10.66.0.0/16', '-n', 'lab');
  await cloud.bonami('subnet', 'create', 'lab', '10.66.1.0/24', '-n', 'front');
  await cloud.bonami('igw', 'create', '--vpc', 'lab');
  const [one] = await cloud.run('tiny', '-n', 'one', '-t', 't3.nano', '--subnet', 'front', '--wait', 'ssh');
  const [two] = await cloud.run('tiny', '-n', 'two', '-t', 't3.nano', '--wait', 'ssh');
  const { PublicIp } = await cloud.json<{ PublicIp: string }>('eip', 'allocate');
  await cloud.bonami('eip', 'associate', PublicIp, 'one');
  await cloud.inGuest('one', 'echo kept > /disk/note; sync');
  const vpcs = [one?.VpcId ?? '', two?.VpcId ?? ''];

  powerCut(vpcs);
  process.env['BONAMI_BOOT_ID'] = randomUUID();

  await cloud.bonami('doctor', '--fix');
  expect((await cloud.ls('-a')).map(({ State }) => State?.Name)).toEqual(['stopped', 'stopped']);
  const sockets = [one, two].map(
    (each) => cloud.layout.instance(each?.InstanceId as InstanceId).socketFolder,
  );
  expect(sockets.filter((folder) => existsSync(folder))).toEqual([]);
  await cloud.bonami('start', 'one', 'two');
  for (const name of ['one', 'two']) await cloud.bonami('wait', name, '--for', 'ssh');
  expect((await cloud.instance(one?.InstanceId ?? ''))?.PrivateIpAddress).toBe(one?.PrivateIpAddress);
  expect(await cloud.inGuest('one', 'cat /disk/note')).toBe('kept');
  expect(
    execFileSync('ssh-keyscan', ['-T', '5', PublicIp], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ).toContain('ssh-');
  const { stdout } = await cloud.try(['doctor']);
  expect(stdout).toMatch(/✓ networks: 2 in use/);
}, 240_000);
