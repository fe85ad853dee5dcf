import type { BlockDeviceMapping } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Image } from '../../store/images.ts';
import type { Volume } from '../../store/volumes.ts';

export interface PlannedVolume {
  readonly deviceName: string;
  /** GiB. */
  readonly size: number;
  readonly volumeType: Volume['volumeType'];
  readonly deleteOnTermination: boolean;
  readonly fromImage: boolean;
}

const GIB = 2 ** 30;
const DEVICE_NAME = /^(?:\/dev\/)?(?:sd[a-z]\d{0,2}|xvd[a-z]{1,2}\d{0,2})$/;
/** GiB; EBS' own limit for its general purpose volumes (AWS: "Amazon EBS volume types"). */
const LARGEST = 16_384;

/**
 * The volumes of an instance: the request's mapping laid over the image's, by device name (AWS: "Block device
 * mappings"). `NoDevice` removes an entry. Throws `InvalidBlockDeviceMapping` for a device name that is none or comes
 * twice, or a root volume smaller than the image.
 */
export function mergeBlockDevices(
  image: Image,
  requested: readonly BlockDeviceMapping[],
): readonly PlannedVolume[] {
  const smallest = Math.ceil(image.virtualSize / GIB);
  const merged = new Map<string, PlannedVolume>(
    image.blockDeviceMappings.map((mapping) => {
      const isRoot = mapping.deviceName === image.rootDeviceName;
      return [
        mapping.deviceName,
        {
          deviceName: mapping.deviceName,
          size: isRoot ? Math.max(mapping.volumeSize, smallest) : mapping.volumeSize,
          volumeType: mapping.volumeType,
          deleteOnTermination: mapping.deleteOnTermination,
          fromImage: isRoot,
        },
      ];
    }),
  );
  const seen = new Set<string>();
  for (const { DeviceName: deviceName = '', Ebs: ebs, NoDevice: noDevice } of requested) {
    if (seen.has(deviceName)) throw invalid(`The device '${deviceName}' is given twice`);
    seen.add(deviceName);
    if (!DEVICE_NAME.test(deviceName))
      throw invalid(`'${deviceName}' is not a device name`, 'like /dev/sdf or /dev/xvdf');
    const base = merged.get(deviceName);
    if (noDevice !== undefined) {
      if (deviceName === image.rootDeviceName)
        throw invalid(`The root device '${deviceName}' cannot be left out`);
      merged.delete(deviceName);
      continue;
    }
    const size = ebs?.VolumeSize ?? base?.size;
    if (size === undefined)
      throw invalid(`The device '${deviceName}' needs a size`, `like -b ${deviceName}=20`);
    if (!Number.isInteger(size) || size < 1 || size > LARGEST)
      throw invalid(`${size} GiB is not a volume size`, `a whole number from 1 to ${LARGEST}`);
    if (base?.fromImage === true && size < smallest)
      throw invalid(
        `Volume of size ${size}GB is smaller than the image '${image.name}', expect size >= ${smallest}GB`,
        `--disk ${smallest}`,
      );
    merged.set(deviceName, {
      deviceName,
      size,
      volumeType: ebs?.VolumeType ?? base?.volumeType ?? 'gp3',
      deleteOnTermination: ebs?.DeleteOnTermination ?? base?.deleteOnTermination ?? true,
      fromImage: base?.fromImage ?? false,
    });
  }
  return [...merged.values()];
}

function invalid(message: string, hint?: string): Ec2Error {
  return new Ec2Error('InvalidBlockDeviceMapping', message, hint === undefined ? {} : { hint });
}
