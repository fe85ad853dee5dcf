import { chownSync, existsSync, renameSync, rmSync } from 'node:fs';
import { addLayer, layersOf } from '../../host/disk/layers.ts';
import { syncFolder } from '../../host/disk/durable.ts';
import { makeFolder } from '../../store/layout.ts';
import type { Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { linkSnapshot } from '../snapshots/link-snapshot.ts';

const GIB = 2 ** 30;

/**
 * The layers of a volume, the lowest first; makes the volume when it has none yet: its snapshot's layers, shared, and
 * one of its own that `uid` may write to. A volume is there whole or not at all.
 */
export async function ensureVolume(
  ctx: Ec2Context,
  { volumeId, snapshotId, size, layers }: Volume,
  { uid }: { readonly uid: number | null },
): Promise<readonly string[]> {
  const { folder } = ctx.layout.volume(volumeId);
  if (!existsSync(folder)) {
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    makeFolder(unfinished, process.getuid?.() === 0 ? 0o711 : 0o700);
    if (snapshotId !== null) linkSnapshot(ctx, { snapshotId, layers }, unfinished);
    await addLayer(unfinished, { sizeBytes: size * GIB, uid });
    renameSync(unfinished, folder);
    await syncFolder(ctx.layout.volumes);
    return layersOf(folder);
  }
  const found = layersOf(folder);
  // It may come from another machine, whose user it belonged to.
  const top = found.at(-1);
  if (top !== undefined && uid !== null) chownSync(top, uid, uid);
  return found;
}
