// Death at any step: the program kills itself after each single side effect, and the next command puts it right.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoint.ts';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, leaksSince, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  // The key pair is made outside of what is tested here.
  await cloud.bonami('run', 'tiny', '--dry-run');
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

const SETTLED = ['running', 'stopped', 'terminated'];

/** Nothing is half done: what is listed is settled, and what is gone has left nothing. */
async function expectSettled(): Promise<void> {
  const all = await cloud.ls('-a');
  expect(all.map(({ State }) => State?.Name).filter((name) => !SETTLED.includes(name ?? ''))).toEqual([]);
  const living = all
    .filter(({ State }) => State?.Name !== 'terminated')
    .flatMap(({ InstanceId }) => InstanceId ?? []);
  if (living.length > 0) await cloud.bonami('terminate', ...living);
  expect(await leaksSince(before, { home: cloud.home })).toEqual([]);
}

test.each(FAILPOINTS.launch)('killed at %s', async (point) => {
  const answer = await cloud.try(['run', 'tiny', '-t', 't3.nano'], { env: { BONAMI_FAILPOINT: point } });
  expect(answer.code).not.toBe(0);
  const [instance] = await cloud.ls('-a', '--filter', 'instance-state-name=pending,running,terminated');
  expect(instance).toBeDefined();
  await expectSettled();
});

test.each(FAILPOINTS.stop)('killed at %s', async (point) => {
  const [instance] = await cloud.run('tiny', '-t', 't3.nano');
  const id = instance?.InstanceId ?? '';
  const answer = await cloud.try(['stop', '--force', id], { env: { BONAMI_FAILPOINT: point } });
  expect(answer.code).not.toBe(0);
  await cloud.bonami('ls');
  expect((await cloud.instance(id))?.State?.Name).toBe('stopped');
  await expectSettled();
});

test.each(FAILPOINTS.terminate)('killed at %s', async (point) => {
  const [instance] = await cloud.run('tiny', '-t', 't3.nano');
  const id = instance?.InstanceId ?? '';
  const answer = await cloud.try(['terminate', id], { env: { BONAMI_FAILPOINT: point } });
  expect(answer.code).not.toBe(0);
  await cloud.bonami('ls');
  expect((await cloud.instance(id))?.State?.Name).toBe('terminated');
  await expectSettled();
});
