// What is done with images that are in the store, and with their snapshots.
import { existsSync, linkSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Ec2Context } from '../../../../src/ec2/context.ts';
import { copyImage } from '../../../../src/ec2/images/copy-image.ts';
import { deregisterImage } from '../../../../src/ec2/images/deregister-image.ts';
import { descriptionOf } from '../../../../src/ec2/images/image-description.ts';
import { findPrunable, pruneImages } from '../../../../src/ec2/images/prune-images.ts';
import { registerImage, type RegisterImageInput } from '../../../../src/ec2/images/register-image.ts';
import { resolveImage } from '../../../../src/ec2/images/resolve-image.ts';
import { copySnapshot } from '../../../../src/ec2/snapshots/copy-snapshot.ts';
import { deleteSnapshot } from '../../../../src/ec2/snapshots/delete-snapshot.ts';
import { ensureVolume } from '../../../../src/ec2/volumes/ensure-volume.ts';
import { makeFolder } from '../../../../src/store/layout.ts';
import { type Image, images, snapshotIdsOf } from '../../../../src/store/images.ts';
import { type Instance, instances } from '../../../../src/store/instances.ts';
import { snapshots } from '../../../../src/store/snapshots.ts';
import { putTags, tagsOf } from '../../../../src/store/tags.ts';
import { type Volume, volumes } from '../../../../src/store/volumes.ts';
import { type TestContext, testContext } from '../../../support/context.ts';
import { sampleInstance } from '../../../support/sample-instance.ts';
import { storedImage } from '../../../support/stored-images.ts';

let home: TestContext;
let ctx: Ec2Context;
beforeEach(() => {
  home = testContext();
  ctx = home.ctx;
});
afterEach(() => home.cleanup());

const NOWHERE = 'snap-0cccccccccccccccc';

function snapshotOf(image: Image, disk = 0): Volume['snapshotId'] & string {
  const found = snapshotIdsOf(image)[disk];
  if (found === undefined) throw new Error('no such disk');
  return found;
}

function layerOf(image: Image, disk = 0): string {
  return join(ctx.layout.snapshot(snapshotOf(image, disk)).folder, '0.qcow2');
}

function volumeOf(snapshotId: Volume['snapshotId'], fields: Partial<Volume> = {}): Volume {
  return {
    volumeId: 'vol-0aaaaaaaaaaaaaaaa',
    size: 1,
    volumeType: 'gp3',
    iops: null,
    throughput: null,
    isLimited: false,
    availabilityZone: 'us-east-1a',
    createTime: '2026-01-02T03:04:05.000Z',
    snapshotId,
    layers: [],
    attachment: null,
    ...fields,
  };
}

/** An instance that was launched from an image, as far as images are concerned. */
function instanceOf({ imageId }: Image, state: Instance['state'] = 'stopped'): Instance {
  return sampleInstance({ instanceId: 'i-0123456789abcdef0', imageId, state });
}

function expectNothingLeft(): void {
  expect(images.list(ctx.db)).toEqual([]);
  expect(snapshots.list(ctx.db)).toEqual([]);
  for (const folder of [ctx.layout.snapshots, ctx.layout.incoming]) expect(readdirSync(folder)).toEqual([]);
}

