import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ec2Context } from '../../../../src/ec2/context.ts';
import { type Arrivals, receiveImage } from '../../../../src/ec2/images/receive-image.ts';
import { type Image, images, snapshotIdsOf } from '../../../../src/store/images.ts';
import { makeFolder } from '../../../../src/store/layout.ts';
import { snapshots } from '../../../../src/store/snapshots.ts';
import { type TestContext, testContext } from '../../../support/context.ts';
import { DESCRIPTION, GIB, storedImage, takeTexts } from '../../../support/stored-images.ts';

let home: TestContext;
let ctx: Ec2Context;
beforeEach(() => {
  home = testContext();
  ctx = home.ctx;
});
afterEach(() => home.cleanup());

const isRoot = process.getuid?.() === 0;

function layer(image: Image, disk: number, number = 0): string {
  const snapshotId = snapshotIdsOf(image)[disk];
  if (snapshotId === undefined) throw new Error('no such disk');
  return join(ctx.layout.snapshot(snapshotId).folder, `${number}.qcow2`);
}

function expectNothingLeft(): void {
  expect(images.list(ctx.db)).toEqual([]);
  expect(snapshots.list(ctx.db)).toEqual([]);
  expect(readdirSync(ctx.layout.snapshots)).toEqual([]);
  expect(readdirSync(ctx.layout.incoming)).toEqual([]);
  expect(readdirSync(ctx.layout.run).filter((name) => /^(ami|snap)-/.test(name))).toEqual([]);
}

