import type {
  ArchitectureValues,
  BlockDeviceMapping as Ec2Mapping,
  Image as Ec2Image,
} from '@aws-sdk/client-ec2';
import type { BlockDeviceMapping, Image } from '../../store/images.ts';
import type { Tags } from '../../store/tags.ts';

export interface Ownership {
  readonly ownerId: string;
  readonly tags: Tags;
}

/** An image as EC2's DescribeImages shows it. What only bonami knows (digest, login, source) stays behind. */
export function ec2Image(image: Image, { ownerId, tags }: Ownership): Ec2Image {
  return {
    // `armhf` is ours: EC2 has no 32-bit ARM.
    Architecture: image.architecture as ArchitectureValues,
    BlockDeviceMappings: image.blockDeviceMappings.map(ec2Mapping),
    BootMode: image.bootMode,
    CreationDate: image.creationDate,
    Description: image.description,
    EnaSupport: true,
    Hypervisor: 'xen',
    ImageId: image.imageId,
    ImageLocation: `${ownerId}/${image.name}`,
    ImageType: 'machine',
    Name: image.name,
    OwnerId: ownerId,
    PlatformDetails: 'Linux/UNIX',
    Public: false,
    RootDeviceName: image.rootDeviceName,
    RootDeviceType: 'ebs',
    ...(image.sourceInstanceId === null ? {} : { SourceInstanceId: image.sourceInstanceId }),
    State: image.state,
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    UsageOperation: 'RunInstances',
    VirtualizationType: 'hvm',
  };
}

function ec2Mapping(mapping: BlockDeviceMapping): Ec2Mapping {
  const { deviceName: DeviceName } = mapping;
  if (mapping.kind === 'instance-store') return { DeviceName, VirtualName: mapping.virtualName };
  return {
    DeviceName,
    Ebs: {
      DeleteOnTermination: mapping.deleteOnTermination,
      Encrypted: false,
      ...(mapping.snapshotId === null ? {} : { SnapshotId: mapping.snapshotId }),
      VolumeSize: mapping.volumeSize,
      VolumeType: mapping.volumeType,
      ...(mapping.iops === null ? {} : { Iops: mapping.iops }),
      ...(mapping.throughput === null ? {} : { Throughput: mapping.throughput }),
    },
  };
}