describe('deregisterImage', () => {
  test('removes record, tags and lock; the snapshots stay', async () => {
    const image = await storedImage(ctx, 'mine');
    putTags(ctx.db, image.imageId, { stage: 'test' });
    await expect(deregisterImage(ctx, { ImageId: image.imageId })).resolves.toEqual({
      Return: true,
      DeleteSnapshotResults: [],
    });
    expect(images.list(ctx.db)).toEqual([]);
    expect(tagsOf(ctx.db, image.imageId)).toEqual({});
    expect(existsSync(ctx.layout.image(image.imageId).lock)).toBe(false);
    expect(snapshots.list(ctx.db)).toMatchObject([{ state: 'completed' }]);
    expect(readFileSync(layerOf(image), 'utf8')).toBe('mine');
  });

  test('with its snapshots, when told so', async () => {
    const image = await storedImage(ctx, 'mine', { '/dev/xvda': 'root', '/dev/sdf': 'data' });
    putTags(ctx.db, snapshotOf(image), { stage: 'test' });
    await expect(
      deregisterImage(ctx, { ImageId: image.imageId, DeleteAssociatedSnapshots: true }),
    ).resolves.toEqual({
      Return: true,
      DeleteSnapshotResults: snapshotIdsOf(image).map((SnapshotId) => ({
        SnapshotId,
        ReturnCode: 'success',
      })),
    });
    expectNothingLeft();
    expect(tagsOf(ctx.db, snapshotOf(image))).toEqual({});
  });

  test('keeps a snapshot that another image has, until that goes too', async () => {
    const image = await storedImage(ctx, 'mine', { '/dev/xvda': 'root', '/dev/sdf': 'data' });
    const shared = snapshotOf(image);
    const { ImageId: other = '' } = registerImage(ctx, {
      Name: 'other',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: shared } }],
    });
    const first = await deregisterImage(ctx, { ImageId: image.imageId, DeleteAssociatedSnapshots: true });
    expect(first.DeleteSnapshotResults).toEqual([
      { SnapshotId: shared, ReturnCode: 'skipped' },
      { SnapshotId: snapshotOf(image, 1), ReturnCode: 'success' },
    ]);
    expect(snapshots.list(ctx.db)).toMatchObject([{ snapshotId: shared, state: 'completed' }]);
    expect(readFileSync(layerOf(image), 'utf8')).toBe('root');
    await deregisterImage(ctx, { ImageId: other, DeleteAssociatedSnapshots: true });
    expectNothingLeft();
  });

  test('keeps a snapshot that a volume is just being made of', async () => {
    const image = await storedImage(ctx, 'mine');
    const volume = volumeOf(snapshotOf(image));
    volumes.insert(ctx.db, volume);
    const { DeleteSnapshotResults } = await deregisterImage(ctx, {
      ImageId: image.imageId,
      DeleteAssociatedSnapshots: true,
    });
    expect(DeleteSnapshotResults).toEqual([{ SnapshotId: snapshotOf(image), ReturnCode: 'skipped' }]);
    expect(existsSync(layerOf(image))).toBe(true);
  });

  test('of contents that another image shares leaves the other whole', async () => {
    const first = await storedImage(ctx, 'first', { '/dev/xvda': 'same' });
    const second = await storedImage(ctx, 'second', { '/dev/xvda': 'same' });
    await deregisterImage(ctx, { ImageId: first.imageId, DeleteAssociatedSnapshots: true });
    expect(readFileSync(layerOf(second), 'utf8')).toBe('same');
    expect(statSync(layerOf(second)).nlink).toBe(1);
  });

  test('refuses while instances of it exist, and names them', async () => {
    const image = await storedImage(ctx, 'mine');
    const instance = instanceOf(image);
    instances.insert(ctx.db, instance);
    const attempt = deregisterImage(ctx, { ImageId: image.imageId, DeleteAssociatedSnapshots: true });
    await expect(attempt).rejects.toMatchObject({
      code: 'InvalidAMIID.Unavailable',
      message: expect.stringContaining(instance.instanceId),
      hint: `bonami terminate ${instance.instanceId}`,
    });
    expect(resolveImage(ctx.db, 'mine')).toEqual(image);
    expect(snapshots.list(ctx.db)).toMatchObject([{ state: 'completed' }]);
    instances.update(ctx.db, { ...instance, state: 'terminated' });
    await deregisterImage(ctx, { ImageId: image.imageId, DeleteAssociatedSnapshots: true });
    expectNothingLeft();
  });

  test('names an image that does not exist', async () => {
    await expect(deregisterImage(ctx, { ImageId: 'ami-0cccccccccccccccc' })).rejects.toMatchObject({
      code: 'InvalidAMIID.NotFound',
    });
    await expect(deregisterImage(ctx, { ImageId: undefined })).rejects.toMatchObject({
      code: 'InvalidAMIID.Malformed',
    });
  });
});

