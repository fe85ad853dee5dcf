import { rm } from 'node:fs/promises';
import { Interrupted } from '../../core/errors.ts';
import type { ImageId } from '../../core/ids.ts';
import { lock, tryLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { type Image, images } from '../../store/images.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { removePendingSnapshots } from '../snapshots/remove-snapshot.ts';

/**
 * Removes what dead commands left: pending images that nobody works on, with their files. Returns them.
 * Cheap when there are none.
 */
export async function sweepAbandonedImages(ctx: Ec2Context): Promise<readonly Image[]> {
  const swept: Image[] = [];
  for (const image of images.list(ctx.db))
    if (image.state === 'pending' && (await sweepImage(ctx, image.imageId))) swept.push(image);
  return swept;
}

/** Removes one pending image with its files unless somebody works on it; answers whether it is gone. */
async function sweepImage(ctx: Ec2Context, imageId: ImageId): Promise<boolean> {
  const { lock: path } = ctx.layout.image(imageId);
  const held = tryLock(path);
  if (held === undefined) return false;
  try {
    if (images.get(ctx.db, imageId)?.state === 'available') return false;
    await removeImage(ctx, imageId);
    return true;
  } finally {
    held.release();
  }
}

/**
 * Removes an image for good: what came of it so far, unfinished snapshots, tags, record, and at last its lock, which
 * the caller holds. The record goes after the files, so that a crash in between leaves something to sweep.
 */
export async function removeImage(ctx: Ec2Context, imageId: ImageId): Promise<void> {
  const paths = ctx.layout.image(imageId);
  await rm(paths.incoming, { recursive: true, force: true });
  removePendingSnapshots(ctx, imageId);
  transact(ctx.db, () => {
    removeTags(ctx.db, imageId);
    images.remove(ctx.db, imageId);
  });
  await rm(paths.lock, { force: true });
}

/**
 * The available image of this name, if there is one. When another command is bringing it right now, waits for that
 * command; when one died while bringing it, clears the remains away.
 */
export async function settledImage(ctx: Ec2Context, name: string): Promise<Image | undefined> {
  for (;;) {
    if (ctx.signal.aborted) throw new Interrupted();
    const [image] = images.listBy(ctx.db, 'name', name);
    if (image === undefined || image.state === 'available') return image;
    if (await sweepImage(ctx, image.imageId)) continue;
    ctx.report.info(`another command is bringing the image '${name}'; waiting for it`);
    const hour = { timeoutMs: 3_600_000, purpose: `use the image '${name}'` };
    const held = await lock(ctx.layout.image(image.imageId).lock, hour);
    held.release();
  }
}
