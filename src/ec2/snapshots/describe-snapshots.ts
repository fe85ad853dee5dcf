import type { DescribeSnapshotsRequest, DescribeSnapshotsResult } from '@aws-sdk/client-ec2';
import { snapshots, type Snapshot } from '../../store/snapshots.ts';
import { tagsOf, type Tags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { type FilterTable, filterTests } from '../filters.ts';
import { ec2Snapshot } from './ec2-snapshot.ts';
import { snapshotOf } from './resolve-snapshot.ts';

const FILTERS: FilterTable<{ readonly snapshot: Snapshot; readonly tags: Tags }> = {
  description: ({ snapshot }) => snapshot.description,
  'snapshot-id': ({ snapshot }) => snapshot.snapshotId,
  status: ({ snapshot }) => snapshot.state,
  'volume-id': ({ snapshot }) => snapshot.volumeId ?? [],
  'volume-size': ({ snapshot }) => String(snapshot.volumeSize),
  'tag-key': ({ tags }) => Object.keys(tags),
  'tag:*': ({ tags }, key) => tags[key] ?? [],
};

/** EC2's DescribeSnapshots. All snapshots have one owner here, so `OwnerIds` says nothing. */
export function describeSnapshots(
  ctx: Ec2Context,
  { SnapshotIds = [], Filters = [] }: DescribeSnapshotsRequest,
): DescribeSnapshotsResult {
  const tests = filterTests(Filters, FILTERS);
  const asked =
    SnapshotIds.length === 0 ? snapshots.list(ctx.db) : SnapshotIds.map((id) => snapshotOf(ctx.db, id));
  const found = asked
    .map((snapshot) => ({ snapshot, tags: tagsOf(ctx.db, snapshot.snapshotId) }))
    .filter((tagged) => tests.every((test) => test(tagged)));
  return { Snapshots: found.map(({ snapshot }) => ec2Snapshot(ctx, snapshot)) };
}
