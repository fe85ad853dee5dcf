import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SnapshotId } from '../../core/ids.ts';
import { type Image, images, snapshotIdsOf } from '../../store/images.ts';
import { instances } from '../../store/instances.ts';
import { snapshots } from '../../store/snapshots.ts';
import type { Ec2Context } from '../context.ts';
import { deleteSnapshot } from '../snapshots/delete-snapshot.ts';
import { deregisterImage } from './deregister-image.ts';

export interface PruneRequest {
  /** Only what is at least this old. */
  readonly olderThanMs: number;
  /** Imported disks without an image, and snapshots whose volume is gone, too. */
  readonly snapshots: boolean;
}

export interface Prunable {
  readonly images: readonly Image[];
  readonly snapshotIds: readonly SnapshotId[];
  /** Bytes on the disk that would become free. */
  readonly bytes: number;
}

/** What nobody uses: images that no instance was made of, and the snapshots that only they have. Changes nothing. */
export function findPrunable(
  ctx: Ec2Context,
  { olderThanMs, snapshots: withSnapshots }: PruneRequest,
): Prunable {
  const limit = ctx.now().getTime() - olderThanMs;
  const used = new Set<string>(
    instances.list(ctx.db).flatMap(({ imageId, state }) => (state === 'terminated' ? [] : [imageId])),
  );
  const all = images.list(ctx.db).filter(({ state }) => state === 'available');
  const unused = all.filter(
    ({ imageId, creationDate }) => !used.has(imageId) && Date.parse(creationDate) <= limit,
  );
  const kept = new Set<string>(all.filter((image) => !unused.includes(image)).flatMap(snapshotIdsOf));
  const ofImages = new Set(unused.flatMap(snapshotIdsOf));
  const doomed = snapshots
    .list(ctx.db)
    .filter(
      ({ snapshotId, state, startTime }) =>
        state === 'completed' &&
        !kept.has(snapshotId) &&
        (ofImages.has(snapshotId) || (withSnapshots && Date.parse(startTime) <= limit)),
    );
  const snapshotIds = doomed.map(({ snapshotId }) => snapshotId);
  return { images: unused, snapshotIds, bytes: freedBytes(ctx, snapshotIds) };
}

/** Removes what `findPrunable` found. What has come into use meanwhile is refused, as its removal always is. */
export async function pruneImages(ctx: Ec2Context, { images: unused, snapshotIds }: Prunable): Promise<void> {
  for (const { imageId } of unused)
    await deregisterImage(ctx, { ImageId: imageId, DeleteAssociatedSnapshots: true });
  for (const SnapshotId of snapshotIds)
    if (snapshots.get(ctx.db, SnapshotId)) await deleteSnapshot(ctx, { SnapshotId });
}

/** A file's blocks become free when all its links go. */
function freedBytes(ctx: Ec2Context, snapshotIds: readonly SnapshotId[]): number {
  const links = new Map<number, { seen: number; of: number; bytes: number }>();
  for (const id of snapshotIds) {
    const { folder } = ctx.layout.snapshot(id);
    for (const name of readdirSync(folder)) {
      const { ino, nlink, blocks } = statSync(join(folder, name));
      const { seen } = links.get(ino) ?? { seen: 0 };
      links.set(ino, { seen: seen + 1, of: nlink, bytes: blocks * 512 });
    }
  }
  return [...links.values()].reduce((sum, { seen, of, bytes }) => sum + (seen >= of ? bytes : 0), 0);
}
