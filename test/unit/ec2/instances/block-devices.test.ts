import { describe, expect, test } from 'vitest';
import { mergeBlockDevices } from '../../../../src/ec2/instances/block-devices.ts';
import type { Image } from '../../../../src/store/images.ts';

const GIB = 2 ** 30;

function image(fields: Partial<Image> = {}): Image {
  return {
    imageId: 'ami-0aaaaaaaaaaaaaaa1',
    name: 'debian-12',
    description: 'for a test',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    blockDeviceMappings: [
      { deviceName: '/dev/xvda', volumeSize: 8, volumeType: 'gp2', deleteOnTermination: false },
    ],
    state: 'available',
    creationDate: '2026-01-02T03:04:05.000Z',
    digest: 'sha256:00',
    virtualSize: 3 * GIB,
    defaultUser: 'debian',
    firstBoot: 'cloud-init',
    cpuBaseline: null,
    source: 'a test',
    ...fields,
  };
}

const WITH_DATA = image({
  blockDeviceMappings: [
    { deviceName: '/dev/xvda', volumeSize: 8, volumeType: 'gp2', deleteOnTermination: false },
    { deviceName: '/dev/sdb', volumeSize: 1, volumeType: 'st1', deleteOnTermination: true },
  ],
});

const ROOT = {
  deviceName: '/dev/xvda',
  size: 8,
  volumeType: 'gp2',
  deleteOnTermination: false,
  fromImage: true,
};
const DATA = {
  deviceName: '/dev/sdb',
  size: 1,
  volumeType: 'st1',
  deleteOnTermination: true,
  fromImage: false,
};

describe('the volumes of an instance', () => {
  test("are the image's, of which only the root has its content", () => {
    expect(mergeBlockDevices(WITH_DATA, [])).toEqual([ROOT, DATA]);
  });

  test.each([
    [3 * GIB, 3],
    [3 * GIB + 1, 4],
    [0, 1],
  ])('a root mapping of 1 GiB grows with an image of %d bytes to %d GiB', (virtualSize, size) => {
    const small = image({
      virtualSize,
      blockDeviceMappings: [
        { deviceName: '/dev/xvda', volumeSize: 1, volumeType: 'gp3', deleteOnTermination: true },
      ],
    });
    expect(mergeBlockDevices(small, [])).toMatchObject([{ size }]);
  });

  test('a requested root changes only what it says', () => {
    expect(mergeBlockDevices(WITH_DATA, [{ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 20 } }])).toEqual([
      { ...ROOT, size: 20 },
      DATA,
    ]);
    expect(
      mergeBlockDevices(WITH_DATA, [
        { DeviceName: '/dev/xvda', Ebs: { VolumeType: 'io2', DeleteOnTermination: true } },
      ]),
    ).toEqual([{ ...ROOT, volumeType: 'io2', deleteOnTermination: true }, DATA]);
    expect(mergeBlockDevices(WITH_DATA, [{ DeviceName: '/dev/xvda' }])).toEqual([ROOT, DATA]);
  });

  test('another device is added at the end, empty, as gp3 that ends with its instance', () => {
    expect(mergeBlockDevices(image(), [{ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 5 } }])).toEqual([
      ROOT,
      { deviceName: '/dev/sdf', size: 5, volumeType: 'gp3', deleteOnTermination: true, fromImage: false },
    ]);
    expect(
      mergeBlockDevices(image(), [
        { DeviceName: '/dev/sdf', Ebs: { VolumeSize: 5, VolumeType: 'sc1', DeleteOnTermination: false } },
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
        message: "The root device '/dev/xvda' cannot be left out",
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

  test.each([0, -1, 1.5, 16_385, Number.NaN, Number.POSITIVE_INFINITY])(
    'for a size of %d GiB, and the error names it',
    (size) => {
      expect(refusal({ DeviceName: '/dev/sdf', Ebs: { VolumeSize: size } })).toThrow(
        expect.objectContaining({
          code: 'InvalidBlockDeviceMapping',
          message: `${size} GiB is not a volume size`,
          hint: expect.stringContaining('16384'),
        }),
      );
    },
  );

  test('for a root smaller than its image, which is named with the least size', () => {
    const odd = image({ virtualSize: 3 * GIB + 1 });
    expect(refusal({ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 3 } }, odd)).toThrow(
      expect.objectContaining({
        code: 'InvalidBlockDeviceMapping',
        message: "Volume of size 3GB is smaller than the image 'debian-12', expect size >= 4GB",
        hint: '--disk 4',
      }),
    );
    expect(refusal({ DeviceName: '/dev/xvda', Ebs: { VolumeSize: 4 } }, odd)).not.toThrow();
  });

  test('but not at the bounds of what EBS has', () => {
    expect(refusal({ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 1 } })).not.toThrow();
    expect(refusal({ DeviceName: '/dev/sdf', Ebs: { VolumeSize: 16_384 } })).not.toThrow();
  });
});
