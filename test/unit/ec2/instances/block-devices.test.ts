import { describe, expect, test } from 'vitest';
import type { BlockDeviceMapping } from '@aws-sdk/client-ec2';
import { planDisks, type PlannedVolume } from '../../../../src/ec2/instances/block-devices.ts';
import type { EbsMapping, Image } from '../../../../src/store/images.ts';

const SNAPSHOT = 'snap-0aaaaaaaaaaaaaaa1';

/** The volumes of an instance of this image, whose snapshots are all of 3 GiB. */
function mergeBlockDevices(of: Image, requested: readonly BlockDeviceMapping[]): readonly PlannedVolume[] {
  return disksOf(of, requested).volumes;
}

function disksOf(of: Image, requested: readonly BlockDeviceMapping[], instanceType = 't3.micro') {
  return planDisks({
    image: of,
    requested,
    instanceType,
    snapshot: (snapshotId) => ({
      snapshotId,
      state: 'completed',
      owner: snapshotId,
      volumeId: null,
      volumeSize: 3,
      description: '',
      startTime: '2026-01-02T03:04:05.000Z',
      layers: [],
    }),
  });
}

function mapping(fields: Partial<EbsMapping>): EbsMapping {
  return {
    kind: 'ebs',
    deviceName: '/dev/xvda',
    snapshotId: SNAPSHOT,
    volumeSize: 8,
    volumeType: 'gp2',
    iops: null,
    throughput: null,
    deleteOnTermination: false,
    ...fields,
  };
}

function image(fields: Partial<Image> = {}): Image {
  return {
    imageId: 'ami-0aaaaaaaaaaaaaaa1',
    name: 'debian-12',
    description: 'for a test',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    blockDeviceMappings: [mapping({})],
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

const WITH_DATA = image({
  blockDeviceMappings: [
    mapping({}),
    mapping({
      deviceName: '/dev/sdb',
      snapshotId: null,
      volumeSize: 125,
      volumeType: 'st1',
      deleteOnTermination: true,
    }),
  ],
});

const ROOT = {
  deviceName: '/dev/xvda',
  size: 8,
  volumeType: 'gp2',
  iops: null,
  throughput: null,
  deleteOnTermination: false,
  snapshotId: SNAPSHOT,
  isLimited: true,
};
const DATA = {
  deviceName: '/dev/sdb',
  size: 125,
  volumeType: 'st1',
  iops: null,
  throughput: null,
  deleteOnTermination: true,
  snapshotId: null,
  isLimited: true,
};

describe('the volumes of an instance', () => {
  test("are the image's, of which only the root has its content", () => {
    expect(mergeBlockDevices(WITH_DATA, [])).toEqual([ROOT, DATA]);
  });

  test('a requested root changes only what it says', () => {
    expect(mergeBlockDevices(WITH_DATA, [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 20 } }])).toEqual([
      { ...ROOT, size: 20 },
      DATA,
    ]);
    expect(
      mergeBlockDevices(WITH_DATA, [
        { DeviceName: '/dev/xvda', Ebs: { VolumeType: 'io2', Iops: 500, DeleteOnTermination: true } },
      ]),
    ).toEqual([{ ...ROOT, volumeType: 'io2', iops: 500, deleteOnTermination: true }, DATA]);
    expect(mergeBlockDevices(WITH_DATA, [{ DeviceName: '/dev/xvda' }])).toEqual([ROOT, DATA]);
  });

  test('another device is added at the end, empty, as gp3 that ends with its instance', () => {
    expect(mergeBlockDevices(image(), [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 5 } }])).toEqual([
      ROOT,
      {
        ...ROOT,
        deviceName: '/dev/sdf',
        size: 5,
        volumeType: 'gp3',
        deleteOnTermination: true,
        snapshotId: null,
        isLimited: false,
      },
    ]);
    expect(
      mergeBlockDevices(image(), [
        { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 125, VolumeType: 'sc1', DeleteOnTermination: false } },
      ])[1],
    ).toMatchObject({ volumeType: 'sc1', deleteOnTermination: false });
  });

  test("NoDevice leaves out the image's device, and does nothing for one that is not there", () => {
    expect(mergeBlockDevices(WITH_DATA, [{ DeviceName: '/dev/sdb', NoDevice: '' }])).toEqual([ROOT]);
    expect(mergeBlockDevices(WITH_DATA, [{ DeviceName: '/dev/sdz', NoDevice: '' }])).toEqual([ROOT, DATA]);
  });

  test.each(['/dev/sda', '/dev/sda1', '/dev/sdf15', 'sdf', 'xvdf', '/dev/xvdba', 'xvda1'])(
    '%s is a device name',
    (deviceName) => {
      expect(
        mergeBlockDevices(image(), [{ DeviceName: deviceName, Ebs: { VolumeSize: 1 } }]).at(-1),
      ).toMatchObject({ deviceName, size: 1 });
    },
  );
});

