import type { BlockDeviceMapping } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { isId, type SnapshotId } from '../../core/ids.ts';
import type { BlockDeviceMapping as ImageMapping, EbsMapping, Image } from '../../store/images.ts';
import type { Instance } from '../../store/instances.ts';
import { VOLUME_TYPES, type VolumeType } from '../../store/schemas.ts';
import type { Snapshot } from '../../store/snapshots.ts';
import { instanceStorageOf } from '../instance-types/instance-storage.ts';
import { checkVolumeType } from '../volumes/volume-types.ts';

/** A volume that a launch will make. */
export interface PlannedVolume extends Omit<EbsMapping, 'kind' | 'volumeSize'> {
  /** GiB. */
  readonly size: number;
  /** Whether its type's limits are enforced: they are when the request or the image asks for any of them. */
  readonly isLimited: boolean;
}

export interface PlannedDisks {
  readonly volumes: readonly PlannedVolume[];
  readonly instanceStore: Instance['instanceStore'];
}

export interface DiskRequest {
  readonly image: Pick<Image, 'name' | 'rootDeviceName' | 'blockDeviceMappings'>;
  readonly requested: readonly BlockDeviceMapping[];
  readonly instanceType: string;
  /** The completed snapshot of this id. Throws EC2's error when there is none. */
  readonly snapshot: (id: SnapshotId) => Snapshot;
}

const DEVICE_NAME = /^(?:\/dev\/)?(?:sd[a-z]\d{0,2}|xvd[a-z]{1,2}\d{0,2})$/;
const VIRTUAL_NAME = /^ephemeral(\d{1,2})$/;
/** Where the machine's disks are plugged (see command-line.ts); a seed disk needs one too. */
const MOST_DISKS = 17;
const GB = 10 ** 9;
/** A size that nobody gave. */
const UNSAID = -1;
const DEFAULT_TYPE: VolumeType = 'gp3';

/**
 * The disks of an instance: the request's mapping laid over the image's, by device name (AWS: "Block device
 * mappings"). `NoDevice` removes an entry; `ephemeralN` is a disk of the instance type, and nothing for a type that
 * has no such disk, as in EC2. Disks of the type that nobody maps come last, as NVMe instance stores do. Throws
 * `InvalidBlockDeviceMapping` for a device name that is none or comes twice, for a volume smaller than its snapshot,
 * and what `checkVolumeType` throws.
 */
export function planDisks({ image, requested, instanceType, snapshot }: DiskRequest): PlannedDisks {
  const merged = new Map<
    string,
    PlannedVolume | { readonly virtualName: string; readonly deviceName: string }
  >(image.blockDeviceMappings.map((mapping) => [mapping.deviceName, fromImage(mapping)]));
  const seen = new Set<string>();
  for (const {
    DeviceName: deviceName = '',
    Ebs: ebs,
    NoDevice: noDevice,
    VirtualName: virtualName,
  } of requested) {
    if (seen.has(deviceName)) throw invalid(`The device '${deviceName}' is given twice`);
    seen.add(deviceName);
    if (!DEVICE_NAME.test(deviceName))
      throw invalid(`'${deviceName}' is not a device name`, 'like /dev/sdf or /dev/xvdf');
    const isRoot = deviceName === image.rootDeviceName;
    if (isRoot && (noDevice !== undefined || virtualName !== undefined))
      throw invalid(`The root device '${deviceName}' cannot be left out or replaced`);
    if (noDevice !== undefined) merged.delete(deviceName);
    else if (virtualName !== undefined) merged.set(deviceName, ephemeral(deviceName, virtualName));
    else {
      const base = merged.get(deviceName);
      merged.set(
        deviceName,
        overlaid(deviceName, ebs, base !== undefined && 'size' in base ? base : undefined),
      );
    }
  }
  const volumes = [...merged.values()]
    .filter((each) => 'size' in each)
    .map((volume) => sized(volume, { image, snapshot }));
  const named = [...merged.values()].filter((each) => 'virtualName' in each);
  const instanceStore = instanceStoreOf(instanceType, named);
  if (volumes.length + instanceStore.length > MOST_DISKS)
    throw new Ec2Error('AttachmentLimitExceeded', `An instance can have ${MOST_DISKS} disks at most`);
  return { volumes, instanceStore };
}

function fromImage(mapping: ImageMapping) {
  if (mapping.kind === 'instance-store') return mapping;
  const { kind: _, volumeSize, ...rest } = mapping;
  return { ...rest, size: volumeSize, isLimited: isAsked(rest, rest.volumeType !== DEFAULT_TYPE) };
}

