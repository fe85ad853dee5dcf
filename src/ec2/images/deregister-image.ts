import type { DeregisterImageRequest, DeregisterImageResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { ImageId, SnapshotId } from '../../core/ids.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { type Image, images, snapshotIdsOf } from '../../store/images.ts';
import { instances } from '../../store/instances.ts';
import { snapshots } from '../../store/snapshots.ts';
import type { Ec2Context } from '../context.ts';
import { volumeBeingMadeOf } from '../snapshots/delete-snapshot.ts';
import { removeSnapshot } from '../snapshots/remove-snapshot.ts';
import { imageOf } from './describe-images.ts';
import { removeImage } from './sweep-images.ts';

/**
 * EC2's DeregisterImage; with `DeleteAssociatedSnapshots` its snapshots go too, but for those that another image has or
 * a volume is just being made of.
 * Unlike EC2, refuses with `InvalidAMIID.Unavailable` while instances of it exist, naming them: whoever removes an
 * image here wants its space back, and would not get it.
 */
export async function deregisterImage(
  ctx: Ec2Context,
  { ImageId = '', DeleteAssociatedSnapshots = false }: DeregisterImageRequest,
): Promise<DeregisterImageResult> {
  const { imageId } = imageOf(ctx, ImageId);
  const paths = ctx.layout.image(imageId);
  let associated: readonly SnapshotId[] = [];
  let doomed: readonly SnapshotId[] = [];
  await withLock(paths.lock, { purpose: `deregister ${imageId}`, timeoutMs: 10_000 }, async () => {
    // Pending from here on: no launch finds it any more, and a crash leaves something to sweep.
    transact(ctx.db, () => {
      const image = imageOf(ctx, imageId);
      refuseInUse(ctx, image);
      if (DeleteAssociatedSnapshots) {
        associated = [...new Set(snapshotIdsOf(image))];
        doomed = associated.filter((snapshotId) => isFree(ctx, snapshotId, imageId));
      }
      for (const snapshotId of doomed) {
        const snapshot = snapshots.get(ctx.db, snapshotId);
        if (snapshot) snapshots.update(ctx.db, { ...snapshot, state: 'pending', owner: imageId });
      }
      images.update(ctx.db, { ...image, state: 'pending' });
    });
    for (const snapshotId of doomed) removeSnapshot(ctx, snapshotId);
    await removeImage(ctx, imageId);
  });
  return {
    Return: true,
    DeleteSnapshotResults: associated.map((SnapshotId) => ({
      SnapshotId,
      ReturnCode: doomed.includes(SnapshotId) ? 'success' : 'skipped',
    })),
  };
}

function refuseInUse(ctx: Ec2Context, { imageId, name }: Image): void {
  const users = instances
    .list(ctx.db)
    .filter((each) => each.imageId === imageId && each.state !== 'terminated');
  if (users.length === 0) return;
  const ids = users.map(({ instanceId }) => instanceId).join(' ');
  throw new Ec2Error(
    'InvalidAMIID.Unavailable',
    `The image '${name}' (${imageId}) is in use by ${ids.replaceAll(' ', ', ')}`,
    { hint: `bonami terminate ${ids}` },
  );
}

/** Whether nobody but this image needs the snapshot. */
function isFree(ctx: Ec2Context, snapshotId: SnapshotId, imageId: ImageId): boolean {
  const others = images.list(ctx.db).filter((each) => each.imageId !== imageId);
  return (
    !others.some((each) => snapshotIdsOf(each).includes(snapshotId)) &&
    volumeBeingMadeOf(ctx, snapshotId) === undefined
  );
}
