// A volume as it is at one moment: its highest layer stops changing, and a new one takes what is written from then
// on. Nothing is copied for that, however large the volume; the guest does not notice.
import { renameSync, rmSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { copyWithDigest } from '../../host/disk/copy-with-digest.ts';
import { digestOf } from '../../host/disk/digest.ts';
import { syncFolder } from '../../host/disk/durable.ts';
import { requireOwnLayer } from '../../host/disk/inspector/own-layer.ts';
import { addLayer, dropLayer, freezeLayer, layersOf } from '../../host/disk/layers.ts';
import { redirectWrites, writtenLayers, type Redirection } from '../../host/qemu/redirect-writes.ts';
import { isMachineAlive, pressPowerAndReset, withQmp } from '../../host/qemu/running-machine.ts';
import type { QmpConnection } from '../../host/qemu/qmp.ts';
import { transact } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { ensureVolume } from './ensure-volume.ts';

const GIB = 2 ** 30;
/** As for a reboot: a guest that does not shut down is reset, its disks as they are. */
const SHUTDOWN_GRACE_MS = 60_000;

export interface FreezeRequest {
  /** All of them at the same moment. */
  readonly volumes: readonly Volume[];
  /** Whose volumes they are; undefined for volumes that are attached to none. The caller holds its operation lock. */
  readonly instance: Instance | undefined;
  /** Let a running guest shut down for that moment, so that its file systems are whole; it then boots again. */
  readonly reboot: boolean;
}

export interface FrozenVolume {
  readonly volume: Volume;
  /** Layers that will never change, the lowest first, and their digests. */
  readonly layers: readonly string[];
  readonly digests: readonly string[];
}

/** Freezes volumes. Cut short anywhere, each is whole: at worst it has a layer with nothing in it. */
export async function freezeVolumes(
  ctx: Ec2Context,
  { volumes: wanted, instance, reboot }: FreezeRequest,
): Promise<readonly FrozenVolume[]> {
  const uid = instance?.uid ?? null;
  const paths = instance && ctx.layout.instance(instance.instanceId);
  const isRunning = paths !== undefined && isMachineAlive(paths);
  if (!isRunning) {
    for (const volume of wanted) {
      await ensureVolume(ctx, volume, { uid });
      await nextLayer(ctx, volume, uid);
    }
  } else if (reboot)
    await pressPowerAndReset(paths, {
      graceMs: SHUTDOWN_GRACE_MS,
      signal: ctx.signal,
      onImpatience: () =>
        ctx.report.warn(
          `${instance?.instanceId} did not shut down within ${SHUTDOWN_GRACE_MS / 1000} s, so it is reset`,
        ),
      whileDown: async (qmp) => redirect(ctx, qmp, { wanted, uid }),
    });
  else await withQmp(paths, async (qmp) => redirect(ctx, qmp, { wanted, uid }));
  failpoint('freeze:redirected');
  const frozen: FrozenVolume[] = [];
  for (const volume of wanted) frozen.push(await settleLayers(ctx, volume, { isRunning }));
  return frozen;
}

interface Redirecting {
  readonly wanted: readonly Volume[];
  readonly uid: number | null;
}

/**
 * Whatever fails here leaves layers with nothing in them, for the next freeze to remove: whether the machine has begun
 * to write to one is nothing that a failure tells.
 */
async function redirect(ctx: Ec2Context, qmp: QmpConnection, { wanted, uid }: Redirecting): Promise<void> {
  const written = new Set(await writtenLayers(qmp));
  const redirections: Redirection[] = [];
  for (const volume of wanted) {
    const { folder } = ctx.layout.volume(volume.volumeId);
    const [top, below] = layersOf(folder).toReversed();
    // What a freeze left that was cut short before the machine was told: nothing was ever written to it.
    const isUnused = top !== undefined && below !== undefined && !written.has(top) && written.has(below);
    if (isUnused) await dropLayer(top);
    const from = isUnused ? below : top;
    if (from === undefined || !written.has(from))
      throw new HostError(
        'DiskBroken',
        `the machine does not write to the highest layer of ${volume.volumeId}`,
        {
          hint: `bonami stop ${volume.attachment?.instanceId ?? ''}, then try again`,
        },
      );
    redirections.push({ from, to: await nextLayer(ctx, volume, uid) });
  }
  failpoint('freeze:layers');
  await redirectWrites(qmp, redirections);
}

async function nextLayer(ctx: Ec2Context, { volumeId, size }: Volume, uid: number | null): Promise<string> {
  return addLayer(ctx.layout.volume(volumeId).folder, { sizeBytes: size * GIB, uid });
}

/**
 * Takes the layers that have stopped changing out of everybody's hands and records their digests. While the machine
 * runs it may still hold the file open: then the layer becomes a copy of what it was, so that nothing which a guest
 * could ever reach is shared with others.
 */
async function settleLayers(
  ctx: Ec2Context,
  volume: Volume,
  { isRunning }: { readonly isRunning: boolean },
): Promise<FrozenVolume> {
  const { folder } = ctx.layout.volume(volume.volumeId);
  const layers = layersOf(folder).slice(0, -1);
  const digests = [...volume.layers.slice(0, layers.length)];
  for (const layer of layers.slice(digests.length)) {
    ctx.signal.throwIfAborted();
    digests.push(await settleLayer(ctx, layer, { volume, isRunning }));
  }
  const settled = { ...volume, layers: digests };
  transact(ctx.db, () => volumes.update(ctx.db, settled));
  await syncFolder(folder);
  return { volume: settled, layers, digests };
}

async function settleLayer(
  ctx: Ec2Context,
  layer: string,
  { volume, isRunning }: { readonly volume: Volume; readonly isRunning: boolean },
): Promise<string> {
  const total = statSync(layer).size;
  const label = `${isRunning ? 'copying' : 'reading'} ${volume.volumeId}, ${basename(layer)}`;
  const options = {
    signal: ctx.signal,
    onProgress: (done: number): void => ctx.report.progress({ label, done, total, unit: 'bytes' }),
  };
  const copy = `${layer}.copy`;
  rmSync(copy, { force: true });
  if (!isRunning) {
    await requireOwnLayer(layer);
    freezeLayer(layer);
    return digestOf(layer, options);
  }
  try {
    const digest = await copyWithDigest(layer, copy, options);
    await requireOwnLayer(copy, basename(layer));
    freezeLayer(copy);
    renameSync(copy, layer);
    return digest;
  } catch (error) {
    rmSync(copy, { force: true });
    throw error;
  }
}