describe('a mapping is refused', () => {
  const refusal = (
    mapping: Parameters<typeof mergeBlockDevices>[1][number],
    of: Image = image(),
  ): (() => unknown) => {
    return () => mergeBlockDevices(of, [mapping]);
  };

  test.each(['', '/dev/', '/dev/sdaa', '/dev/sdf123', '/dev/nvme0n1', '/dev/SDF', '../sdf', '/dev/sdf\n'])(
    'for %j, which is no device name, and the error says so',
    (deviceName) => {
      expect(refusal({ DeviceName: deviceName, Ebs: { VolumeSize: 1 } })).toThrow(
        expect.objectContaining({
          code: 'InvalidBlockDeviceMapping',
          message: `'${deviceName}' is not a device name`,
          hint: expect.stringContaining('/dev/sdf'),
        }),
      );
    },
  );

  test('when it gives a device twice, and the error names it', () => {
    const twice = { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } };
    expect(() => mergeBlockDevices(image(), [twice, { ...twice, NoDevice: '' }])).toThrow(
      expect.objectContaining({
        code: 'InvalidBlockDeviceMapping',
        message: "The device '/dev/sdf' is given twice",
      }),
    );
  });

  test('without any device name', () => {
    expect(refusal({ Ebs: { VolumeSize: 1 } })).toThrow("'' is not a device name");
  });

  test('when it leaves out the root device', () => {
    expect(refusal({ DeviceName: '/dev/xvda', NoDevice: '' })).toThrow(
      expect.objectContaining({
        code: 'InvalidBlockDeviceMapping',
        message: "The root device '/dev/xvda' cannot be left out or replaced",
      }),
    );
  });

  test('when a new device has no size, and the hint can be typed', () => {
    expect(refusal({ DeviceName: '/dev/sdf' })).toThrow(
      expect.objectContaining({
        code: 'InvalidBlockDeviceMapping',
        message: "The device '/dev/sdf' needs a size",
        hint: 'like -b /dev/sdf=20',
      }),
    );
  });

  test.each([-2, 1.5, 65_537, Number.NaN, Number.POSITIVE_INFINITY])(
    'for a size of %d GiB, and the error names it',
    (size) => {
      expect(refusal({ DeviceName: '/dev/sdf', Ebs: { VolumeSize: size } })).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `Volume of ${size}GiB is invalid for the volume type 'gp3'`,
          hint: expect.stringContaining('65536'),
        }),
      );
    },
  );

  test('for a root smaller than its snapshot, which is named with the least size', () => {
    expect(refusal({ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 2 } })).toThrow(
      expect.objectContaining({
        code: 'InvalidBlockDeviceMapping',
        message: `Volume of size 2GB is smaller than snapshot '${SNAPSHOT}', expect size >= 3GB`,
        hint: '--disk 3',
      }),
    );
    expect(refusal({ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 3 } })).not.toThrow();
  });

  test('when it wants what its volume type does not have', () => {
    const wanted = (ebs: BlockDeviceMapping['Ebs']) => refusal({ DeviceName: '/dev/sdf', Ebs: ebs });
    expect(wanted({ VolumeSize: 20, VolumeType: 'io2' })).toThrow(
      expect.objectContaining({ code: 'MissingParameter' }),
    );
    for (const [ebs, code] of [
      [{ VolumeSize: 10, VolumeType: 'gp2', Iops: 3000 }, 'InvalidParameterCombination'],
      [{ VolumeSize: 10, Iops: 2999 }, 'InvalidParameterValue'],
      [{ VolumeSize: 10, Iops: 5001 }, 'InvalidParameterCombination'],
      [{ VolumeSize: 10, Throughput: 751 }, 'InvalidParameterCombination'],
      [{ VolumeSize: 4, VolumeType: 'io1', Iops: 201 }, 'InvalidParameterCombination'],
      [{ VolumeSize: 124, VolumeType: 'sc1' }, 'InvalidParameterValue'],
      [{ VolumeSize: 10, VolumeType: 'gp9' }, 'InvalidParameterValue'],
    ] as const)
      expect(wanted(ebs as BlockDeviceMapping['Ebs'])).toThrow(expect.objectContaining({ code }));
    expect(wanted({ VolumeSize: 10, Iops: 5000, Throughput: 1000 })).not.toThrow();
    expect(refusal({ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 125, VolumeType: 'st1' } })).toThrow(
      'cannot be used as a boot volume',
    );
  });

  test('when its snapshot id is none', () => {
    expect(refusal({ DeviceName: '/dev/sdf', Ebs: { SnapshotId: 'snap-1' } })).toThrow(
      expect.objectContaining({ code: 'InvalidSnapshotID.Malformed' }),
    );
  });
});

