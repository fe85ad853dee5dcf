import { rmSync } from 'node:fs';
import type { DeleteVolumeRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { removeTags } from '../../store/tags.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { volumeOf } from './resolve-volume.ts';

/** EC2's DeleteVolume. Throws `VolumeInUse`, naming the instance. Snapshots keep the layers that they share with it. */
export async function deleteVolume(
  ctx: Ec2Context,
  { VolumeId = '' }: Partial<DeleteVolumeRequest>,
): Promise<Record<string, never>> {
  const { volumeId } = volumeOf(ctx.db, VolumeId);
  const { folder, lock } = ctx.layout.volume(volumeId);
  await withLock(lock, { purpose: `delete ${volumeId}`, timeoutMs: 10_000 }, async () => {
    // The record first: a folder without one is a leftover, a record without its folder would be a lost disk.
    transact(ctx.db, () => {
      const { attachment } = volumeOf(ctx.db, volumeId);
      if (attachment)
        throw new Ec2Error(
          'VolumeInUse',
          `Volume ${volumeId} is currently attached to ${attachment.instanceId}`,
          {
            hint: `bonami terminate ${attachment.instanceId}`,
          },
        );
      removeTags(ctx.db, volumeId);
      volumes.remove(ctx.db, volumeId);
    });
    await Promise.resolve(rmSync(folder, { recursive: true, force: true }));
  });
  rmSync(lock, { force: true });
  return {};
}
