// Images of instances: the data of their moment and nothing later, whatever becomes of anybody else's disks.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Instance } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { layersOf } from '../../src/host/disk/layers.ts';
import { FAILPOINTS } from '../../src/core/failpoint.ts';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { diskOf, getText, putText } from '../support/guest-disks.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

const SMALL = ['-t', 't3.nano', '--wait', 'ssh'];
/** Where the marks of the guests are: a file of the root file system, and a block of the other volume. */
const BLOCK = 7;

let before: Snapshot;
let cloud: Cloud;
let elsewhere: Cloud;
let web: Instance | undefined;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  elsewhere = await openCloud();
  [web] = await cloud.run('tiny', '-n', 'web', '-b', '/dev/sdf=1', ...SMALL);
});

afterAll(async () => {
  await cloud.close();
  await elsewhere.close();
  await expectNoLeaks(before);
});

async function otherVolume(name: string, home = cloud): Promise<string> {
  return diskOf((await home.volumesOf(name))['/dev/sdf'] ?? '');
}

/** Writes a mark to both volumes. */
async function mark(name: string, text: string): Promise<void> {
  const other = putText(await otherVolume(name), BLOCK, text);
  await cloud.inGuest(name, `echo ${text} >> /disk/marks; ${other}; sync`);
}

/** All marks of the root file system and the one of the other volume. */
async function marks(name: string, home = cloud): Promise<readonly string[]> {
  const other = getText(await otherVolume(name, home), BLOCK);
  return (await home.inGuest(name, `cat /disk/marks; ${other}`)).split('\n');
}

const boots = async (name: string): Promise<number> => Number(await cloud.inGuest(name, 'cat /disk/boots'));
const count = async (): Promise<number> => Number(await cloud.inGuest('web', 'cat /disk/count'));

/** How often the kernel had to repair the root file system: after what looked like a power cut. */
const RECOVERIES = 'dmesg | grep -c "recovery complete" || true';

/** The inodes of an instance's root layers, the lowest first. */
async function rootLayers(name: string): Promise<readonly number[]> {
  const volume = (await cloud.volumesOf(name))['/dev/sda1'];
  if (volume === undefined) throw new Error(`'${name}' has no root volume`);
  return layersOf(cloud.layout.volume(volume).folder).map((layer) => statSync(layer).ino);
}

async function expectAllDigests(): Promise<void> {
  expect(await cloud.bonami('doctor', '--verify')).toContain('hold what they should');
}

test('an image is made while the guest is shut down; then it boots again', async () => {
  await mark('web', 'before');
  await cloud.bonami('image', 'create', 'web', '-n', 'golden');
  await cloud.bonami('wait', 'web', '--for', 'ssh');
  expect(await boots('web')).toBe(2);
  expect(await cloud.inGuest('web', RECOVERIES)).toBe('0');
  await mark('web', 'after');
});

test('with --no-reboot the guest goes on and notices nothing', async () => {
  const writer = 'while true; do n=$((n + 1)); echo $n > /disk/new; mv /disk/new /disk/count; sync; done';
  await cloud.inGuest('web', `(n=0; ${writer}) >/dev/null 2>&1 </dev/null & sleep 1`);
  const least = await count();
  await cloud.bonami('image', 'create', 'web', '-n', 'now', '--no-reboot');
  const most = await count();
  expect(most).toBeGreaterThan(least);
  expect(await boots('web')).toBe(2);
  expect(await count()).toBeGreaterThan(most);
  await mark('web', 'later');

  const launched = ['golden', 'now'].map(async (image) => cloud.run(image, '-n', image, ...SMALL));
  await Promise.all(launched);
  expect(await marks('now')).toEqual(['before', 'after', 'after']);
  expect(Number(await cloud.inGuest('now', RECOVERIES))).toBeGreaterThan(0);
  const counted = Number(await cloud.inGuest('now', 'cat /disk/count'));
  expect(counted).toBeGreaterThanOrEqual(least);
  expect(counted).toBeLessThanOrEqual(most);
});

test('an instance of the image has the data of its moment, on a clean file system, and nothing later', async () => {
  expect(await marks('golden')).toEqual(['before', 'before']);
  expect(await cloud.inGuest('golden', RECOVERIES)).toBe('0');
  expect(await cloud.inGuest('golden', 'test -e /disk/count || echo none')).toBe('none');
  expect(await boots('golden')).toBe(2);
});

test('instances of one image share all layers but their own, and what they write reaches no image', async () => {
  await mark('golden', 'second');
  await cloud.run('golden', '-n', 'sibling', '-t', 't3.nano');
  const [one, two] = [await rootLayers('golden'), await rootLayers('sibling')];
  expect(one.slice(0, -1)).toEqual(two.slice(0, -1));
  expect(one.at(-1)).not.toBe(two.at(-1));
  await cloud.bonami('terminate', 'sibling');
  await expectAllDigests();
});

test('an image that instances are made of stays, and says whose it is', async () => {
  const [instance] = await cloud.ls('--filter', 'tag:Name=golden');
  const { code, stderr } = await cloud.try(['image', 'rm', 'golden']);
  expect(code).toBe(1);
  expect(stderr).toContain('InvalidAMIID.Unavailable');
  expect(stderr).toContain(instance?.InstanceId);
  expect(stderr).not.toContain(web?.InstanceId);
});

test.each(FAILPOINTS.snapshot.filter((point) => point.startsWith('freeze:')))(
  'killed at %s with its guest shut down, doctor removes the image and boots the guest',
  async (point) => {
    const words = ['image', 'create', 'now', '-n', 'unfinished'];
    expect((await cloud.try(words, { env: { BONAMI_FAILPOINT: point } })).code).not.toBe(0);
    await cloud.bonami('doctor', '--fix');
    expect(await cloud.bonami('image', 'ls')).not.toContain('unfinished');
  },
);

test('a third generation outlives the images and instances before it, here and in another home', async () => {
  await cloud.bonami('wait', 'now', '--for', 'ssh');
  expect(await marks('now')).toEqual(['before', 'after', 'after']);
  const file = join(elsewhere.home, 'third.tar.zst');
  await cloud.bonami('image', 'create', 'golden', '-n', 'third', '--no-reboot');
  await mark('golden', 'too late');
  await cloud.bonami('image', 'export', 'third', file);
  await cloud.bonami('terminate', 'golden', 'now', 'web');
  await cloud.bonami('image', 'rm', 'golden', 'now', 'tiny');
  await elsewhere.bonami('image', 'import', file, '-n', 'third');
  await Promise.all([cloud, elsewhere].map(async (home) => home.run('third', '-n', 'third', ...SMALL)));
  for (const home of [cloud, elsewhere])
    expect(await marks('third', home)).toEqual(['before', 'second', 'second']);
  await expectAllDigests();
});
