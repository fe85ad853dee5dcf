// Snapshots of volumes that a guest goes on writing to, and what becomes of them when something dies half-way.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Snapshot as Ec2Snapshot } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoint.ts';
import type { SnapshotId, VolumeId } from '../../src/core/ids.ts';
import { layersOf } from '../../src/host/disk/layers.ts';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { diskOf, getText, putText } from '../support/guest-disks.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

const MIB = 2 ** 20;
/** Blocks of both volumes. */
const COUNTER = 0;
const MARK = 1;

let before: Snapshot;
let cloud: Cloud;
let id: string;
/** The root volume, one without limits and one with. */
let root: VolumeId;
let one: VolumeId;
let two: VolumeId;
/** Snapshots of `one`, and the mark that each must have. */
const taken: { readonly snapshotId: SnapshotId; readonly mark: string }[] = [];
/** Snapshots of both volumes at one moment. */
let pair: readonly SnapshotId[];

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  const disks = ['-b', '/dev/sdf=1', '-b', '/dev/sdg=1,gp3'];
  const [instance] = await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', ...disks, '--wait', 'ssh');
  id = instance?.InstanceId ?? '';
  const volumes = await cloud.volumesOf('web');
  [root, one, two] = ['/dev/sda1', '/dev/sdf', '/dev/sdg'].map((device) => volumes[device] as VolumeId) as [
    VolumeId,
    VolumeId,
    VolumeId,
  ];
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

/** Counts on one volume and then on the other, for ever: at any moment the first is ahead by one at most. */
async function startWriter(): Promise<void> {
  const count = [one, two].map((volume) => putText(diskOf(volume), COUNTER, '$n')).join('; ');
  await cloud.inGuest(
    'web',
    `(n=0; while true; do n=$((n + 1)); ${count}; done) >/dev/null 2>&1 </dev/null &`,
  );
}

async function expectWriterAtWork(): Promise<void> {
  const read = getText(diskOf(two), COUNTER);
  const [first, second] = (await cloud.inGuest('web', `${read}; sleep 1; ${read}`)).split('\n').map(Number);
  expect(second).toBeGreaterThan(first ?? Infinity);
}

/** Writes a mark to `one` and to the guest's file system, so that both last. */
async function mark(text: string): Promise<void> {
  await cloud.inGuest('web', `${putText(diskOf(one), MARK, text)}; echo ${text} >> /disk/marks; sync`);
}

async function take(source: string, text: string): Promise<SnapshotId> {
  const made = await cloud.snapshot(source);
  expect(made.map(({ State }) => State)).toEqual(made.map(() => 'completed'));
  const snapshotId = made.find(({ VolumeId }) => VolumeId === one)?.SnapshotId as SnapshotId;
  taken.push({ snapshotId, mark: text });
  return snapshotId;
}

async function listed(): Promise<readonly Ec2Snapshot[]> {
  return (await cloud.json<{ Snapshots: Ec2Snapshot[] }>('snapshot', 'ls')).Snapshots;
}

const inodes = (snapshotId: SnapshotId): readonly number[] =>
  layersOf(cloud.layout.snapshot(snapshotId).folder).map((layer) => statSync(layer).ino);

test('a snapshot of a running guest has what was written, a second one only what was written since', async () => {
  await cloud.inGuest('web', `dd if=/dev/urandom of=${diskOf(one)} bs=1M seek=4 count=12 conv=fsync 2>&1`);
  await startWriter();
  await mark('first');
  const first = await take(one, 'first');
  await mark('second');
  const second = await take(one, 'second');
  await mark('third');
  const third = await take(one, 'third');
  await expectWriterAtWork();
  expect(inodes(first)).toEqual(inodes(third).slice(0, 1));
  expect(inodes(second)).toEqual(inodes(third).slice(0, 2));
  expect(layersOf(cloud.layout.volume(one).folder).map((layer) => statSync(layer).ino)).toEqual([
    ...inodes(third),
    expect.any(Number),
  ]);
  const sizes = layersOf(cloud.layout.snapshot(third).folder).map((layer) => statSync(layer).size);
  expect(sizes[0]).toBeGreaterThan(12 * MIB);
  for (const size of sizes.slice(1)) expect(size).toBeLessThan(2 * MIB);
});

