import { mkdir, rm } from 'node:fs/promises';
import { linkSync, renameSync, rmSync } from 'node:fs';
import { HostError, Interrupted } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { newId, type SnapshotId, type VolumeId } from '../../core/ids.ts';
import { moveDurably, namingFullFolder, syncFolder } from '../../host/disk/durable.ts';
import { freezeLayer, layerPath, layersOf } from '../../host/disk/layers.ts';
import { lock } from '../../host/process/lock.ts';
import { Undo } from '../../host/undo.ts';
import { transact } from '../../store/database.ts';
import {
  type BlockDeviceMapping,
  type EbsMapping,
  type Image,
  type ImageFindings,
  images,
} from '../../store/images.ts';
import { makeFolder, type ArrivalPaths } from '../../store/layout.ts';
import { snapshots } from '../../store/snapshots.ts';
import type { Ec2Context } from '../context.ts';
import { sweepAbandonedSnapshots } from '../snapshots/remove-snapshot.ts';
import type { ImageDescription } from './image-description.ts';
import { removeImage, sweepAbandonedImages } from './sweep-images.ts';

const GIB = 2 ** 30;

/** A disk that is in the incoming folder, judged and normal, not yet in the store. */
export interface ArrivedDisk extends ArrivedLayers {
  readonly snapshotId: SnapshotId;
  /** Holds its layers. */
  readonly folder: string;
}

export interface ArrivedLayers {
  /** The digest of each layer, the lowest first. */
  readonly layers: readonly string[];
  /** Bytes. */
  readonly virtualSize: number;
  /** The volume that it was taken of. */
  readonly volumeId?: VolumeId;
}

/** How an image wants one of its disks. */
export interface ArrivedMapping extends Partial<
  Pick<EbsMapping, 'volumeSize' | 'volumeType' | 'iops' | 'throughput' | 'deleteOnTermination'>
> {
  readonly deviceName: string;
  readonly disk: ArrivedDisk;
}

/** Everything about an image that has come as far as the incoming folder. */
export interface ArrivedImage {
  readonly description: ImageDescription;
  readonly findings: ImageFindings | null;
  readonly sourceInstanceId?: Image['sourceInstanceId'];
  readonly mappings: readonly ArrivedMapping[];
  /** Entries without a disk that arrived. */
  readonly otherMappings?: readonly BlockDeviceMapping[];
  /** Where it came from, for people. */
  readonly source: string;
}

/** Where an image on its way may put things. */
export interface Arrivals {
  /** For whatever is needed on the way; gone afterwards. */
  readonly workFolder: string;
  /** Makes the folder for a disk, lets `make` fill it with layers, and says what came of it. */
  take(make: (folder: string) => Promise<ArrivedLayers>): Promise<ArrivedDisk>;
}

/**
 * Makes an image of what `bring` brings. All or nothing: while it lasts there is a `pending` record under a lock; a
 * failure or Ctrl-C removes everything, and what a crash leaves is a pending record with a free lock (see
 * sweep-images.ts).
 */
export async function receiveImage(
  ctx: Ec2Context,
  name: string,
  bring: (arrivals: Arrivals) => Promise<ArrivedImage>,
): Promise<Image> {
  for (const swept of await sweepAbandonedImages(ctx))
    ctx.report.info(`cleared away what an earlier command left of the image '${swept.name}'`);
  sweepAbandonedSnapshots(ctx);
  const pending = pendingImage(ctx, name);
  const paths = ctx.layout.image(pending.imageId);
  const undo = new Undo();
  const held = await lock(paths.lock, { purpose: `bring the image '${name}'` });
  undo.add('lock', async () => rm(paths.lock, { force: true }));
  try {
    transact(ctx.db, () => images.insert(ctx.db, pending));
    undo.add('record', () => removeImage(ctx, pending.imageId));
    failpoint('import:planned');
    await mkdir(paths.incoming, { mode: 0o700 });
    const image = await receive(ctx, { pending, paths, bring });
    undo.forget();
    return image;
  } catch (error) {
    for (const failure of await undo.run()) ctx.report.warn(`${failure.message}; bonami doctor --fix`);
    if (ctx.signal.aborted) throw new Interrupted(`interrupted; no image '${name}' was made`);
    throw namingFullFolder(error, ctx.layout.home);
  } finally {
    held.release();
  }
}

interface Reception {
  readonly pending: Image;
  readonly paths: ArrivalPaths;
  readonly bring: (arrivals: Arrivals) => Promise<ArrivedImage>;
}

