import type { ArchitectureValues, Image as Ec2Image } from '@aws-sdk/client-ec2';
import type { Image } from '../../store/images.ts';
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
    BlockDeviceMappings: image.blockDeviceMappings.map((mapping) => ({
      DeviceName: mapping.deviceName,
      Ebs: {
        DeleteOnTermination: mapping.deleteOnTermination,
        Encrypted: false,
        VolumeSize: mapping.volumeSize,
        VolumeType: mapping.volumeType,
      },
    })),
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
    State: image.state,
    Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
    UsageOperation: 'RunInstances',
    VirtualizationType: 'hvm',
  };
}
