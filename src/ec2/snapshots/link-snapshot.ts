import { Ec2Error } from '../../core/errors.ts';
import type { SnapshotId } from '../../core/ids.ts';
import { layersOf, linkLayers } from '../../host/disk/layers.ts';
import type { Ec2Context } from '../context.ts';

/**
 * Gives a folder the layers of a snapshot. Throws `InvalidSnapshot.NotFound` when the snapshot has fewer than were
 * recorded: it was deleted a moment ago, and without them a disk would be something else, or empty.
 */
export function linkSnapshot(
  ctx: Ec2Context,
  { snapshotId, layers }: { readonly snapshotId: SnapshotId; readonly layers: readonly string[] },
  folder: string,
): void {
  const found = layersOf(ctx.layout.snapshot(snapshotId).folder);
  if (found.length !== layers.length || found.length === 0)
    throw new Ec2Error(
      'InvalidSnapshot.NotFound',
      `The snapshot '${snapshotId}' has ${found.length} of its ${layers.length} layers`,
      { hint: 'bonami snapshot ls, or bonami doctor' },
    );
  linkLayers(found, folder);
}
