// Several at once: ten machines of one launch, two homes on one host.
import { execa } from 'execa';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { expectNoLeaks, leaksSince, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;
let other: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  other = await openCloud('tiny');
});

afterAll(async () => {
  await cloud.close();
  await other.close();
  await expectNoLeaks(before);
});

test('ten instances of one launch are all reachable, each by an address of its own', async () => {
  const instances = await cloud.run('tiny', '-c', '10', '-t', 't3.nano', '--wait', 'ssh');
  expect(instances).toHaveLength(10);
  expect(new Set(instances.map(({ PrivateIpAddress }) => PrivateIpAddress)).size).toBe(10);
  expect(new Set(instances.map(({ AmiLaunchIndex }) => AmiLaunchIndex)).size).toBe(10);
  for (const { InstanceId = '', PrivateIpAddress = '' } of instances)
    expect(await cloud.bonami('ssh', InstanceId, '--', 'hostname')).toBe(
      `ip-${PrivateIpAddress.replaceAll('.', '-')}.ec2.internal\n`,
    );
});

test('no bonami process belongs to a single instance', async () => {
  const { stdout } = await execa('pgrep', ['-f', 'dist/(main|agent|listen-helper)[.]js'], { reject: false });
  expect(stdout.split('\n')).toHaveLength(1);
});

test('instances of one group reach each other by name and by address', async () => {
  const [one, two] = await cloud.ls();
  const id = one?.InstanceId ?? '';
  const name = `ip-${two?.PrivateIpAddress?.replaceAll('.', '-')}`;
  for (const target of [two?.PrivateIpAddress ?? '', name, `${name}.ec2.internal`])
    expect(await cloud.bonami('ssh', id, '--', 'wget', '-qO-', `http://${target}/`)).not.toBe('');
});

test('another home uses the same names and is disturbed by nothing here', async () => {
  await other.run('tiny', '-n', 'web', '-t', 't3.nano', '--wait', 'ssh');
  const [mine] = await other.ls();
  expect(await other.bonami('ssh', 'web', '--', 'echo', 'here')).toBe('here\n');
  expect(await cloud.ls('--filter', 'tag:Name=web')).toEqual([]);
  const all = (await cloud.ls()).flatMap(({ InstanceId }) => InstanceId ?? []);
  expect(all).toHaveLength(10);
  await cloud.bonami('terminate', ...all);
  expect((await other.instance(mine?.InstanceId ?? ''))?.State?.Name).toBe('running');
  expect(await other.bonami('ssh', 'web', '--', 'echo', 'still here')).toBe('still here\n');
  await other.bonami('terminate', 'web');
  for (const { home } of [cloud, other]) expect(await leaksSince(before, { home })).toEqual([]);
});