describe('copyImage', () => {
  test('makes another image with snapshots of its own, which share all layers', async () => {
    const source = await storedImage(ctx, 'mine', { '/dev/xvda': 'root', '/dev/sdf': 'data' });
    images.update(ctx.db, {
      ...source,
      blockDeviceMappings: [
        ...source.blockDeviceMappings.map((mapping) => ({
          ...mapping,
          volumeSize: 9,
          deleteOnTermination: false,
        })),
        { kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' },
      ],
    });
    const { ImageId = '' } = await copyImage(ctx, { SourceImageId: source.imageId, Name: 'copy' });
    const copy = resolveImage(ctx.db, ImageId);
    expect(descriptionOf(copy)).toEqual({ ...descriptionOf(source), name: 'copy' });
    expect(copy.source).toBe(`copied from 'mine' (${source.imageId})`);
    expect(copy.blockDeviceMappings).toMatchObject([
      { deviceName: '/dev/xvda', volumeSize: 9, deleteOnTermination: false },
      { deviceName: '/dev/sdf', volumeSize: 9, deleteOnTermination: false },
      { kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' },
    ]);
    for (const disk of [0, 1]) {
      expect(snapshotOf(copy, disk)).not.toBe(snapshotOf(source, disk));
      expect(statSync(layerOf(copy, disk)).ino).toBe(statSync(layerOf(source, disk)).ino);
      expect(snapshots.get(ctx.db, snapshotOf(copy, disk))?.layers).toEqual(
        snapshots.get(ctx.db, snapshotOf(source, disk))?.layers,
      );
    }
    await deregisterImage(ctx, { ImageId: source.imageId, DeleteAssociatedSnapshots: true });
    expect(readFileSync(layerOf(copy), 'utf8')).toBe('root');
  });

  test('with a description of its own', async () => {
    const source = await storedImage(ctx, 'mine');
    await copyImage(ctx, { SourceImageId: source.imageId, Name: 'copy', Description: '' });
    expect(resolveImage(ctx.db, 'copy').description).toBe('');
  });

  test.each([
    [{ Name: 'mine' }, 'InvalidAMIName.Duplicate'],
    [{ Name: 'x' }, 'InvalidAMIName.Malformed'],
    [{ Name: 'copy', SourceImageId: 'ami-0cccccccccccccccc' }, 'InvalidAMIID.NotFound'],
  ])('%j is refused, and nothing is left', async (request, code) => {
    const source = await storedImage(ctx, 'mine');
    await expect(copyImage(ctx, { SourceImageId: source.imageId, ...request })).rejects.toMatchObject({
      code,
    });
    expect(images.list(ctx.db)).toEqual([source]);
    expect(readdirSync(ctx.layout.snapshots)).toEqual(snapshotIdsOf(source));
    expect(readdirSync(ctx.layout.incoming)).toEqual([]);
  });

  test('of an image whose snapshot lacks layers is refused: it would be another disk', async () => {
    const source = await storedImage(ctx, 'mine');
    rmSync(layerOf(source), { force: true });
    const error = { code: 'InvalidSnapshot.NotFound', message: expect.stringContaining('0 of its 1 layers') };
    await expect(copyImage(ctx, { SourceImageId: source.imageId, Name: 'copy' })).rejects.toMatchObject(
      error,
    );
    await expect(copySnapshot(ctx, { SourceSnapshotId: snapshotOf(source) })).rejects.toMatchObject(error);
    const volume = volumeOf(snapshotOf(source), { layers: ['content-sha256:00'] });
    await expect(ensureVolume(ctx, volume, { uid: null })).rejects.toMatchObject(error);
    expect(existsSync(ctx.layout.volume(volume.volumeId).folder)).toBe(false);
    expect(images.list(ctx.db)).toEqual([source]);
    expect(snapshots.list(ctx.db)).toHaveLength(1);
  });
});

describe('registerImage', () => {
  let snapshotId: string;
  beforeEach(async () => {
    const image = await storedImage(ctx, 'mine');
    snapshotId = snapshotOf(image);
    await deregisterImage(ctx, { ImageId: image.imageId });
  });
  const root = (): NonNullable<RegisterImageInput['BlockDeviceMappings']>[number] => ({
    DeviceName: '/dev/xvda',
    Ebs: { SnapshotId: snapshotId },
  });

  test('makes an image around a snapshot, with what is usual', () => {
    const { ImageId = '' } = registerImage(ctx, { Name: 'around', BlockDeviceMappings: [root()] });
    expect(resolveImage(ctx.db, ImageId)).toEqual({
      imageId: ImageId,
      name: 'around',
      description: '',
      architecture: 'x86_64',
      bootMode: 'legacy-bios',
      rootDeviceName: '/dev/xvda',
      blockDeviceMappings: [
        {
          kind: 'ebs',
          deviceName: '/dev/xvda',
          snapshotId,
          volumeSize: 1,
          volumeType: 'gp3',
          iops: null,
          throughput: null,
          deleteOnTermination: true,
        },
      ],
      state: 'available',
      creationDate: expect.any(String),
      defaultUser: 'ec2-user',
      firstBoot: 'cloud-init',
      cpuBaseline: null,
      findings: null,
      sourceInstanceId: null,
      source: 'registered',
    });
  });

  test('takes all that can be said', () => {
    const { ImageId = '' } = registerImage(ctx, {
      Name: 'around',
      Description: 'all said',
      Architecture: 'arm64',
      RootDeviceName: '/dev/sda1',
      TagSpecifications: [{ ResourceType: 'image', Tags: [{ Key: 'stage', Value: 'test' }] }],
      BlockDeviceMappings: [
        { DeviceName: '/dev/sda1', Ebs: { SnapshotId: snapshotId, VolumeSize: 8, VolumeType: 'gp2' } },
        { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 4, VolumeType: 'io2', Iops: 400 } },
        { DeviceName: '/dev/sdb', VirtualName: 'ephemeral0' },
      ],
      Bonami: { DefaultUser: 'me', FirstBoot: 'ignition' },
    });
    expect(resolveImage(ctx.db, ImageId)).toMatchObject({
      description: 'all said',
      architecture: 'arm64',
      bootMode: 'uefi',
      rootDeviceName: '/dev/sda1',
      defaultUser: 'me',
      firstBoot: 'ignition',
      blockDeviceMappings: [
        { deviceName: '/dev/sda1', snapshotId, volumeSize: 8, volumeType: 'gp2' },
        { deviceName: '/dev/sdf', snapshotId: null, volumeSize: 4, volumeType: 'io2', iops: 400 },
        { kind: 'instance-store', deviceName: '/dev/sdb', virtualName: 'ephemeral0' },
      ],
    });
    expect(tagsOf(ctx.db, ImageId)).toEqual({ stage: 'test' });
  });

  test.each<[Partial<RegisterImageInput>, string]>([
    [{ Name: 'x' }, 'InvalidAMIName.Malformed'],
    [{ Architecture: 'x86_64_mac' }, 'InvalidParameterValue'],
    [{ BootMode: 'bios' as never }, 'InvalidParameterValue'],
    [{ RootDeviceName: '/dev/vda' }, 'InvalidParameterValue'],
    [{ Bonami: { DefaultUser: '-l' } }, 'InvalidParameterValue'],
    [{ BlockDeviceMappings: [] }, 'InvalidBlockDeviceMapping'],
    [{ RootDeviceName: '/dev/sda1' }, 'InvalidBlockDeviceMapping'],
    [
      { BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 4 } }] },
      'InvalidBlockDeviceMapping',
    ],
    [
      { BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: NOWHERE } }] },
      'InvalidSnapshot.NotFound',
    ],
  ])('%j is refused', (request, code) => {
    const attempt = (): unknown =>
      registerImage(ctx, { Name: 'around', BlockDeviceMappings: [root()], ...request });
    expect(attempt).toThrow(expect.objectContaining({ code }));
    expect(images.list(ctx.db)).toEqual([]);
  });

  test.each([
    { DeviceName: '/dev/xvda', VirtualName: 'ephemeral0' },
    { DeviceName: '/dev/sdb', VirtualName: 'disk' },
    { DeviceName: 'disk b', VirtualName: 'ephemeral0' },
    { DeviceName: '/dev/sdf', Ebs: {} },
  ])('a further mapping %j is refused', (mapping) => {
    expect(() => registerImage(ctx, { Name: 'around', BlockDeviceMappings: [root(), mapping] })).toThrow(
      expect.objectContaining({ code: 'InvalidBlockDeviceMapping' }),
    );
  });

  test('a name that is taken, and a snapshot that is still being taken, are refused', () => {
    const request = { Name: 'around', BlockDeviceMappings: [root()] };
    registerImage(ctx, request);
    expect(() => registerImage(ctx, request)).toThrow(
      expect.objectContaining({ code: 'InvalidAMIName.Duplicate' }),
    );
    const [snapshot] = snapshots.list(ctx.db);
    if (snapshot) snapshots.update(ctx.db, { ...snapshot, state: 'pending' });
    expect(() => registerImage(ctx, { ...request, Name: 'second' })).toThrow(
      expect.objectContaining({ code: 'IncorrectState' }),
    );
  });
});

