import type { DeregisterImageRequest, DeregisterImageResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { type Image, images } from '../../store/images.ts';
import { type Volume, volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { imageOf } from './describe-images.ts';
import { removeImage } from './sweep-imports.ts';

/**
 * EC2's DeregisterImage, and its disk goes too. Unlike EC2, refuses with `InvalidAMIID.Unavailable` while volumes
 * stand on that disk, naming them: they would not outlive it.
 */
export async function deregisterImage(
  ctx: Ec2Context,
  { ImageId = '' }: DeregisterImageRequest,
): Promise<DeregisterImageResult> {
  const { imageId } = imageOf(ctx, ImageId);
  const paths = ctx.layout.image(imageId);
  await withLock(paths.lock, { purpose: `deregister ${imageId}`, timeoutMs: 10_000 }, async () => {
    // Pending from here on: no launch finds it any more, and a crash leaves something to sweep.
    transact(ctx.db, () => {
      const image = imageOf(ctx, imageId);
      refuseInUse(image, volumes.listBy(ctx.db, 'image_id', imageId));
      images.update(ctx.db, { ...image, state: 'pending' });
    });
    await removeImage(ctx, imageId);
  });
  return { Return: true };
}

function refuseInUse({ imageId, name }: Image, standing: readonly Volume[]): void {
  if (standing.length === 0) return;
  const users = standing.map(({ volumeId, attachment }) =>
    attachment ? `${volumeId} of ${attachment.instanceId}` : volumeId,
  );
  const instances = standing.flatMap(({ attachment }) => attachment?.instanceId ?? []);
  throw new Ec2Error(
    'InvalidAMIID.Unavailable',
    `The image '${name}' (${imageId}) is in use by ${users.join(', ')}`,
    instances.length > 0 ? { hint: `bonami terminate ${[...new Set(instances)].join(' ')}` } : {},
  );
}
