import { linkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { rm } from 'node:fs/promises';
import type {
  CreateSnapshotRequest,
  CreateSnapshotsRequest,
  CreateSnapshotsResult,
  Snapshot as Ec2Snapshot,
  TagSpecification,
} from '@aws-sdk/client-ec2';
import { Ec2Error, Interrupted } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { newId } from '../../core/ids.ts';
import { moveDurably, namingFullFolder, syncFolder } from '../../host/disk/durable.ts';
import { lock, withLock } from '../../host/process/lock.ts';
import { Undo } from '../../host/undo.ts';
import { transact } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import { makeFolder } from '../../store/layout.ts';
import { snapshots, type Snapshot } from '../../store/snapshots.ts';
import { putTags, tagsOf, type Tags } from '../../store/tags.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { withInstance } from '../instances/operation.ts';
import { getInstance } from '../instances/resolve-instance.ts';
import { checkedTags } from '../tags/checked-tags.ts';
import { freezeVolumes, type FrozenVolume } from '../volumes/freeze-volumes.ts';
import { volumeOf } from '../volumes/resolve-volume.ts';
import { ec2Snapshot } from './ec2-snapshot.ts';
import { removeSnapshot, sweepAbandonedSnapshots } from './remove-snapshot.ts';

interface Wanted {
  readonly description: string;
  readonly tags: Tags;
  /** Tags of the volume come along. */
  readonly copyTags?: boolean;
}

/**
 * EC2's CreateSnapshot: the volume as it is now, as a power cut would leave it when its instance runs. Unlike in EC2
 * the snapshot is complete when this resolves. It shares all layers with the volume and with earlier snapshots.
 */
export async function createSnapshot(
  ctx: Ec2Context,
  { VolumeId = '', Description = '', TagSpecifications = [] }: Partial<CreateSnapshotRequest>,
): Promise<Ec2Snapshot> {
  const volume = volumeOf(ctx.db, VolumeId);
  const wanted = { description: Description, tags: requestedTags(TagSpecifications) };
  const [made] = await withVolume(ctx, volume, async (instance) =>
    snapshotAll(ctx, { instance, wanted: [volumeOf(ctx.db, VolumeId)], ...wanted }),
  );
  if (made === undefined) throw new Error(`no snapshot of ${VolumeId} was made`);
  return ec2Snapshot(ctx, made);
}

/** EC2's CreateSnapshots: all volumes of an instance at the same moment. */
export async function createSnapshots(
  ctx: Ec2Context,
  {
    InstanceSpecification,
    Description = '',
    TagSpecifications = [],
    CopyTagsFromSource,
  }: Partial<CreateSnapshotsRequest>,
): Promise<CreateSnapshotsResult> {
  const {
    InstanceId = '',
    ExcludeBootVolume = false,
    ExcludeDataVolumeIds = [],
  } = InstanceSpecification ?? {};
  const { instanceId } = getInstance(ctx.db, InstanceId);
  const made = await withInstance(ctx, { instanceId, purpose: 'snapshot' }, async (instance) => {
    const isWanted = ({ volumeId, attachment }: Volume): boolean =>
      !ExcludeDataVolumeIds.includes(volumeId) &&
      !(ExcludeBootVolume && attachment?.device === instance.rootDeviceName);
    const wanted = volumes.listBy(ctx.db, 'instance_id', instanceId).filter(isWanted);
    if (wanted.length === 0)
      throw new Ec2Error('InvalidParameterValue', `${instanceId} has no volume to take a snapshot of`);
    return snapshotAll(ctx, {
      instance,
      wanted,
      description: Description,
      tags: requestedTags(TagSpecifications),
      copyTags: CopyTagsFromSource === 'volume',
    });
  });
  return { Snapshots: made.map((snapshot) => ec2Snapshot(ctx, snapshot)) };
}

/** Runs with the volume to itself, and with the instance that it is attached to. */
async function withVolume<T>(
  ctx: Ec2Context,
  { volumeId, attachment }: Volume,
  work: (instance: Instance | undefined) => Promise<T>,
): Promise<T> {
  if (attachment)
    return withInstance(ctx, { instanceId: attachment.instanceId, purpose: 'snapshot' }, async (instance) =>
      work(instance),
    );
  return withLock(ctx.layout.volume(volumeId).lock, { purpose: `snapshot ${volumeId}` }, async () =>
    work(undefined),
  );
}

interface Job extends Wanted {
  readonly instance: Instance | undefined;
  readonly wanted: readonly Volume[];
}

async function snapshotAll(
  ctx: Ec2Context,
  { instance, wanted, ...about }: Job,
): Promise<readonly Snapshot[]> {
  sweepAbandonedSnapshots(ctx);
  const undo = new Undo();
  const held = [];
  try {
    const pending = wanted.map((volume) => pendingSnapshot(ctx, volume, about.description));
    for (const { snapshotId } of pending) {
      const { lock: path } = ctx.layout.snapshot(snapshotId);
      held.push(await lock(path, { purpose: `take ${snapshotId}` }));
      undo.add('lock', async () => rm(path, { force: true }));
    }
    undo.add('records', () => {
      for (const { snapshotId } of pending) removeSnapshot(ctx, snapshotId);
    });
    transact(ctx.db, () => {
      for (const snapshot of pending) snapshots.insert(ctx.db, snapshot);
    });
    failpoint('snapshot:planned');
    const frozen = await freezeVolumes(ctx, { volumes: wanted, instance, reboot: false });
    const completed: Snapshot[] = [];
    for (const snapshot of pending) completed.push(await keep(ctx, snapshot, frozen));
    failpoint('snapshot:kept');
    transact(ctx.db, () => {
      for (const snapshot of completed) {
        snapshots.update(ctx.db, snapshot);
        const inherited = about.copyTags === true ? tagsOf(ctx.db, snapshot.volumeId ?? '') : {};
        putTags(ctx.db, snapshot.snapshotId, { ...inherited, ...about.tags });
      }
    });
    undo.forget();
    return completed;
  } catch (error) {
    for (const failed of await undo.run()) ctx.report.warn(`${failed.message}; bonami doctor --fix`);
    if (ctx.signal.aborted) throw new Interrupted('interrupted; no snapshot was made');
    throw namingFullFolder(error, ctx.layout.home);
  } finally {
    for (const each of held) each.release();
  }
}

function pendingSnapshot(ctx: Ec2Context, { volumeId, size }: Volume, description: string): Snapshot {
  const snapshotId = newId('snapshot');
  return {
    snapshotId,
    state: 'pending',
    owner: snapshotId,
    volumeId,
    volumeSize: size,
    description,
    startTime: ctx.now().toISOString(),
    layers: [],
  };
}

/** Links the frozen layers into the store. */
async function keep(ctx: Ec2Context, snapshot: Snapshot, frozen: readonly FrozenVolume[]): Promise<Snapshot> {
  const { incoming, folder } = ctx.layout.snapshot(snapshot.snapshotId);
  const source = frozen.find(({ volume }) => volume.volumeId === snapshot.volumeId);
  if (source === undefined) throw new Error(`${snapshot.volumeId} was not frozen`);
  makeFolder(incoming, process.getuid?.() === 0 ? 0o711 : 0o700);
  for (const layer of source.layers) linkSync(layer, join(incoming, basename(layer)));
  await syncFolder(incoming);
  await moveDurably(incoming, folder);
  return { ...snapshot, state: 'completed', layers: [...source.digests] };
}

function requestedTags(specifications: readonly TagSpecification[]): Tags {
  return checkedTags(
    specifications.filter(({ ResourceType }) => ResourceType === 'snapshot').flatMap(({ Tags = [] }) => Tags),
  );
}
