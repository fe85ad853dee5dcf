import { Ec2Error } from '../../core/errors.ts';
import { isId, isIdPrefix } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { snapshots, type Snapshot } from '../../store/snapshots.ts';
import { resourcesWithTag } from '../../store/tags.ts';

/** The snapshot of exactly this id, whatever its state. Throws `InvalidSnapshotID.Malformed` or `InvalidSnapshot.NotFound`. */
export function snapshotOf(db: Db, snapshotId: string): Snapshot {
  if (!isId('snapshot', snapshotId))
    throw new Ec2Error('InvalidSnapshotID.Malformed', `Invalid id: "${snapshotId}" (expecting "snap-...")`, {
      hint: 'bonami snapshot ls',
    });
  const found = snapshots.get(db, snapshotId);
  if (found === undefined) throw notFound(snapshotId);
  return found;
}

/** A snapshot that a volume can be made of. Throws as `snapshotOf` does, and `IncorrectState` while it is pending. */
export function requireSnapshot(db: Db, snapshotId: string): Snapshot {
  const found = snapshotOf(db, snapshotId);
  if (found.state === 'completed') return found;
  throw new Ec2Error('IncorrectState', `Snapshot '${snapshotId}' is still being taken`, {
    hint: 'bonami snapshot ls',
  });
}

/** The snapshot that a user means: by its id, a beginning of it that fits one only, or its Name tag. */
export function resolveSnapshot(db: Db, reference: string): Snapshot {
  if (isId('snapshot', reference)) return snapshotOf(db, reference);
  const all = snapshots.list(db);
  const tagged = new Set(resourcesWithTag(db, 'Name', reference));
  const found = isIdPrefix('snapshot', reference)
    ? all.filter(({ snapshotId }) => snapshotId.startsWith(reference))
    : all.filter(({ snapshotId }) => tagged.has(snapshotId));
  const [first, ...others] = found;
  if (first === undefined) throw notFound(reference);
  if (others.length > 0)
    throw new Ec2Error('InvalidSnapshot.NotFound', `'${reference}' stands for ${found.length} snapshots`, {
      hint: 'bonami snapshot ls',
    });
  return first;
}

function notFound(reference: string): Ec2Error {
  return new Ec2Error('InvalidSnapshot.NotFound', `The snapshot '${reference}' does not exist.`, {
    hint: 'bonami snapshot ls',
  });
}