describe('deleteSnapshot', () => {
  test('removes files, record, tags and lock', async () => {
    const image = await storedImage(ctx, 'mine');
    await deregisterImage(ctx, { ImageId: image.imageId });
    putTags(ctx.db, snapshotOf(image), { stage: 'test' });
    await expect(deleteSnapshot(ctx, { SnapshotId: snapshotOf(image) })).resolves.toEqual({});
    expectNothingLeft();
    expect(tagsOf(ctx.db, snapshotOf(image))).toEqual({});
    expect(existsSync(ctx.layout.snapshot(snapshotOf(image)).lock)).toBe(false);
  });

  test('refuses while an image has it, and names the image', async () => {
    const image = await storedImage(ctx, 'mine', { '/dev/xvda': 'root', '/dev/sdf': 'data' });
    for (const SnapshotId of snapshotIdsOf(image))
      await expect(deleteSnapshot(ctx, { SnapshotId })).rejects.toMatchObject({
        code: 'InvalidSnapshot.InUse',
        message: expect.stringContaining(image.imageId),
        hint: `bonami image rm ${image.imageId}`,
      });
    expect(snapshots.list(ctx.db)).toMatchObject([{ state: 'completed' }, { state: 'completed' }]);
  });

  test('refuses while a volume is being made of it; one that has its layers keeps them', async () => {
    const image = await storedImage(ctx, 'mine');
    await deregisterImage(ctx, { ImageId: image.imageId });
    const SnapshotId = snapshotOf(image);
    const volume = volumeOf(SnapshotId, { layers: snapshots.get(ctx.db, SnapshotId)?.layers ?? [] });
    volumes.insert(ctx.db, volume);
    await expect(deleteSnapshot(ctx, { SnapshotId })).rejects.toMatchObject({
      code: 'InvalidSnapshot.InUse',
      message: expect.stringContaining(volume.volumeId),
    });
    const { folder } = ctx.layout.volume(volume.volumeId);
    makeFolder(folder, 0o700);
    linkSync(layerOf(image), join(folder, '0.qcow2'));
    await deleteSnapshot(ctx, { SnapshotId });
    expectNothingLeft();
    expect(readFileSync(join(folder, '0.qcow2'), 'utf8')).toBe('mine');
  });

  test.each([
    ['snap-1', 'InvalidSnapshotID.Malformed'],
    ['../../etc', 'InvalidSnapshotID.Malformed'],
    [NOWHERE, 'InvalidSnapshot.NotFound'],
  ])('%s is %s', async (SnapshotId, code) => {
    await expect(deleteSnapshot(ctx, { SnapshotId })).rejects.toMatchObject({ code });
  });
});

