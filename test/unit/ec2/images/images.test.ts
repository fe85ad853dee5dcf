import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { describeImages } from '../../../../src/ec2/images/describe-images.ts';
import { imageProvenance, resolveImage } from '../../../../src/ec2/images/resolve-image.ts';
import { settledImage, sweepAbandonedImages } from '../../../../src/ec2/images/sweep-images.ts';
import { sweepAbandonedSnapshots } from '../../../../src/ec2/snapshots/remove-snapshot.ts';
import { lock } from '../../../../src/host/process/lock.ts';
import { type Image, images } from '../../../../src/store/images.ts';
import { putTags, tagsOf } from '../../../../src/store/tags.ts';
import { type Snapshot, snapshots } from '../../../../src/store/snapshots.ts';
import { type TestContext, testContext } from '../../../support/context.ts';

let home: TestContext;
beforeEach(() => (home = testContext()));
afterEach(() => home.cleanup());

const SNAPSHOT = snapshot({ snapshotId: 'snap-0aaaaaaaaaaaaaaa1' });

function snapshot(fields: Partial<Snapshot> & Pick<Snapshot, 'snapshotId'>): Snapshot {
  return {
    state: 'completed',
    owner: fields.snapshotId,
    volumeId: null,
    volumeSize: 3,
    description: '',
    startTime: '2026-01-02T03:04:05.000Z',
    layers: ['content-sha256:00'],
    ...fields,
  };
}

function record(fields: Partial<Image> & Pick<Image, 'imageId' | 'name'>): Image {
  return {
    description: 'for a test',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    blockDeviceMappings: [
      {
        kind: 'ebs',
        deviceName: '/dev/xvda',
        snapshotId: SNAPSHOT.snapshotId,
        volumeSize: 3,
        volumeType: 'gp3',
        iops: null,
        throughput: null,
        deleteOnTermination: true,
      },
    ],
    state: 'available',
    creationDate: '2026-01-02T03:04:05.000Z',
    defaultUser: 'debian',
    firstBoot: 'cloud-init',
    cpuBaseline: null,
    findings: null,
    sourceInstanceId: null,
    source: 'a test',
    ...fields,
  };
}

const DEBIAN = record({ imageId: 'ami-0aaaaaaaaaaaaaaa1', name: 'debian-12' });
const TINY = record({
  imageId: 'ami-0aaaaaaaaaaaaaaa2',
  name: 'tiny-arm64',
  architecture: 'arm64',
  bootMode: 'uefi',
});
const COMING = record({
  imageId: 'ami-0bbbbbbbbbbbbbbbb',
  name: 'coming',
  state: 'pending',
  blockDeviceMappings: [],
});

function addAll(): void {
  snapshots.insert(home.ctx.db, SNAPSHOT);
  for (const image of [DEBIAN, TINY, COMING]) images.insert(home.ctx.db, image);
}

describe('resolveImage', () => {
  test.each([
    [undefined, DEBIAN],
    ['tiny-arm64', TINY],
    [TINY.imageId, TINY],
    ['ami-0aaaaaaaaaaaaaaa2', TINY],
  ])('%s is found', (reference, image) => {
    addAll();
    expect(resolveImage(home.ctx.db, reference)).toEqual(image);
  });

  test('a beginning of an id is enough when it fits one image only', () => {
    addAll();
    images.remove(home.ctx.db, COMING.imageId);
    images.insert(home.ctx.db, record({ imageId: 'ami-0c000000000000000', name: 'third' }));
    expect(resolveImage(home.ctx.db, 'ami-0c').name).toBe('third');
    expect(() => resolveImage(home.ctx.db, 'ami-0a')).toThrow("'ami-0a' is the beginning of 2 image ids");
  });

  test.each([
    ['ami-0ccccccccccccccccc', 'InvalidAMIID.Malformed'],
    ['ami-../../etc', 'InvalidAMIID.Malformed'],
    ['ami-', 'InvalidAMIID.Malformed'],
    ['ami-0cccccccccccccccc', 'InvalidAMIID.NotFound'],
    ['ami-0c', 'InvalidAMIID.NotFound'],
    ['nothing', 'InvalidAMIID.NotFound'],
    ['', 'InvalidAMIID.NotFound'],
    ['coming', 'InvalidAMIID.Unavailable'],
    ['ami-0b', 'InvalidAMIID.Unavailable'],
  ])("'%s' is %s", (reference, code) => {
    addAll();
    expect(() => resolveImage(home.ctx.db, reference)).toThrow(expect.objectContaining({ code }));
  });

  test('a missing default image says how to get it', () => {
    expect(() => resolveImage(home.ctx.db, undefined)).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('bonami image pull debian-12') }),
    );
  });

  test('imageProvenance tells what EC2 has no field for', () => {
    addAll();
    expect(imageProvenance(home.ctx.db, DEBIAN.imageId)).toMatchObject({
      source: 'a test',
      defaultUser: 'debian',
      firstBoot: 'cloud-init',
      digests: ['content-sha256:00'],
    });
    expect(imageProvenance(home.ctx.db, COMING.imageId).digests).toEqual([]);
    expect(() => imageProvenance(home.ctx.db, 'ami-0cccccccccccccccc')).toThrow(
      expect.objectContaining({ code: 'InvalidAMIID.NotFound' }),
    );
  });
});

