import { rmSync } from 'node:fs';
import type { ImageId, SnapshotId } from '../../core/ids.ts';
import { tryLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { snapshots } from '../../store/snapshots.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';

/**
 * Removes a snapshot for good: its links to layers, tags and record. Layers live on in whatever else has links to
 * them. The record goes after the files, so that a crash in between leaves something to sweep.
 */
export function removeSnapshot(ctx: Ec2Context, snapshotId: SnapshotId): void {
  const { incoming, folder, lock } = ctx.layout.snapshot(snapshotId);
  for (const path of [incoming, folder]) rmSync(path, { recursive: true, force: true });
  transact(ctx.db, () => {
    removeTags(ctx.db, snapshotId);
    snapshots.remove(ctx.db, snapshotId);
  });
  rmSync(lock, { force: true });
}

/** Removes the unfinished snapshots that come with an image, or one on its own; the caller holds the owner's lock. */
export function removePendingSnapshots(ctx: Ec2Context, owner: ImageId | SnapshotId): void {
  for (const snapshot of snapshots.list(ctx.db))
    if (snapshot.state === 'pending' && snapshot.owner === owner) removeSnapshot(ctx, snapshot.snapshotId);
}

/** Removes snapshots that dead commands left unfinished, and returns their ids. Those of images go with their image. */
export function sweepAbandonedSnapshots(ctx: Ec2Context): readonly SnapshotId[] {
  const swept: SnapshotId[] = [];
  for (const { snapshotId, state, owner } of snapshots.list(ctx.db)) {
    if (state !== 'pending' || owner !== snapshotId) continue;
    const held = tryLock(ctx.layout.snapshot(snapshotId).lock);
    if (held === undefined) continue;
    try {
      if (snapshots.get(ctx.db, snapshotId)?.state !== 'pending') continue;
      removeSnapshot(ctx, snapshotId);
      swept.push(snapshotId);
    } finally {
      held.release();
    }
  }
  return swept;
}