describe('copySnapshot', () => {
  test('shares all layers, and outlives the first', async () => {
    const image = await storedImage(ctx, 'mine');
    await deregisterImage(ctx, { ImageId: image.imageId });
    const { SnapshotId = '', Tags } = await copySnapshot(ctx, {
      SourceSnapshotId: snapshotOf(image),
      TagSpecifications: [{ ResourceType: 'snapshot', Tags: [{ Key: 'stage', Value: 'test' }] }],
    });
    expect(Tags).toEqual([{ Key: 'stage', Value: 'test' }]);
    expect(statSync(layerOf(image)).nlink).toBe(2);
    await deleteSnapshot(ctx, { SnapshotId: snapshotOf(image) });
    expect(snapshots.list(ctx.db)).toMatchObject([
      { snapshotId: SnapshotId, state: 'completed', description: `Copied from ${snapshotOf(image)}` },
    ]);
    await deleteSnapshot(ctx, { SnapshotId });
    expectNothingLeft();
  });
});

describe('pruning', () => {
  const ALL = { olderThanMs: 0, snapshots: true };
  const names = (found: ReturnType<typeof findPrunable>): readonly string[] =>
    found.images.map(({ name }) => name).toSorted();

  test('finds what nobody uses, and removes exactly that', async () => {
    const unused = await storedImage(ctx, 'unused', { '/dev/xvda': 'x'.repeat(5000), '/dev/sdf': 'data' });
    const used = await storedImage(ctx, 'used', { '/dev/xvda': 'used' });
    instances.insert(ctx.db, instanceOf(used));
    const found = findPrunable(ctx, ALL);
    expect(names(found)).toEqual(['unused']);
    expect(found.snapshotIds.toSorted()).toEqual(snapshotIdsOf(unused).toSorted());
    expect(found.bytes).toBe((statSync(layerOf(unused)).blocks + statSync(layerOf(unused, 1)).blocks) * 512);
    expect(found.bytes).toBeGreaterThan(5000);
    expect(images.list(ctx.db)).toHaveLength(2);
    await pruneImages(ctx, found);
    expect(images.list(ctx.db)).toEqual([used]);
    expect(readdirSync(ctx.layout.snapshots)).toEqual(snapshotIdsOf(used));
    expect(findPrunable(ctx, ALL)).toEqual({ images: [], snapshotIds: [], bytes: 0 });
  });

  test('an image whose instances are all terminated is unused', async () => {
    const image = await storedImage(ctx, 'mine');
    instances.insert(ctx.db, instanceOf(image, 'terminated'));
    expect(names(findPrunable(ctx, ALL))).toEqual(['mine']);
  });

  test('what is too young stays', async () => {
    await storedImage({ ...ctx, now: () => new Date('2026-01-01T00:00:00Z') }, 'old');
    await storedImage({ ...ctx, now: () => new Date('2026-01-09T00:00:00Z') }, 'young');
    const later = { ...ctx, now: () => new Date('2026-01-10T00:00:00Z') };
    const week = { olderThanMs: 7 * 86_400_000, snapshots: true };
    expect(names(findPrunable(later, week))).toEqual(['old']);
    await pruneImages(later, findPrunable(later, week));
    expect(images.list(ctx.db).map(({ name }) => name)).toEqual(['young']);
  });

  test('bytes that somebody else keeps do not become free', async () => {
    const image = await storedImage(ctx, 'unused', { '/dev/xvda': 'x'.repeat(9000) });
    const used = await storedImage(ctx, 'used', { '/dev/xvda': 'x'.repeat(9000) });
    instances.insert(ctx.db, instanceOf(used));
    expect(findPrunable(ctx, ALL)).toMatchObject({ snapshotIds: [snapshotOf(image)], bytes: 0 });
    instances.remove(ctx.db, instanceOf(used).instanceId);
    expect(findPrunable(ctx, ALL).bytes).toBe(statSync(layerOf(image)).blocks * 512);
  });

  test('snapshots without an image are found only when asked for', async () => {
    const image = await storedImage(ctx, 'mine');
    await deregisterImage(ctx, { ImageId: image.imageId });
    expect(findPrunable(ctx, { ...ALL, snapshots: false })).toMatchObject({ images: [], snapshotIds: [] });
    const found = findPrunable(ctx, ALL);
    expect(found.snapshotIds).toEqual([snapshotOf(image)]);
    await pruneImages(ctx, found);
    expectNothingLeft();
  });

  test('a snapshot of two images stays while one of them is used', async () => {
    const image = await storedImage(ctx, 'mine');
    const { ImageId = '' } = registerImage(ctx, {
      Name: 'other',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { SnapshotId: snapshotOf(image) } }],
    });
    instances.insert(ctx.db, instanceOf(resolveImage(ctx.db, ImageId)));
    const found = findPrunable(ctx, ALL);
    expect(found).toMatchObject({ images: [{ name: 'mine' }], snapshotIds: [], bytes: 0 });
    await pruneImages(ctx, found);
    expect(readFileSync(layerOf(image), 'utf8')).toBe('mine');
    expect(images.list(ctx.db).map(({ name }) => name)).toEqual(['other']);
  });

  test('what has come into use meanwhile is refused, and stays', async () => {
    const image = await storedImage(ctx, 'mine');
    const found = findPrunable(ctx, ALL);
    instances.insert(ctx.db, instanceOf(image));
    await expect(pruneImages(ctx, found)).rejects.toMatchObject({ code: 'InvalidAMIID.Unavailable' });
    expect(readFileSync(layerOf(image), 'utf8')).toBe('mine');
  });

  test('images that are still on their way are left alone', async () => {
    const image = await storedImage(ctx, 'coming');
    images.update(ctx.db, { ...image, state: 'pending' });
    for (const snapshot of snapshots.list(ctx.db))
      snapshots.update(ctx.db, { ...snapshot, state: 'pending' });
    writeFileSync(join(ctx.layout.snapshot(snapshotOf(image)).folder, 'more'), '');
    expect(findPrunable(ctx, ALL)).toEqual({ images: [], snapshotIds: [], bytes: 0 });
  });
});