test('an image of several disks: a snapshot each, read-only, and its mappings name them', async () => {
  const image = await receiveImage(ctx, 'several', async (arrivals) => {
    writeFileSync(join(arrivals.workFolder, 'notes'), 'for later');
    const root = await takeTexts(arrivals, ['root'], GIB + 1);
    const data = await takeTexts(arrivals, ['lower', 'upper'], 5 * GIB);
    expect(images.list(ctx.db)).toMatchObject([
      { name: 'several', state: 'pending', blockDeviceMappings: [] },
    ]);
    return {
      description: { ...DESCRIPTION, name: 'renamed' },
      findings: null,
      sourceInstanceId: 'i-0aaaaaaaaaaaaaaaa',
      mappings: [
        { deviceName: '/dev/xvda', disk: root },
        {
          deviceName: '/dev/sdf',
          disk: { ...data, volumeId: 'vol-0aaaaaaaaaaaaaaaa' },
          volumeSize: 9,
          volumeType: 'io2',
          iops: 400,
          throughput: null,
          deleteOnTermination: false,
        },
      ],
      otherMappings: [{ kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' }],
      source: 'a test',
    };
  });
  const [first, second] = snapshotIdsOf(image);
  expect(image).toMatchObject({
    ...DESCRIPTION,
    name: 'renamed',
    state: 'available',
    sourceInstanceId: 'i-0aaaaaaaaaaaaaaaa',
    source: 'a test',
    blockDeviceMappings: [
      { kind: 'ebs', deviceName: '/dev/xvda', snapshotId: first, volumeSize: 2, volumeType: 'gp3' },
      {
        kind: 'ebs',
        deviceName: '/dev/sdf',
        snapshotId: second,
        volumeSize: 9,
        volumeType: 'io2',
        iops: 400,
        deleteOnTermination: false,
      },
      { kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' },
    ],
  });
  expect(images.list(ctx.db)).toEqual([image]);
  expect(snapshots.list(ctx.db)).toMatchObject([
    { snapshotId: first, state: 'completed', owner: image.imageId, volumeId: null, volumeSize: 2 },
    { snapshotId: second, state: 'completed', volumeId: 'vol-0aaaaaaaaaaaaaaaa', volumeSize: 5 },
  ]);
  expect(snapshots.list(ctx.db)[1]?.layers).toHaveLength(2);
  expect(readFileSync(layer(image, 1, 0), 'utf8')).toBe('lower');
  expect(readFileSync(layer(image, 1, 1), 'utf8')).toBe('upper');
  for (const path of [layer(image, 0), layer(image, 1, 0), layer(image, 1, 1)])
    expect(statSync(path).mode & 0o777).toBe(isRoot ? 0o444 : 0o400);
  expect(readdirSync(ctx.layout.incoming)).toEqual([]);
});

describe('the same contents', () => {
  test('are linked, not kept twice, and say so', async () => {
    const first = await storedImage(ctx, 'first', { '/dev/xvda': 'same', '/dev/sdf': 'other' });
    const second = await storedImage(ctx, 'second', { '/dev/xvda': 'same', '/dev/sdf': 'third' });
    expect(statSync(layer(first, 0))).toMatchObject({ ino: statSync(layer(second, 0)).ino, nlink: 2 });
    expect(statSync(layer(first, 1)).nlink).toBe(1);
    expect(statSync(layer(second, 1)).nlink).toBe(1);
    expect(home.reported.info).toEqual([
      `the same contents are in the store as ${snapshotIdsOf(first)[0]}; sharing its disk`,
    ]);
    expect(snapshotIdsOf(first)).not.toEqual(snapshotIdsOf(second));
  });

  test('twice in one image have one file too', async () => {
    const image = await storedImage(ctx, 'twins', { '/dev/xvda': 'same', '/dev/sdf': 'same' });
    for (const disk of [0, 1]) expect(readFileSync(layer(image, disk), 'utf8')).toBe('same');
  });

  test('are kept twice when the file that had them is gone', async () => {
    const first = await storedImage(ctx, 'first', { '/dev/xvda': 'same' });
    rmSync(layer(first, 0), { force: true });
    const second = await storedImage(ctx, 'second', { '/dev/xvda': 'same' });
    expect(readFileSync(layer(second, 0), 'utf8')).toBe('same');
  });
});

describe('all or nothing', () => {
  const failing =
    (after: number) =>
    async (arrivals: Arrivals): Promise<never> => {
      for (let disk = 0; disk < after; disk++) await takeTexts(arrivals, [`disk ${disk}`]);
      writeFileSync(join(arrivals.workFolder, 'half'), 'half');
      throw new Error('it broke');
    };

  test.each([0, 1, 3])('when it breaks after %i disks', async (after) => {
    await expect(receiveImage(ctx, 'broken', failing(after))).rejects.toThrow('it broke');
    expectNothingLeft();
  });

  test('when a disk of several breaks halfway', async () => {
    const attempt = receiveImage(ctx, 'broken', async (arrivals) => {
      await takeTexts(arrivals, ['whole']);
      return arrivals.take(async (folder) => {
        writeFileSync(join(folder, '0.qcow2'), 'half');
        return Promise.reject(new Error('it broke'));
      }) as never;
    });
    await expect(attempt).rejects.toThrow('it broke');
    expectNothingLeft();
  });

  test.each([1, 2])('when the %i. of two disks cannot go into the store', async (which) => {
    const attempt = receiveImage(ctx, 'broken', async (arrivals) => {
      const disks = [await takeTexts(arrivals, ['one']), await takeTexts(arrivals, ['two'])];
      // A folder in its way that is not empty.
      const { snapshotId } = disks[which - 1] ?? {};
      if (snapshotId === undefined) throw new Error('no disk');
      makeFolder(ctx.layout.snapshot(snapshotId).folder, 0o700);
      writeFileSync(join(ctx.layout.snapshot(snapshotId).folder, 'in the way'), '');
      return {
        description: { ...DESCRIPTION, name: 'broken' },
        findings: null,
        mappings: disks.map((disk, index) => ({ deviceName: `/dev/sd${'ab'[index] ?? ''}`, disk })),
        source: 'a test',
      };
    });
    await expect(attempt).rejects.toThrow(/ENOTEMPTY|EEXIST/);
    expectNothingLeft();
  });

  test('when it is interrupted at the last moment', async () => {
    const attempt = receiveImage(ctx, 'stopped', async (arrivals) => {
      const disk = await takeTexts(arrivals, ['whole']);
      home.abort();
      return {
        description: { ...DESCRIPTION, name: 'stopped' },
        findings: null,
        mappings: [{ deviceName: '/dev/xvda', disk }],
        source: 'a test',
      };
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'Interrupted',
      message: "interrupted; no image 'stopped' was made",
    });
    expectNothingLeft();
  });

  test('when the name turns out to be another image’s', async () => {
    const first = await storedImage(ctx, 'taken');
    const attempt = receiveImage(ctx, 'thought', async (arrivals) => ({
      description: { ...DESCRIPTION, name: 'taken' },
      findings: null,
      mappings: [{ deviceName: '/dev/xvda', disk: await takeTexts(arrivals, ['other']) }],
      source: 'a test',
    }));
    await expect(attempt).rejects.toMatchObject({ code: 'InvalidAMIName.Duplicate' });
    expect(images.list(ctx.db)).toEqual([first]);
    expect(snapshots.list(ctx.db)).toHaveLength(1);
    expect(readdirSync(ctx.layout.snapshots)).toEqual(snapshotIdsOf(first));
    expect(readdirSync(ctx.layout.incoming)).toEqual([]);
  });

  test('and a name that is taken is refused before anything is brought', async () => {
    const first = await storedImage(ctx, 'taken');
    let isAsked = false;
    const attempt = receiveImage(ctx, 'taken', async () => {
      isAsked = true;
      return Promise.reject(new Error('brought'));
    });
    await expect(attempt).rejects.toMatchObject({ code: 'InvalidAMIName.Duplicate' });
    expect(isAsked).toBe(false);
    expect(images.list(ctx.db)).toEqual([first]);
    expect(existsSync(layer(first, 0))).toBe(true);
  });
});

test('what an earlier command left is cleared away, and told', async () => {
  const whole = await storedImage(ctx, 'whole');
  images.update(ctx.db, { ...whole, state: 'pending' });
  for (const snapshot of snapshots.list(ctx.db)) snapshots.update(ctx.db, { ...snapshot, state: 'pending' });
  const next = await storedImage(ctx, 'next', { '/dev/xvda': 'next' });
  expect(images.list(ctx.db)).toEqual([next]);
  expect(snapshots.list(ctx.db).map(({ snapshotId }) => snapshotId)).toEqual(snapshotIdsOf(next));
  expect(readdirSync(ctx.layout.snapshots)).toEqual(snapshotIdsOf(next));
  expect(home.reported.info).toEqual(["cleared away what an earlier command left of the image 'whole'"]);
});
