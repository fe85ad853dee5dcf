import { rmSync } from 'node:fs';
import type { CreateVolumeRequest, Volume as Ec2Volume } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { VOLUME_TYPES } from '../../store/schemas.ts';
import { removeTags, putTags } from '../../store/tags.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { checkedTags } from '../tags/checked-tags.ts';
import { ec2Volume } from './ec2-volume.ts';
import { ensureVolume } from './ensure-volume.ts';
import { checkVolumeType } from './volume-types.ts';

/** EC2's CreateVolume: empty, or what a snapshot holds. It takes no space until something is written to it. */
export async function createVolume(
  ctx: Ec2Context,
  request: Partial<CreateVolumeRequest>,
): Promise<Ec2Volume> {
  const volume = plannedVolume(ctx, request);
  const tags = checkedTags((request.TagSpecifications ?? []).flatMap(({ Tags = [] }) => Tags));
  const { volumeId } = volume;
  const paths = ctx.layout.volume(volumeId);
  await withLock(paths.lock, { purpose: `create ${volumeId}` }, async () => {
    transact(ctx.db, () => {
      if (volume.snapshotId !== null) requireSnapshot(ctx.db, volume.snapshotId);
      volumes.insert(ctx.db, volume);
      putTags(ctx.db, volumeId, tags);
    });
    try {
      await ensureVolume(ctx, volume, { uid: null });
    } catch (error) {
      rmSync(paths.folder, { recursive: true, force: true });
      transact(ctx.db, () => {
        removeTags(ctx.db, volumeId);
        volumes.remove(ctx.db, volumeId);
      });
      throw error;
    }
  });
  return ec2Volume(ctx, volume);
}

function plannedVolume(ctx: Ec2Context, request: Partial<CreateVolumeRequest>): Volume {
  const { Size, SnapshotId, VolumeType = 'gp3', Iops = null, Throughput = null } = request;
  const volumeType = VOLUME_TYPES.find((each) => each === VolumeType);
  if (volumeType === undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${VolumeType}) for parameter volumeType is invalid.`,
      {
        hint: VOLUME_TYPES.join(', '),
      },
    );
  const snapshot = SnapshotId === undefined ? undefined : requireSnapshot(ctx.db, SnapshotId);
  const size = Size ?? snapshot?.volumeSize;
  if (size === undefined)
    throw new Ec2Error('MissingParameter', 'A volume needs a size, or a snapshot to begin as', {
      hint: '--size 20',
    });
  if (snapshot && size < snapshot.volumeSize)
    throw new Ec2Error(
      'InvalidParameterValue',
      `The size ${size} GiB is less than the ${snapshot.volumeSize} GiB of ${snapshot.snapshotId}`,
      { hint: `--size ${snapshot.volumeSize}` },
    );
  checkVolumeType({ volumeType, size, iops: Iops, throughput: Throughput, isRoot: false });
  return {
    volumeId: newId('volume'),
    size,
    volumeType,
    iops: Iops,
    throughput: Throughput,
    isLimited: request.VolumeType !== undefined || Iops !== null || Throughput !== null,
    availabilityZone: request.AvailabilityZone ?? `${ctx.region}a`,
    createTime: ctx.now().toISOString(),
    snapshotId: snapshot?.snapshotId ?? null,
    layers: [...(snapshot?.layers ?? [])],
    attachment: null,
  };
}
