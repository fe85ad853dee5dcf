// The way down, for stop, terminate, failed launches and machines that ended by themselves. Every step counts
// absence as success, so a teardown that was interrupted is simply done again.
import { rmSync } from 'node:fs';
import { failpoint } from '../../core/failpoint.ts';
import type { VpcId } from '../../core/ids.ts';
import { connectAgent } from '../../host/agent/client.ts';
import { kill, powerDown, switchOff } from '../../host/qemu/running-machine.ts';
import { transact } from '../../store/database.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { addressesOfInterface } from '../addresses/associations.ts';
import { removeNetworkInterface } from '../network-interfaces/remove-network-interface.ts';
import { applyVpcNetwork, removeVpcNetwork, unplugInterface } from '../vpcs/network.ts';
import { ACTIVE_STATES, inState } from './instance-state.ts';

/** EC2 gives a guest some minutes; ours is idle hardware that people wait for. */
export const SHUTDOWN_GRACE_MS = 30_000;

export interface HaltOptions {
  readonly reason: NonNullable<Instance['stateReason']>;
  /** `ask` presses the power button and waits; `cut` lets QEMU flush and ends it; `kill` does not care for the disks. */
  readonly manner: 'ask' | 'cut' | 'kill';
}

/**
 * Takes a `stopping` instance to `stopped`. The caller holds its operation lock.
 * The network of its VPC is taken down when nothing else runs there.
 */
export async function haltToStopped(
  ctx: Ec2Context,
  instance: Instance,
  { reason, manner }: HaltOptions,
): Promise<Instance> {
  await endMachine(ctx, instance, manner);
  failpoint('stop:machine');
  await unplug(ctx, instance);
  failpoint('stop:interface');
  const stopped = inState(instance, 'stopped', { now: ctx.now(), reason });
  transact(ctx.db, () => instances.update(ctx.db, stopped));
  failpoint('stop:recorded');
  await removeIdleNetwork(ctx, instance.vpcId);
  failpoint('stop:network');
  return stopped;
}

/**
 * Takes a `shutting-down` instance to `terminated`: machine and folders go, and every volume and interface with
 * DeleteOnTermination; the others become available. The caller holds its operation lock.
 */
export async function haltToTerminated(
  ctx: Ec2Context,
  instance: Instance,
  { reason, manner }: HaltOptions,
): Promise<Instance> {
  const paths = ctx.layout.instance(instance.instanceId);
  await endMachine(ctx, instance, manner);
  failpoint('terminate:machine');
  await unplug(ctx, instance);
  failpoint('terminate:interface');
  const attached = volumes.listBy(ctx.db, 'instance_id', instance.instanceId);
  const doomed = attached.filter(({ attachment }) => attachment?.deleteOnTermination === true);
  for (const { volumeId } of doomed)
    rmSync(ctx.layout.volume(volumeId).folder, { recursive: true, force: true });
  for (const folder of [paths.folder, paths.runFolder]) rmSync(folder, { recursive: true, force: true });
  failpoint('terminate:volumes');
  const plugged = networkInterfaces.listBy(ctx.db, 'instance_id', instance.instanceId);
  const hadElasticAddress = plugged.some(
    ({ networkInterfaceId }) => addressesOfInterface(ctx.db, networkInterfaceId).length > 0,
  );
  const terminated = inState({ ...instance, uid: null }, 'terminated', { now: ctx.now(), reason });
  transact(ctx.db, () => {
    for (const volume of attached)
      if (doomed.includes(volume)) volumes.remove(ctx.db, volume.volumeId);
      else volumes.update(ctx.db, { ...volume, attachment: null });
    for (const each of plugged)
      if (each.attachment?.deleteOnTermination === true) removeNetworkInterface(ctx.db, each);
      else networkInterfaces.update(ctx.db, { ...each, attachment: null });
    instances.update(ctx.db, terminated);
  });
  failpoint('terminate:recorded');
  if (hadElasticAddress) await applyVpcNetwork(ctx, instance.vpcId);
  await removeIdleNetwork(ctx, instance.vpcId);
  failpoint('terminate:network');
  return terminated;
}

async function endMachine(
  ctx: Ec2Context,
  { instanceId }: Instance,
  manner: HaltOptions['manner'],
): Promise<void> {
  const paths = ctx.layout.instance(instanceId);
  switch (manner) {
    case 'ask':
      await powerDown(paths, {
        graceMs: SHUTDOWN_GRACE_MS,
        signal: ctx.signal,
        onImpatience: () =>
          ctx.report.warn(
            `${instanceId} did not power off within ${SHUTDOWN_GRACE_MS / 1000} s, so it is switched off`,
          ),
      });
      return;
    case 'cut':
      await switchOff(paths);
      return;
    case 'kill':
      await kill(paths);
  }
}

async function unplug(ctx: Ec2Context, instance: Instance): Promise<void> {
  for (const each of networkInterfaces.listBy(ctx.db, 'instance_id', instance.instanceId))
    await unplugInterface(ctx, each);
}

/** Takes a VPC's namespace, DHCP and metadata listener down when no instance is active in it: nothing runs when nothing runs. */
export async function removeIdleNetwork(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await removeVpcNetwork(ctx, vpcId, {
    // Asked under the VPC's lock: a launch records `pending` before it asks for the network.
    unless: () =>
      instances.list(ctx.db).some((each) => each.vpcId === vpcId && ACTIVE_STATES.has(each.state)),
    // The agent's listening socket pins the namespace: it goes first.
    before: () => releaseMetadata(ctx, vpcId),
  });
}

async function releaseMetadata(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  const agent = await connectAgent(ctx.layout.agent);
  if (agent === undefined) return;
  try {
    await agent.release({ vpcId });
  } finally {
    agent.close();
  }
}
