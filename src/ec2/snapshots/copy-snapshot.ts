import type { CopySnapshotRequest, CopySnapshotResult } from '@aws-sdk/client-ec2';
import { newId, type SnapshotId } from '../../core/ids.ts';
import { moveDurably, syncFolder } from '../../host/disk/durable.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { makeFolder } from '../../store/layout.ts';
import { snapshots, type Snapshot } from '../../store/snapshots.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { checkedTags } from '../tags/checked-tags.ts';
import { linkSnapshot } from './link-snapshot.ts';
import { removeSnapshot } from './remove-snapshot.ts';
import { requireSnapshot } from './resolve-snapshot.ts';

/** EC2's CopySnapshot: another snapshot of the same contents, which takes no space of its own. */
export async function copySnapshot(
  ctx: Ec2Context,
  { SourceSnapshotId = '', Description, TagSpecifications = [] }: Partial<CopySnapshotRequest>,
): Promise<CopySnapshotResult> {
  const source = requireSnapshot(ctx.db, SourceSnapshotId);
  const snapshotId = newId('snapshot');
  const tags = checkedTags(TagSpecifications.flatMap((each) => each.Tags ?? []));
  await withLock(ctx.layout.snapshot(snapshotId).lock, { purpose: `copy ${SourceSnapshotId}` }, async () => {
    const pending = {
      ...source,
      snapshotId,
      owner: snapshotId,
      state: 'pending' as const,
      description: Description ?? `Copied from ${source.snapshotId}`,
      startTime: ctx.now().toISOString(),
    };
    transact(ctx.db, () => {
      requireSnapshot(ctx.db, SourceSnapshotId);
      snapshots.insert(ctx.db, pending);
    });
    try {
      await link(ctx, source, snapshotId);
    } catch (error) {
      removeSnapshot(ctx, snapshotId);
      throw error;
    }
    transact(ctx.db, () => {
      snapshots.update(ctx.db, { ...pending, state: 'completed' });
      putTags(ctx.db, snapshotId, tags);
    });
  });
  return { SnapshotId: snapshotId, Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) };
}

/** Gives another snapshot the same layers; there whole or not at all. */
async function link(ctx: Ec2Context, from: Snapshot, to: SnapshotId): Promise<void> {
  const { incoming, folder } = ctx.layout.snapshot(to);
  makeFolder(incoming, process.getuid?.() === 0 ? 0o711 : 0o700);
  linkSnapshot(ctx, from, incoming);
  await syncFolder(incoming);
  await moveDurably(incoming, folder);
}