test('the middle one goes, and the later one is whole', async () => {
  const [middle] = taken.splice(1, 1);
  await cloud.bonami('snapshot', 'rm', middle?.snapshotId ?? '');
  expect((await listed()).map(({ SnapshotId }) => SnapshotId)).not.toContain(middle?.snapshotId);
  expect(readdirSync(cloud.layout.snapshots)).not.toContain(middle?.snapshotId);
});

test('all volumes of an instance at the same moment', async () => {
  const made = await cloud.snapshot('web');
  expect(new Set(made.map(({ VolumeId }) => VolumeId))).toEqual(new Set([root, one, two]));
  pair = [one, two].map(
    (volume) => made.find(({ VolumeId }) => VolumeId === volume)?.SnapshotId as SnapshotId,
  );
});

test.each(FAILPOINTS.snapshot)('killed at %s, the guest and the next snapshot go on', async (point) => {
  const known = (await listed()).map(({ SnapshotId }) => SnapshotId);
  const { code } = await cloud.try(['snapshot', 'create', 'web'], { env: { BONAMI_FAILPOINT: point } });
  expect(code).not.toBe(0);
  await expectWriterAtWork();
  await mark(point);
  const mended = await cloud.bonami('doctor', '--fix');
  expect(mended).toContain('leftovers: none');
  expect((await listed()).map(({ SnapshotId }) => SnapshotId)).toEqual(known);
  await take('web', point);
  await mark(`after-${point}`);
});

test('nothing that must not change has changed', async () => {
  expect(await cloud.bonami('doctor', '--verify')).toContain('hold what they should');
});

test('a QEMU that is killed right after a freeze loses nothing, and a stopped instance has snapshots too', async () => {
  await mark('last');
  await cloud.bonami('snapshot', 'create', 'web');
  await mark('after-the-freeze');
  process.kill(cloud.qemuPid(id), 'SIGKILL');
  for (let tries = 0; tries < 50 && (await cloud.instance(id))?.State?.Name !== 'stopped'; tries++)
    await sleep(100);
  await take('web', 'after-the-freeze');
  await cloud.bonami('start', 'web');
  await cloud.bonami('wait', 'web', '--for', 'ssh');
  expect(await cloud.inGuest('web', getText(diskOf(one), MARK))).toBe('after-the-freeze');
  const points = FAILPOINTS.snapshot.flatMap((point) => [point, `after-${point}`]);
  expect(await cloud.inGuest('web', 'cat /disk/marks')).toBe(
    ['first', 'second', 'third', ...points, 'last', 'after-the-freeze'].join('\n'),
  );
  await mark('running again');
  await take(one, 'running again');
  expect(await cloud.bonami('doctor', '--verify')).toContain('hold what they should');
  await cloud.bonami('terminate', 'web');
});

test('a volume of each snapshot has the data of its moment', async () => {
  const wanted = [...taken.map(({ snapshotId }) => snapshotId), ...pair];
  const devices = wanted.map((_, index) => `/dev/sd${String.fromCodePoint('f'.charCodeAt(0) + index)}`);
  const disks = wanted.flatMap((snapshotId, index) => ['-b', `${devices[index]}=${snapshotId}`]);
  await cloud.run('tiny', '-n', 'reader', '-t', 't3.nano', ...disks, '--wait', 'ssh');
  const volumes = await cloud.volumesOf('reader');
  const disk = (index: number): string => diskOf(volumes[devices[index] ?? ''] ?? '');
  const reads = [
    ...taken.map((_, index) => getText(disk(index), MARK)),
    ...pair.map((_, index) => getText(disk(taken.length + index), COUNTER)),
  ];
  const said = (await cloud.inGuest('reader', reads.join('; '))).split('\n');
  expect(said.slice(0, taken.length)).toEqual(taken.map((each) => each.mark));
  const [ahead = 0, behind = 0] = said.slice(taken.length).map(Number);
  expect(behind).toBeGreaterThan(0);
  expect([0, 1]).toContain(ahead - behind);
});

test('when all are removed, nothing of them is left', async () => {
  await cloud.bonami('terminate', 'reader');
  const own = await cloud.snapshotOf('tiny', '/dev/sda1');
  const others = (await listed()).flatMap(({ SnapshotId = '' }) => (SnapshotId === own ? [] : [SnapshotId]));
  await cloud.bonami('snapshot', 'rm', ...others);
  expect(readdirSync(cloud.layout.snapshots)).toEqual([own]);
  expect(statSync(join(cloud.layout.snapshot(own).folder, '0.qcow2')).nlink).toBe(1);
  await expectNoLeaks(before, { home: cloud.home });
});
