import { existsSync } from 'node:fs';
import type { DeleteSnapshotRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { SnapshotId } from '../../core/ids.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { images, snapshotIdsOf } from '../../store/images.ts';
import { snapshots } from '../../store/snapshots.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { removeSnapshot } from './remove-snapshot.ts';
import { snapshotOf } from './resolve-snapshot.ts';

/**
 * EC2's DeleteSnapshot. Volumes and later snapshots that share its layers keep them. Throws `InvalidSnapshot.InUse`,
 * naming by what, while an image has it or a volume is just being made of it.
 */
export async function deleteSnapshot(
  ctx: Ec2Context,
  { SnapshotId = '' }: Partial<DeleteSnapshotRequest>,
): Promise<Record<string, never>> {
  const { snapshotId } = snapshotOf(ctx.db, SnapshotId);
  await withLock(
    ctx.layout.snapshot(snapshotId).lock,
    { purpose: `delete ${snapshotId}`, timeoutMs: 10_000 },
    async () => {
      transact(ctx.db, () => {
        const snapshot = snapshotOf(ctx.db, snapshotId);
        refuseInUse(ctx, snapshotId);
        // Pending from here on: nothing is made of it any more, and a crash leaves something to sweep.
        snapshots.update(ctx.db, { ...snapshot, state: 'pending', owner: snapshotId });
      });
      await Promise.resolve(removeSnapshot(ctx, snapshotId));
    },
  );
  return {};
}

/** A volume that has been promised the snapshot's layers and has not got them yet. */
export function volumeBeingMadeOf(ctx: Ec2Context, snapshotId: SnapshotId): Volume | undefined {
  return volumes
    .list(ctx.db)
    .find((each) => each.snapshotId === snapshotId && !existsSync(ctx.layout.volume(each.volumeId).folder));
}

function refuseInUse(ctx: Ec2Context, snapshotId: SnapshotId): void {
  const image = images.list(ctx.db).find((each) => snapshotIdsOf(each).includes(snapshotId));
  if (image)
    throw new Ec2Error(
      'InvalidSnapshot.InUse',
      `The snapshot ${snapshotId} is currently in use by ${image.imageId} ('${image.name}')`,
      { hint: `bonami image rm ${image.imageId}` },
    );
  const volume = volumeBeingMadeOf(ctx, snapshotId);
  if (volume)
    throw new Ec2Error(
      'InvalidSnapshot.InUse',
      `The snapshot ${snapshotId} is currently in use: ${volume.volumeId} is being made of it`,
      { hint: 'try again in a moment' },
    );
}
