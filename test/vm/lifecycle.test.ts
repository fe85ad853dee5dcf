// One small machine through its whole life, as a person would live it.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, leaksSince, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;
let id: string;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

test('an instance boots, takes its user data and is reached by its private address', async () => {
  const script = join(cloud.home, 'user-data.sh');
  writeFileSync(script, '#!/bin/sh\necho "hello from user data"\necho marker > /run/marker\n');
  const [instance] = await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', '-u', script, '--wait', 'ssh');
  id = instance?.InstanceId ?? '';
  expect(instance?.State?.Name).toBe('running');
  expect(instance?.PrivateIpAddress).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  expect(await cloud.bonami('ssh', 'web', '--', 'cat', '/run/marker')).toBe('marker\n');
  const log = await cloud.bonami('logs', 'web');
  expect(log).toContain('hello from user data');
  expect(log).toContain(id);
});

test('it is listed and shown in the terms of EC2', async () => {
  const table = await cloud.bonami('ls');
  expect(table).toMatch(new RegExp(`${id}\\s+web\\s+running\\s+t3\\.nano\\s+x86_64`));
  const [only] = await cloud.ls('--filter', 'tag:Name=w*', '--filter', 'instance-state-name=running');
  expect(only?.InstanceId).toBe(id);
  expect(await cloud.ls('--filter', 'tag:Name=other')).toEqual([]);
  expect(await cloud.bonami('show', id.slice(0, 8))).toContain('vol-');
});

test('QEMU runs confined: its own user, no privileges, seccomp, the namespace of the VPC', async () => {
  const { pid } = JSON.parse(readFileSync(cloud.layout.instance(id as `i-${string}`).machine, 'utf8')) as {
    pid: number;
  };
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const uids = /^Uid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
  expect(new Set(uids).size).toBe(1);
  expect(Number(uids[0])).toBeGreaterThan(1_000_000);
  expect(/^NoNewPrivs:\s+1$/m.test(status)).toBe(true);
  expect(/^Seccomp:\s+2$/m.test(status)).toBe(true);
  expect(/^CapEff:\s+0+$/m.test(status)).toBe(true);
  const arguments_ = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  expect(arguments_).not.toContain('hello from user data');
});

test('files go in and out', async () => {
  const file = join(cloud.home, 'there.txt');
  writeFileSync(file, 'over the wire\n');
  await cloud.bonami('cp', file, 'web:/run/there.txt');
  await cloud.bonami('cp', 'web:/run/there.txt', join(cloud.home, 'back.txt'));
  expect(readFileSync(join(cloud.home, 'back.txt'), 'utf8')).toBe('over the wire\n');
});

test("a command's exit code is passed on", async () => {
  expect((await cloud.try(['ssh', 'web', '--', 'exit', '7'])).code).toBe(7);
});

test('reboot keeps the process, stop and start keep disk and address', async () => {
  const machine = cloud.layout.instance(id as `i-${string}`).machine;
  const { pid } = JSON.parse(readFileSync(machine, 'utf8')) as { pid: number };
  const address = (await cloud.instance(id))?.PrivateIpAddress;
  await cloud.bonami('ssh', 'web', '--', 'echo kept > /disk/kept && sync');
  await cloud.bonami('reboot', 'web');
  expect((JSON.parse(readFileSync(machine, 'utf8')) as { pid: number }).pid).toBe(pid);
  await cloud.bonami('wait', 'web', '--for', 'ssh');
  await cloud.bonami('stop', 'web');
  expect((await cloud.instance(id))?.State?.Name).toBe('stopped');
  await cloud.bonami('start', 'web');
  await cloud.bonami('wait', 'web', '--for', 'ssh');
  expect(await cloud.bonami('ssh', 'web', '--', 'cat', '/disk/kept')).toBe('kept\n');
  expect((await cloud.instance(id))?.PrivateIpAddress).toBe(address);
});

test('a guest that powers off is stopped, and the reason says that it was the guest', async () => {
  await cloud.try(['ssh', 'web', '--', 'poweroff']);
  await cloud.bonami('wait', 'web', '--for', 'stopped');
  expect((await cloud.instance(id))?.StateReason?.Code).toBe('Client.InstanceInitiatedShutdown');
});

test('terminate leaves nothing', async () => {
  await cloud.bonami('terminate', 'web');
  expect(await cloud.ls()).toEqual([]);
  expect((await cloud.instance(id))?.State?.Name).toBe('terminated');
  expect(await leaksSince(before, { home: cloud.home })).toEqual([]);
});
