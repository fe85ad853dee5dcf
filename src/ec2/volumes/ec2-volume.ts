import type { Volume as Ec2Volume } from '@aws-sdk/client-ec2';
import { tagsOf } from '../../store/tags.ts';
import type { Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { performanceOf } from './volume-types.ts';

/** A volume as EC2's DescribeVolumes shows it. */
export function ec2Volume({ db }: Pick<Ec2Context, 'db'>, volume: Volume): Ec2Volume {
  const { iops, throughput } = performanceOf(volume);
  const { attachment } = volume;
  return {
    VolumeId: volume.volumeId,
    State: attachment ? 'in-use' : 'available',
    Size: volume.size,
    VolumeType: volume.volumeType,
    ...(volume.volumeType === 'standard' ? {} : { Iops: iops }),
    ...(volume.volumeType === 'gp3' ? { Throughput: throughput } : {}),
    SnapshotId: volume.snapshotId ?? '',
    AvailabilityZone: volume.availabilityZone,
    CreateTime: new Date(volume.createTime),
    Encrypted: false,
    MultiAttachEnabled: false,
    Attachments: attachment
      ? [
          {
            VolumeId: volume.volumeId,
            InstanceId: attachment.instanceId,
            Device: attachment.device,
            State: 'attached',
            AttachTime: new Date(attachment.attachTime),
            DeleteOnTermination: attachment.deleteOnTermination,
          },
        ]
      : [],
    Tags: Object.entries(tagsOf(db, volume.volumeId)).map(([Key, Value]) => ({ Key, Value })),
  };
}
