// What crash-only means here: whoever looks first finishes what a dead process left. A transitional state is an
// intent; the operation lock says whether its owner is still at work; the machine's lock says whether it lives.
import { rmSync, readdirSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import { isId, type InstanceId } from '../../core/ids.ts';
import { connectAgent, ensureAgent } from '../../host/agent/client.ts';
import { continueMachine, finishReset, isMachineAlive, switchOff } from '../../host/qemu/running-machine.ts';
import { tryLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { haltToStopped, haltToTerminated, removeIdleNetwork } from './halt.ts';
import { hasNicChange, settleNics } from './hot-plug.ts';
import { ACTIVE_STATES, inState, REASONS } from './instance-state.ts';
import { record } from './operation.ts';
import { lastShutdown } from './events.ts';

/** How long a terminated instance stays visible, as in EC2. */
const REMEMBERED_MS = 60 * 60 * 1000;

/**
 * Settles every instance whose record no longer tells the truth and whose owner is gone. Cheap when all is well:
 * one query and a look at /proc per running instance. An instance that somebody works on is left to them.
 */
export async function reconcileInstances(ctx: Ec2Context): Promise<void> {
  for (const instance of instances.list(ctx.db)) await reconcileInstance(ctx, instance);
  const settled = instances.list(ctx.db);
  await removeIdleNetworks(ctx, settled);
  await reviveAgent(ctx, settled);
}

async function reconcileInstance(ctx: Ec2Context, seen: Instance): Promise<void> {
  const paths = ctx.layout.instance(seen.instanceId);
  if (seen.state === 'terminated') return forget(ctx, seen);
  if (seen.state === 'running' && isMachineAlive(paths) && !hasNicChange(ctx, seen)) return;
  // A stopped instance has nothing to settle: its machine's end was seen before it was recorded.
  if (seen.state === 'stopped') return;
  const mine = tryLock(paths.operationLock);
  if (mine === undefined) return;
  try {
    // Read again: the owner may have finished between our look and our lock.
    const instance = instances.get(ctx.db, seen.instanceId);
    if (instance) await settle(ctx, instance);
  } finally {
    mine.release();
  }
}

async function settle(ctx: Ec2Context, instance: Instance): Promise<void> {
  const paths = ctx.layout.instance(instance.instanceId);
  const alive = isMachineAlive(paths);
  switch (instance.state) {
    case 'pending':
      if (alive) await adopt(ctx, instance);
      else await rollBack(ctx, instance, REASONS.launchAbandoned);
      return;
    case 'running':
      if (!alive) await settleEnded(ctx, instance);
      else if (hasNicChange(ctx, instance)) await settleNics(ctx, instance);
      return;
    case 'stopping':
      await haltToStopped(ctx, instance, { reason: instance.stateReason ?? REASONS.userStop, manner: 'ask' });
      return;
    case 'shutting-down':
      await haltToTerminated(ctx, instance, {
        reason: instance.stateReason ?? REASONS.userStop,
        manner: 'kill',
      });
      return;
    case 'stopped':
    case 'terminated':
  }
}

/** The launcher died after its machine was up: the machine is whole, so the launch is finished in its place. */
async function adopt(ctx: Ec2Context, instance: Instance): Promise<void> {
  try {
    await continueMachine(ctx.layout.instance(instance.instanceId));
    record(ctx, inState({ ...instance, starts: instance.starts + 1 }, 'running', { now: ctx.now() }));
  } catch {
    await switchOff(ctx.layout.instance(instance.instanceId));
    await rollBack(ctx, instance, REASONS.launchAbandoned);
  }
}

/**
 * Undoes a launch that did not get its machine: a first launch leaves nothing but a terminated record, a later
 * start leaves the instance stopped, with its disks.
 */
export async function rollBack(
  ctx: Ec2Context,
  instance: Instance,
  reason: NonNullable<Instance['stateReason']>,
): Promise<void> {
  if (instance.starts > 0) {
    await haltToStopped(ctx, record(ctx, inState(instance, 'stopping', { now: ctx.now(), reason })), {
      reason,
      manner: 'kill',
    });
    return;
  }
  await haltToTerminated(ctx, record(ctx, inState(instance, 'shutting-down', { now: ctx.now(), reason })), {
    reason,
    manner: 'kill',
  });
}

/**
 * Boots the guests that somebody shut down for a reboot or an image and then died. Nothing but QEMU knows them, and
 * asking every machine is too slow for every command.
 */
export async function finishReboots(ctx: Ec2Context): Promise<readonly InstanceId[]> {
  const booted: InstanceId[] = [];
  for (const { instanceId, state } of instances.list(ctx.db)) {
    const paths = ctx.layout.instance(instanceId);
    const mine = state === 'running' ? tryLock(paths.operationLock) : undefined;
    if (mine === undefined) continue;
    try {
      if (await finishReset(paths)) booted.push(instanceId);
    } catch (error) {
      ctx.report.warn(`${instanceId}: ${messageOf(error)}`);
    } finally {
      mine.release();
    }
  }
  return booted;
}

/** The machine ended without us: the guest powered off, or QEMU died. */
async function settleEnded(ctx: Ec2Context, instance: Instance): Promise<void> {
  const poweredOff = lastShutdown(ctx.layout.instance(instance.instanceId)) === 'guest';
  const reason = poweredOff ? REASONS.guestShutdown : REASONS.died;
  if (poweredOff && instance.shutdownBehavior === 'terminate')
    await haltToTerminated(ctx, record(ctx, inState(instance, 'shutting-down', { now: ctx.now(), reason })), {
      reason,
      manner: 'kill',
    });
  else
    await haltToStopped(ctx, record(ctx, inState(instance, 'stopping', { now: ctx.now(), reason })), {
      reason,
      manner: 'kill',
    });
}

function forget(ctx: Ec2Context, instance: Instance): void {
  if (ctx.now().getTime() - Date.parse(instance.stateChanged) < REMEMBERED_MS) return;
  transact(ctx.db, () => {
    removeTags(ctx.db, instance.instanceId);
    instances.remove(ctx.db, instance.instanceId);
  });
  rmSync(ctx.layout.instance(instance.instanceId).operationLock, { force: true });
}

/** A crash between an instance's end and its network's leaves a VPC up with nothing in it. */
async function removeIdleNetworks(ctx: Ec2Context, settled: readonly Instance[]): Promise<void> {
  const busy = new Set(settled.filter(({ state }) => ACTIVE_STATES.has(state)).map(({ vpcId }) => vpcId));
  for (const name of readdirSync(ctx.layout.run))
    if (isId('vpc', name) && !busy.has(name)) await removeIdleNetwork(ctx, name);
}

/** Guests need their metadata service for as long as they run; whoever notices that the agent has died starts it. */
async function reviveAgent({ layout, agentScript }: Ec2Context, settled: readonly Instance[]): Promise<void> {
  if (!settled.some(({ state }) => state === 'running')) return;
  const agent =
    (await connectAgent(layout.agent)) ??
    (await ensureAgent(layout.agent, { script: agentScript, home: layout.home }));
  agent.close();
}

/** Settles one instance right now, waiting for nobody. For the agent, when a machine's QMP connection closes. */
export async function reconcileOne(ctx: Ec2Context, instanceId: InstanceId): Promise<void> {
  const instance = instances.get(ctx.db, instanceId);
  if (instance) await reconcileInstance(ctx, instance);
}
