import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import type { Reservation } from '@aws-sdk/client-ec2';
import { Ec2Error, HostError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { newId, type InstanceId, type ReservationId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { makeFolder } from '../../store/layout.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { putTags } from '../../store/tags.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { resolveImage } from '../images/resolve-image.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { ec2Instance } from './ec2-instance.ts';
import { REASONS } from './instance-state.ts';
import { launch } from './launch.ts';
import { forEach, withInstance } from './operation.ts';
import { planLaunch, type LaunchPlan, type RunInstancesInput } from './plan-launch.ts';
import { reconcileInstances, rollBack } from './reconcile.ts';
import { recordInterfaces } from './record-interfaces.ts';

/** Below this much free space a launch is refused: a guest that fills its disk would stop every other one too. */
const SPACE_WATERMARK = 512 * 2 ** 20;
/** User ids for machines: above those of people, services and containers (systemd: "Users, Groups, UIDs and GIDs"). */
const FIRST_UID = 1_900_000_000;
const UID_COUNT = 2 ** 26;

/**
 * EC2's RunInstances. Resolves when the machines run. One transaction records all instances as `pending`; a launch
 * that fails leaves no more than their terminated records, and a crash leaves what reconcile.ts settles. A repeated
 * ClientToken returns what the first call made.
 */
export async function runInstances(ctx: Ec2Context, request: RunInstancesInput): Promise<Reservation> {
  await reconcileInstances(ctx);
  const plan = await planLaunch(ctx, request);
  const before = earlierLaunch(ctx, plan);
  if (before.length > 0) return answer(ctx, before);
  requireSpace(ctx);
  const planned = transact(ctx.db, () => {
    const recorded = recordPlan(ctx, plan);
    endDryRun(request);
    return recorded;
  });
  failpoint('launch:planned');
  await forEach(planned, (instance) => launchOrRollBack(ctx, instance, plan.userData));
  return answer(
    ctx,
    planned.map(({ instanceId }) => instances.get(ctx.db, instanceId) ?? fail(instanceId)),
  );
}

async function launchOrRollBack(
  ctx: Ec2Context,
  { instanceId }: Instance,
  userData: Buffer | undefined,
): Promise<void> {
  await withInstance(ctx, { instanceId, purpose: 'launch' }, async (instance) => {
    try {
      writeUserData(ctx, instanceId, userData);
      await launch(ctx, instanceId);
    } catch (error) {
      await rollBack(ctx, instance, REASONS.launchFailed);
      throw error;
    }
  });
}

function earlierLaunch(ctx: Ec2Context, { clientToken, requestDigest }: LaunchPlan): readonly Instance[] {
  if (clientToken === null) return [];
  const found = instances.list(ctx.db).filter((instance) => instance.clientToken === clientToken);
  if (found.some((instance) => instance.requestDigest !== requestDigest))
    throw new Ec2Error(
      'IdempotentParameterMismatch',
      `The client token '${clientToken}' was used before with other parameters`,
    );
  return found;
}

function requireSpace(ctx: Ec2Context): void {
  const { bavail, bsize } = statfsSync(ctx.layout.volumes);
  if (bavail * bsize < SPACE_WATERMARK)
    throw new HostError(
      'NoSpace',
      `less than ${SPACE_WATERMARK / 2 ** 20} MiB are free in '${ctx.layout.home}'`,
      {
        hint: 'free some space, or set BONAMI_HOME to another disk',
      },
    );
}

/** Inside the transaction: ids, address, MAC and user id are unique by constraint from here on. */
function recordPlan(ctx: Ec2Context, plan: LaunchPlan): readonly Instance[] {
  // It may have been removed since it was planned; from here on its volumes keep it.
  resolveImage(ctx.db, plan.image.imageId);
  const reservationId = newId('reservation');
  return Array.from({ length: plan.count }, (_, launchIndex) =>
    recordInstance(ctx, plan, { reservationId, launchIndex }),
  );
}

function recordInstance(
  ctx: Ec2Context,
  plan: LaunchPlan,
  { reservationId, launchIndex }: { readonly reservationId: ReservationId; readonly launchIndex: number },
): Instance {
  const instanceId = newId('instance');
  const now = ctx.now().toISOString();
  const [{ subnet }] = plan.interfaces;
  const instance: Instance = {
    instanceId,
    reservationId,
    clientToken: plan.clientToken,
    requestDigest: plan.requestDigest,
    launchIndex,
    launchTime: now,
    state: 'pending',
    stateReason: null,
    stateChanged: now,
    imageId: plan.image.imageId,
    architecture: plan.image.architecture,
    bootMode: plan.bootMode,
    rootDeviceName: plan.image.rootDeviceName,
    defaultUser: plan.image.defaultUser,
    firstBoot: plan.image.firstBoot,
    instanceType: plan.instanceType,
    cpus: plan.cpus,
    memoryMiB: plan.memoryMiB,
    accelerator: plan.accelerator,
    keyName: plan.keyName,
    vpcId: subnet.vpcId,
    subnetId: subnet.subnetId,
    availabilityZone: subnet.availabilityZone,
    instanceStore: plan.disks.instanceStore,
    diskBus: plan.diskBus,
    isNetworkLimited: plan.isNetworkLimited,
    datasource: plan.datasource,
    hasUserData: plan.userData !== undefined,
    metadataOptions: plan.metadataOptions,
    shutdownBehavior: plan.shutdownBehavior,
    uid: process.getuid?.() === 0 ? freeUid(ctx, instanceId) : null,
    starts: 0,
  };
  instances.insert(ctx.db, instance);
  putTags(ctx.db, instanceId, plan.instanceTags);
  recordInterfaces(ctx.db, instance, { planned: plan.interfaces, tags: plan.interfaceTags });
  recordVolumes(ctx, plan, instance);
  return instance;
}

function recordVolumes(
  ctx: Ec2Context,
  plan: LaunchPlan,
  { instanceId, launchTime, availabilityZone }: Instance,
): void {
  for (const { deviceName, deleteOnTermination, ...planned } of plan.disks.volumes) {
    // As the image: a snapshot may have gone since it was planned; from here on the volume's own links keep it.
    const layers = planned.snapshotId === null ? [] : requireSnapshot(ctx.db, planned.snapshotId).layers;
    const volumeId = newId('volume');
    volumes.insert(ctx.db, {
      ...planned,
      layers,
      volumeId,
      availabilityZone,
      createTime: launchTime,
      attachment: { instanceId, device: deviceName, attachTime: launchTime, deleteOnTermination },
    });
    putTags(ctx.db, volumeId, plan.volumeTags);
  }
}

/** A user id that no other machine of this home has; spread by a hash so that two homes rarely meet. */
function freeUid(ctx: Ec2Context, instanceId: InstanceId): number {
  const taken = new Set(instances.list(ctx.db).map(({ uid }) => uid));
  const start = createHash('sha256').update(instanceId).digest().readUInt32BE(0) % UID_COUNT;
  let offset = 0;
  while (taken.has(FIRST_UID + ((start + offset) % UID_COUNT))) offset++;
  return FIRST_UID + ((start + offset) % UID_COUNT);
}

function writeUserData(ctx: Ec2Context, instanceId: InstanceId, userData: Buffer | undefined): void {
  if (userData === undefined) return;
  const { folder, userData: path } = ctx.layout.instance(instanceId);
  makeFolder(folder, process.getuid?.() === 0 ? 0o711 : 0o700);
  rmSync(path, { force: true });
  writeFileSync(path, userData, { mode: 0o600, flag: 'wx' });
}

function answer(ctx: Ec2Context, launched: readonly Instance[]): Reservation {
  return {
    ReservationId: launched[0]?.reservationId ?? '',
    OwnerId: ctx.ownerId,
    Groups: [],
    Instances: launched.map((instance) => ec2Instance(ctx, instance)),
  };
}

function fail(instanceId: InstanceId): never {
  throw new HostError('RecordMissing', `the record of ${instanceId} vanished while it was launched`);
}
