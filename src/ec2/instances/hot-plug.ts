// Interfaces of an instance whose machine runs.
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { messageOf } from '../../core/errors.ts';
import * as machine from '../../host/qemu/hot-plug.ts';
import type { UnplugOptions } from '../../host/qemu/hot-plug.ts';
import type { Instance } from '../../store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { applyVpcNetwork, plugInterface } from '../vpcs/network.ts';
import { tapOf } from '../vpcs/router-spec.ts';
import { nicOf } from './machine-spec.ts';
import { vhostOf } from './vhost.ts';

/**
 * Plugs a recorded interface, which is plugged into its VPC's network, into the running machine of an instance.
 * Idempotent. Throws `NoFreePort` or `GuestKeepsInterface` (see host/qemu/hot-plug.ts), and leaves nothing behind then.
 */
export async function plugNic(
  ctx: Ec2Context,
  instance: Instance,
  networkInterface: NetworkInterface,
): Promise<void> {
  const nic = nicOf({ instance, networkInterface, vhost: vhostOf(instance) !== undefined });
  await machine.plugNic(ctx.layout.instance(instance.instanceId), nic);
}

/**
 * Has the guest let an interface go and pulls it out of the machine; its VPC's network still has it. Idempotent.
 * Throws `GuestKeepsInterface` when the guest does not; with `force` its network is taken from it in any case.
 */
export async function unplugNic(
  ctx: Ec2Context,
  instance: Instance,
  networkInterface: NetworkInterface,
  { force = false }: Pick<UnplugOptions, 'force'> = {},
): Promise<void> {
  const paths = ctx.layout.instance(instance.instanceId);
  await machine.unplugNic(paths, tapOf(networkInterface), { force, signal: ctx.signal });
}

/**
 * Runs work that changes which interfaces a running machine has. Should it fail, be interrupted or killed, whoever
 * looks at the instance next makes the machine have those that are recorded. The caller holds the instance's operation lock.
 */
export async function changingNics<T>(
  ctx: Ec2Context,
  instance: Instance,
  work: () => Promise<T>,
): Promise<T> {
  const { nicChange } = ctx.layout.instance(instance.instanceId);
  // Nobody else is at work, so somebody was killed, or could not finish.
  const isSettled = !existsSync(nicChange) || (await settleNics(ctx, instance));
  writeFileSync(nicChange, '', { mode: 0o600 });
  const result = await work();
  if (isSettled) rmSync(nicChange, { force: true });
  return result;
}

/** Whether somebody changes the interfaces of a machine, or did not come to the end of it. */
export function hasNicChange(ctx: Ec2Context, { instanceId }: Instance): boolean {
  return existsSync(ctx.layout.instance(instanceId).nicChange);
}

/**
 * Makes a running machine have the interfaces that are recorded, and its VPC's network too. Idempotent. What fails is
 * told, and done again at the next look; returns whether nothing did. Throws when it is interrupted.
 */
export async function settleNics(ctx: Ec2Context, instance: Instance): Promise<boolean> {
  const paths = ctx.layout.instance(instance.instanceId);
  const recorded = networkInterfaces.listBy(ctx.db, 'instance_id', instance.instanceId);
  try {
    const present = await machine.pluggedTaps(paths);
    const wanted = new Set(recorded.map(tapOf));
    for (const tap of present)
      if (!wanted.has(tap)) await machine.unplugNic(paths, tap, { force: true, signal: ctx.signal });
    for (const each of recorded) {
      if (present.has(tapOf(each))) continue;
      await plugInterface(ctx, each);
      await plugNic(ctx, instance, each);
    }
    await applyVpcNetwork(ctx, instance.vpcId);
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    // What this machine cannot have must not fail every later command.
    ctx.report.warn(`${instance.instanceId}: ${messageOf(error)}`);
    return false;
  }
  rmSync(paths.nicChange, { force: true });
  return true;
}
