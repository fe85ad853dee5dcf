import type { Snapshot as Ec2Snapshot } from '@aws-sdk/client-ec2';
import { tagsOf } from '../../store/tags.ts';
import type { Snapshot } from '../../store/snapshots.ts';
import type { Ec2Context } from '../context.ts';

/** A snapshot as EC2's DescribeSnapshots shows it. An imported one has EC2's placeholder for its volume. */
export function ec2Snapshot(
  { db, ownerId }: Pick<Ec2Context, 'db' | 'ownerId'>,
  snapshot: Snapshot,
): Ec2Snapshot {
  return {
    SnapshotId: snapshot.snapshotId,
    VolumeId: snapshot.volumeId ?? 'vol-ffffffff',
    State: snapshot.state,
    Progress: snapshot.state === 'completed' ? '100%' : '0%',
    StartTime: new Date(snapshot.startTime),
    OwnerId: ownerId,
    Description: snapshot.description,
    VolumeSize: snapshot.volumeSize,
    Encrypted: false,
    StorageTier: 'standard',
    Tags: Object.entries(tagsOf(db, snapshot.snapshotId)).map(([Key, Value]) => ({ Key, Value })),
  };
}
