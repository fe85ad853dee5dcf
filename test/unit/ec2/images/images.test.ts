import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deregisterImage } from '../../../../src/ec2/images/deregister-image.ts';
import { describeImages } from '../../../../src/ec2/images/describe-images.ts';
import { describeDiskFile } from '../../../../src/ec2/images/image-description.ts';
import { imageProvenance, resolveImage } from '../../../../src/ec2/images/resolve-image.ts';
import { sweepAbandonedImports } from '../../../../src/ec2/images/sweep-imports.ts';
import { lock } from '../../../../src/host/process/lock.ts';
import { type Image, images } from '../../../../src/store/images.ts';
import { putTags, tagsOf } from '../../../../src/store/tags.ts';
import { volumes } from '../../../../src/store/volumes.ts';
import { type TestContext, testContext } from '../../../support/context.ts';

let home: TestContext;
beforeEach(() => (home = testContext()));
afterEach(() => home.cleanup());

function record(fields: Partial<Image> & Pick<Image, 'imageId' | 'name'>): Image {
  return {
    description: 'for a test',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    blockDeviceMappings: [
      { deviceName: '/dev/xvda', volumeSize: 3, volumeType: 'gp3', deleteOnTermination: true },
    ],
    state: 'available',
    creationDate: '2026-01-02T03:04:05.000Z',
    digest: 'sha256:00',
    virtualSize: 2 ** 31,
    defaultUser: 'debian',
    firstBoot: 'cloud-init',
    cpuBaseline: null,
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
const COMING = record({ imageId: 'ami-0bbbbbbbbbbbbbbbb', name: 'coming', state: 'pending', digest: null });

function addAll(): void {
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
      digest: 'sha256:00',
    });
  });
});

test('an image of a time when nobody noted what its CPU must have is read all the same', () => {
  images.insert(home.ctx.db, { ...DEBIAN, cpuBaseline: 'x86-64-v2' });
  expect(images.get(home.ctx.db, DEBIAN.imageId)?.cpuBaseline).toBe('x86-64-v2');
  home.ctx.db.prepare("UPDATE images SET document = json_remove(document, '$.cpuBaseline')").run();
  expect(images.get(home.ctx.db, DEBIAN.imageId)).toEqual({ ...DEBIAN, cpuBaseline: null });
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
          Ebs: { DeleteOnTermination: true, Encrypted: false, VolumeSize: 3, VolumeType: 'gp3' },
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

describe('deregisterImage', () => {
  test('removes record, tags, disk and lock', async () => {
    addAll();
    putTags(home.ctx.db, DEBIAN.imageId, { stage: 'test' });
    const paths = home.ctx.layout.image(DEBIAN.imageId);
    mkdirSync(paths.folder);
    writeFileSync(paths.disk, 'disk', { mode: 0o444 });
    await expect(deregisterImage(home.ctx, { ImageId: DEBIAN.imageId })).resolves.toEqual({ Return: true });
    expect(images.get(home.ctx.db, DEBIAN.imageId)).toBeUndefined();
    expect(tagsOf(home.ctx.db, DEBIAN.imageId)).toEqual({});
    expect(existsSync(paths.folder)).toBe(false);
    expect(existsSync(paths.lock)).toBe(false);
  });

  test('refuses while a volume stands on the disk, and says whose it is', async () => {
    addAll();
    const volume = {
      volumeId: 'vol-0aaaaaaaaaaaaaaaa',
      size: 3,
      volumeType: 'gp3',
      availabilityZone: 'us-east-1a',
      createTime: '2026-01-02T03:04:05.000Z',
      imageId: DEBIAN.imageId,
    } as const;
    volumes.insert(home.ctx.db, { ...volume, attachment: null });
    const attempt = deregisterImage(home.ctx, { ImageId: DEBIAN.imageId });
    await expect(attempt).rejects.toMatchObject({
      code: 'InvalidAMIID.Unavailable',
      message: expect.stringContaining('vol-0aaaaaaaaaaaaaaaa'),
    });
    expect(resolveImage(home.ctx.db, 'debian-12').state).toBe('available');
  });

  test('names an image that does not exist', async () => {
    await expect(deregisterImage(home.ctx, { ImageId: DEBIAN.imageId })).rejects.toMatchObject({
      code: 'InvalidAMIID.NotFound',
    });
    await expect(deregisterImage(home.ctx, { ImageId: undefined })).rejects.toMatchObject({
      code: 'InvalidAMIID.Malformed',
    });
  });
});

describe('sweepAbandonedImports', () => {
  test('removes what nobody works on, and nothing else', async () => {
    addAll();
    const worked = record({ imageId: 'ami-0dddddddddddddddd', name: 'worked-on', state: 'pending' });
    images.insert(home.ctx.db, worked);
    const { layout } = home.ctx;
    for (const { imageId } of [DEBIAN, COMING, worked]) {
      mkdirSync(layout.image(imageId).folder);
      mkdirSync(`${layout.image(imageId).incoming}/work`, { recursive: true });
    }
    const held = await lock(layout.image(worked.imageId).lock, { purpose: 'test' });
    try {
      expect((await sweepAbandonedImports(home.ctx)).map(({ name }) => name)).toEqual(['coming']);
    } finally {
      held.release();
    }
    expect(images.list(home.ctx.db).map(({ name }) => name)).toEqual([
      'debian-12',
      'tiny-arm64',
      'worked-on',
    ]);
    expect(readdirSync(layout.images).toSorted()).toEqual([DEBIAN.imageId, worked.imageId]);
    expect(readdirSync(layout.incoming).toSorted()).toEqual([DEBIAN.imageId, worked.imageId]);
    expect(existsSync(layout.image(COMING.imageId).lock)).toBe(false);
  });
});

describe('describeDiskFile', () => {
  test.each([
    ['/a/debian-12-generic-amd64.qcow2', 'debian-12-generic-amd64', 'debian'],
    ['/a/noble-server-cloudimg-amd64.img', 'noble-server-cloudimg-amd64', 'ubuntu'],
    ['/a/Fedora Cloud.raw', 'Fedora Cloud', 'fedora'],
    ['/a/my:disk,ü.qcow2', 'my-disk-', 'ec2-user'],
    ['/a/plain', 'plain', 'ec2-user'],
  ])('%s is named %s, with the login %s', (path, name, defaultUser) => {
    expect(describeDiskFile(path, {})).toMatchObject({ name, defaultUser, firstBoot: 'cloud-init' });
  });

  test('ARM boots by UEFI unless told otherwise; said words win', () => {
    expect(describeDiskFile('/a/abc', { architecture: 'arm64' }).bootMode).toBe('uefi');
    expect(describeDiskFile('/a/abc', { architecture: 'x86_64' }).bootMode).toBe('legacy-bios');
    expect(describeDiskFile('/a/abc', { name: 'other', defaultUser: 'root' })).toMatchObject({
      name: 'other',
      defaultUser: 'root',
    });
  });

  test.each(['ab', 'a'.repeat(129), 'a\nb c', 'ami-0aaaaaaaa', 'a;b;c', ''])(
    'the name %j is refused',
    (name) => {
      expect(() => describeDiskFile('/a/abc', { name })).toThrow(
        expect.objectContaining({ code: 'InvalidAMIName.Malformed' }),
      );
    },
  );
});