function overlaid(
  deviceName: string,
  ebs: NonNullable<BlockDeviceMapping['Ebs']> = {},
  base: PlannedVolume | undefined,
): PlannedVolume {
  const volumeType = checkedType(ebs.VolumeType) ?? base?.volumeType ?? DEFAULT_TYPE;
  const keepsType = base?.volumeType === volumeType;
  if (ebs.Encrypted === true)
    throw new Ec2Error('UnsupportedOperation', 'Encrypted volumes are not offered here', {
      hint: "encrypt the disk that holds bonami's home instead",
    });
  const asked = {
    iops: ebs.Iops ?? (keepsType ? base.iops : null),
    throughput: ebs.Throughput ?? (keepsType ? base.throughput : null),
  };
  return {
    deviceName,
    snapshotId: checkedSnapshotId(ebs.SnapshotId) ?? base?.snapshotId ?? null,
    size: ebs.VolumeSize ?? base?.size ?? UNSAID,
    volumeType,
    ...asked,
    deleteOnTermination: ebs.DeleteOnTermination ?? base?.deleteOnTermination ?? true,
    isLimited: isAsked(asked, ebs.VolumeType !== undefined || (base?.isLimited ?? false)),
  };
}

function isAsked(
  { iops, throughput }: Pick<PlannedVolume, 'iops' | 'throughput'>,
  isTypeAsked: boolean,
): boolean {
  return isTypeAsked || iops !== null || throughput !== null;
}

/** The volume with its size, which is its snapshot's when nobody said another; checked as a whole. */
function sized(
  volume: PlannedVolume,
  { image, snapshot }: Pick<DiskRequest, 'image' | 'snapshot'>,
): PlannedVolume {
  const { deviceName, snapshotId } = volume;
  const isRoot = deviceName === image.rootDeviceName;
  const least = snapshotId === null ? 0 : snapshot(snapshotId).volumeSize;
  const size = volume.size === UNSAID ? least : volume.size;
  if (volume.size === UNSAID && snapshotId === null)
    throw invalid(`The device '${deviceName}' needs a size`, `like -b ${deviceName}=20`);
  if (snapshotId !== null && size < least)
    throw invalid(
      `Volume of size ${size}GB is smaller than snapshot '${snapshotId}', expect size >= ${least}GB`,
      isRoot ? `--disk ${least}` : `-b ${deviceName}=${least}`,
    );
  checkVolumeType({ ...volume, size, isRoot });
  return { ...volume, size };
}

function ephemeral(deviceName: string, virtualName: string) {
  if (!VIRTUAL_NAME.test(virtualName))
    throw invalid(`'${virtualName}' is not the name of an instance store disk`, 'like ephemeral0');
  return { deviceName, virtualName };
}

/** Disks of the type under the names that they were given, or EC2's usual ones. */
function instanceStoreOf(
  instanceType: string,
  named: readonly { readonly deviceName: string; readonly virtualName: string }[],
): Instance['instanceStore'] {
  const { count, sizeGB } = instanceStorageOf(instanceType) ?? { count: 0, sizeGB: 0 };
  return Array.from({ length: count }, (_, index) => {
    const virtualName = `ephemeral${index}`;
    const mapped = named.find((each) => each.virtualName === virtualName);
    return { virtualName, deviceName: mapped?.deviceName ?? '', bytes: sizeGB * GB };
  });
}

function checkedType(volumeType: string | undefined): VolumeType | undefined {
  if (volumeType === undefined) return undefined;
  const known = VOLUME_TYPES.find((each) => each === volumeType);
  if (known !== undefined) return known;
  throw new Ec2Error('InvalidParameterValue', `Value (${volumeType}) for parameter volumeType is invalid.`, {
    hint: VOLUME_TYPES.join(', '),
  });
}

function checkedSnapshotId(text: string | undefined): SnapshotId | undefined {
  if (text === undefined) return undefined;
  if (isId('snapshot', text)) return text;
  throw new Ec2Error('InvalidSnapshotID.Malformed', `Invalid id: "${text}" (expecting "snap-...")`, {
    hint: 'bonami snapshot ls',
  });
}

function invalid(message: string, hint?: string): Ec2Error {
  return new Ec2Error('InvalidBlockDeviceMapping', message, hint === undefined ? {} : { hint });
}