async function receive(ctx: Ec2Context, { pending, paths, bring }: Reception): Promise<Image> {
  const workFolder = `${paths.incoming}/work`;
  await mkdir(workFolder, { mode: 0o700 });
  const arrived = await bring({
    workFolder,
    take: async (make) => {
      const snapshotId = newId('snapshot');
      const folder = `${paths.incoming}/${snapshotId}`;
      makeFolder(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
      const layers = await make(folder);
      failpoint('import:taken');
      return { snapshotId, folder, ...layers };
    },
  });
  failpoint('import:arrived');
  ctx.signal.throwIfAborted();
  await rm(workFolder, { recursive: true, force: true });
  const image = availableImage(ctx, pending, arrived);
  const disks = arrived.mappings.map(({ disk }) => disk);
  transact(ctx.db, () => {
    // The name may have become another one than was thought; and two images of one name must not both succeed.
    images.update(ctx.db, { ...image, state: 'pending' });
    for (const disk of disks) insertSnapshot(ctx, disk, image);
  });
  failpoint('import:snapshots');
  for (const disk of disks) await publish(ctx, disk);
  failpoint('import:published');
  transact(ctx.db, () => {
    for (const { snapshotId } of disks) {
      const snapshot = snapshots.get(ctx.db, snapshotId);
      if (snapshot === undefined)
        throw new HostError('RecordMissing', `the record of ${snapshotId} vanished`);
      snapshots.update(ctx.db, { ...snapshot, state: 'completed' });
    }
    images.update(ctx.db, image);
  });
  failpoint('import:recorded');
  await rm(paths.incoming, { recursive: true, force: true });
  return image;
}

function pendingImage(ctx: Ec2Context, name: string): Image {
  return {
    imageId: newId('image'),
    name,
    description: '',
    // What it is will be found out.
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    defaultUser: 'root',
    firstBoot: 'none',
    cpuBaseline: null,
    findings: null,
    sourceInstanceId: null,
    blockDeviceMappings: [],
    state: 'pending',
    creationDate: ctx.now().toISOString(),
    source: '',
  };
}

function availableImage(ctx: Ec2Context, pending: Image, arrived: ArrivedImage): Image {
  const { description, findings, sourceInstanceId = null, mappings, otherMappings = [], source } = arrived;
  return {
    ...pending,
    ...description,
    findings,
    sourceInstanceId,
    source,
    state: 'available',
    creationDate: ctx.now().toISOString(),
    blockDeviceMappings: [
      ...mappings.map(({ deviceName, disk, volumeSize = 1, ...wanted }) => ({
        kind: 'ebs' as const,
        deviceName,
        snapshotId: disk.snapshotId,
        volumeType: wanted.volumeType ?? ('gp3' as const),
        iops: wanted.iops ?? null,
        throughput: wanted.throughput ?? null,
        deleteOnTermination: wanted.deleteOnTermination ?? true,
        volumeSize: Math.max(volumeSize, gibibytes(disk)),
      })),
      ...otherMappings,
    ],
  };
}

function gibibytes({ virtualSize }: Pick<ArrivedDisk, 'virtualSize'>): number {
  return Math.max(1, Math.ceil(virtualSize / GIB));
}

function insertSnapshot(ctx: Ec2Context, disk: ArrivedDisk, image: Image): void {
  snapshots.insert(ctx.db, {
    snapshotId: disk.snapshotId,
    state: 'pending',
    owner: image.imageId,
    volumeId: disk.volumeId ?? null,
    volumeSize: gibibytes(disk),
    description: `Created for the image '${image.name}' (${image.imageId})`,
    startTime: ctx.now().toISOString(),
    layers: [...disk.layers],
  });
}

/** Into the store, read-only and durable; contents that are there already are linked, not kept twice. */
async function publish(ctx: Ec2Context, { snapshotId, folder, layers }: ArrivedDisk): Promise<void> {
  const [lowest, ...others] = layersOf(folder);
  if (lowest !== undefined && others.length === 0) shareWithTwin(ctx, lowest, layers[0]);
  for (const layer of layersOf(folder)) freezeLayer(layer);
  await syncFolder(folder);
  await moveDurably(folder, ctx.layout.snapshot(snapshotId).folder);
}

function shareWithTwin(ctx: Ec2Context, layer: string, digest: string | undefined): void {
  const twin = snapshots
    .list(ctx.db)
    .find(({ state, layers }) => state === 'completed' && layers[0] === digest);
  if (twin === undefined) return;
  const shared = `${layer}.shared`;
  rmSync(shared, { force: true });
  try {
    linkSync(layerPath(ctx.layout.snapshot(twin.snapshotId).folder, 0), shared);
  } catch {
    // Deleted a moment ago, or linked as often as the file system allows: then there are two copies.
    return;
  }
  renameSync(shared, layer);
  ctx.report.info(`the same contents are in the store as ${twin.snapshotId}; sharing its disk`);
}