describe('limits', () => {
  test.each<[BlockDeviceMapping['Ebs'], boolean]>([
    [{ VolumeSize: 10 }, false],
    [{ VolumeSize: 10, VolumeType: 'gp3' }, true],
    [{ VolumeSize: 10, Iops: 4000 }, true],
    [{ VolumeSize: 10, Throughput: 250 }, true],
  ])('of %j are enforced: %s', (ebs, isLimited) => {
    expect(mergeBlockDevices(image(), [{ DeviceName: '/dev/sdf', Ebs: ebs }])[1]).toMatchObject({
      isLimited,
    });
  });
});

describe('a volume of a snapshot', () => {
  test('is as large as the snapshot when no size is given', () => {
    expect(
      mergeBlockDevices(image(), [{ DeviceName: '/dev/sdf', Ebs: { SnapshotId: SNAPSHOT } }])[1],
    ).toMatchObject({ snapshotId: SNAPSHOT, size: 3 });
  });
});

describe('the instance store', () => {
  test('has the disks of the type, under the names that they are mapped to', () => {
    const mapped = [{ DeviceName: '/dev/sdb', VirtualName: 'ephemeral0' }];
    expect(disksOf(image(), mapped, 'c5d.large').instanceStore).toEqual([
      { virtualName: 'ephemeral0', deviceName: '/dev/sdb', bytes: 50e9 },
    ]);
    expect(disksOf(image(), [], 'm5d.4xlarge').instanceStore).toEqual([
      { virtualName: 'ephemeral0', deviceName: '', bytes: 300e9 },
      { virtualName: 'ephemeral1', deviceName: '', bytes: 300e9 },
    ]);
  });

  test('is nothing for a type that has none, as in EC2', () => {
    const mapped = [{ DeviceName: '/dev/sdb', VirtualName: 'ephemeral0' }];
    expect(disksOf(image(), mapped, 't3.micro')).toMatchObject({ volumes: [ROOT], instanceStore: [] });
  });

  test('cannot be the root device', () => {
    expect(() => disksOf(image(), [{ DeviceName: '/dev/xvda', VirtualName: 'ephemeral0' }])).toThrow(
      expect.objectContaining({ code: 'InvalidBlockDeviceMapping' }),
    );
  });
});