describe('describeImages', () => {
  const namesFor = (request: Parameters<typeof describeImages>[1]): (string | undefined)[] =>
    describeImages(home.ctx, request).Images?.map(({ Name }) => Name) ?? [];

  test("shows EC2's own fields, and nothing of ours", () => {
    addAll();
    putTags(home.ctx.db, DEBIAN.imageId, { stage: 'test' });
    const [image] = describeImages(home.ctx, { ImageIds: [DEBIAN.imageId] }).Images ?? [];
    expect(image).toEqual({
      Architecture: 'x86_64',
      BlockDeviceMappings: [
        {
          DeviceName: '/dev/xvda',
          Ebs: {
            DeleteOnTermination: true,
            Encrypted: false,
            SnapshotId: SNAPSHOT.snapshotId,
            VolumeSize: 3,
            VolumeType: 'gp3',
          },
        },
      ],
      BootMode: 'legacy-bios',
      CreationDate: '2026-01-02T03:04:05.000Z',
      Description: 'for a test',
      EnaSupport: true,
      Hypervisor: 'xen',
      ImageId: DEBIAN.imageId,
      ImageLocation: `${home.ctx.ownerId}/debian-12`,
      ImageType: 'machine',
      Name: 'debian-12',
      OwnerId: home.ctx.ownerId,
      PlatformDetails: 'Linux/UNIX',
      Public: false,
      RootDeviceName: '/dev/xvda',
      RootDeviceType: 'ebs',
      State: 'available',
      Tags: [{ Key: 'stage', Value: 'test' }],
      UsageOperation: 'RunInstances',
      VirtualizationType: 'hvm',
    });
  });

  test('shows volumes that begin empty, instance stores, and the instance it was made from', () => {
    const [root] = DEBIAN.blockDeviceMappings;
    if (root?.kind !== 'ebs') throw new Error('no root');
    images.insert(home.ctx.db, {
      ...DEBIAN,
      sourceInstanceId: 'i-0aaaaaaaaaaaaaaaa',
      blockDeviceMappings: [
        { ...root, deviceName: '/dev/sdf', snapshotId: null, volumeType: 'io2', iops: 400, throughput: 130 },
        { kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' },
      ],
    });
    expect(describeImages(home.ctx, {}).Images).toMatchObject([
      {
        SourceInstanceId: 'i-0aaaaaaaaaaaaaaaa',
        BlockDeviceMappings: [
          { DeviceName: '/dev/sdf', Ebs: { VolumeType: 'io2', Iops: 400, Throughput: 130 } },
          { DeviceName: '/dev/sdb', VirtualName: 'ephemeral0' },
        ],
      },
    ]);
    const [empty] = describeImages(home.ctx, {}).Images?.[0]?.BlockDeviceMappings ?? [];
    expect(empty?.Ebs).not.toHaveProperty('SnapshotId');
  });

  test('filters as EC2 does', () => {
    addAll();
    putTags(home.ctx.db, TINY.imageId, { stage: 'test' });
    expect(namesFor({})).toEqual(['debian-12', 'tiny-arm64', 'coming']);
    expect(namesFor({ Owners: ['self'] })).toHaveLength(3);
    expect(namesFor({ Filters: [{ Name: 'name', Values: ['debian-*', 'nothing'] }] })).toEqual(['debian-12']);
    expect(namesFor({ Filters: [{ Name: 'architecture', Values: ['arm64'] }] })).toEqual(['tiny-arm64']);
    expect(namesFor({ Filters: [{ Name: 'state', Values: ['pending'] }] })).toEqual(['coming']);
    expect(namesFor({ Filters: [{ Name: 'image-id', Values: [DEBIAN.imageId] }] })).toEqual(['debian-12']);
    expect(namesFor({ Filters: [{ Name: 'tag:stage', Values: ['test'] }] })).toEqual(['tiny-arm64']);
    expect(
      namesFor({
        Filters: [
          { Name: 'state', Values: ['available'] },
          { Name: 'architecture', Values: ['x86_64', 'i386'] },
        ],
      }),
    ).toEqual(['debian-12']);
  });

  test.each([
    [{ Filters: [{ Name: 'colour', Values: ['red'] }] }, 'InvalidParameterValue'],
    [{ ImageIds: ['debian-12'] }, 'InvalidAMIID.Malformed'],
    [{ ImageIds: ['ami-0cccccccccccccccc'] }, 'InvalidAMIID.NotFound'],
  ])('%j is an error', (request, code) => {
    expect(() => describeImages(home.ctx, request)).toThrow(expect.objectContaining({ code }));
  });
});

describe('sweepAbandonedImages', () => {
  test('removes what nobody works on, and nothing else', async () => {
    addAll();
    const { layout, db } = home.ctx;
    const worked = record({ imageId: 'ami-0dddddddddddddddd', name: 'worked-on', state: 'pending' });
    images.insert(db, worked);
    putTags(db, COMING.imageId, { stage: 'test' });
    for (const { imageId } of [DEBIAN, COMING, worked])
      mkdirSync(`${layout.image(imageId).incoming}/work`, { recursive: true });
    // One of its snapshots is in the store already, the other is not; and another image's.
    const [arrived, published, of] = ['snap-0b1', 'snap-0b2', 'snap-0d1'].map(
      (stem) => stem.padEnd(22, '0') as Snapshot['snapshotId'],
    );
    if (!arrived || !published || !of) throw new Error('no ids');
    for (const [snapshotId, owner] of [
      [arrived, COMING.imageId],
      [published, COMING.imageId],
      [of, worked.imageId],
    ] as const)
      snapshots.insert(db, snapshot({ snapshotId, owner, state: 'pending' }));
    for (const id of [SNAPSHOT.snapshotId, published, of]) {
      mkdirSync(layout.snapshot(id).folder);
      writeFileSync(`${layout.snapshot(id).folder}/0.qcow2`, 'a layer', { mode: 0o444 });
    }
    const held = await lock(layout.image(worked.imageId).lock, { purpose: 'test' });
    try {
      expect((await sweepAbandonedImages(home.ctx)).map(({ name }) => name)).toEqual(['coming']);
      await expect(sweepAbandonedImages(home.ctx)).resolves.toEqual([]);
      // Those of images are not swept on their own.
      expect(sweepAbandonedSnapshots(home.ctx)).toEqual([]);
    } finally {
      held.release();
    }
    expect(images.list(db).map(({ name }) => name)).toEqual(['debian-12', 'tiny-arm64', 'worked-on']);
    expect(snapshots.list(db).map(({ snapshotId }) => snapshotId)).toEqual([SNAPSHOT.snapshotId, of]);
    expect(readdirSync(layout.snapshots).toSorted()).toEqual([SNAPSHOT.snapshotId, of]);
    expect(readdirSync(layout.incoming).toSorted()).toEqual([DEBIAN.imageId, worked.imageId]);
    expect(tagsOf(db, COMING.imageId)).toEqual({});
    expect(existsSync(layout.image(COMING.imageId).lock)).toBe(false);
  });
});

test('sweepAbandonedSnapshots removes unfinished snapshots that nobody works on, and nothing else', async () => {
  const { layout, db } = home.ctx;
  const ids = ['snap-0c1', 'snap-0c2', 'snap-0c3'].map(
    (stem) => stem.padEnd(22, '0') as Snapshot['snapshotId'],
  );
  const [left, worked, whole] = ids;
  if (!left || !worked || !whole) throw new Error('no ids');
  for (const snapshotId of ids) {
    snapshots.insert(db, snapshot({ snapshotId, state: snapshotId === whole ? 'completed' : 'pending' }));
    mkdirSync(layout.snapshot(snapshotId).folder);
    mkdirSync(layout.snapshot(snapshotId).incoming);
  }
  putTags(db, left, { stage: 'test' });
  const held = await lock(layout.snapshot(worked).lock, { purpose: 'test' });
  try {
    expect(sweepAbandonedSnapshots(home.ctx)).toEqual([left]);
  } finally {
    held.release();
  }
  expect(snapshots.list(db).map(({ snapshotId }) => snapshotId)).toEqual([worked, whole]);
  for (const folder of [layout.snapshots, layout.incoming])
    expect(readdirSync(folder).toSorted()).toEqual([worked, whole]);
  expect(tagsOf(db, left)).toEqual({});
  expect(existsSync(layout.snapshot(left).lock)).toBe(false);
});

describe('settledImage', () => {
  test('is the available image of that name, or none', async () => {
    addAll();
    await expect(settledImage(home.ctx, 'debian-12')).resolves.toEqual(DEBIAN);
    await expect(settledImage(home.ctx, 'nothing')).resolves.toBeUndefined();
    expect(home.reported.info).toEqual([]);
  });

  test('clears away what a dead command left of it', async () => {
    addAll();
    mkdirSync(home.ctx.layout.image(COMING.imageId).incoming);
    await expect(settledImage(home.ctx, 'coming')).resolves.toBeUndefined();
    expect(images.get(home.ctx.db, COMING.imageId)).toBeUndefined();
    expect(readdirSync(home.ctx.layout.incoming)).toEqual([]);
  });

  test('waits for the command that brings it', async () => {
    addAll();
    const held = await lock(home.ctx.layout.image(COMING.imageId).lock, { purpose: 'test' });
    const settled = settledImage(home.ctx, 'coming');
    await expect.poll(() => home.reported.info.join()).toContain('waiting for it');
    images.update(home.ctx.db, { ...COMING, state: 'available' });
    held.release();
    await expect(settled).resolves.toEqual({ ...COMING, state: 'available' });
    expect(home.reported.info).toHaveLength(1);
  });

  test('does not go on when it is interrupted', async () => {
    addAll();
    home.abort();
    await expect(settledImage(home.ctx, 'debian-12')).rejects.toMatchObject({ code: 'Interrupted' });
  });
});
