// The kernel's side of a VPC: built, changed, mended and taken down under the VPC's lock, so that whoever comes first
// does it and the others find it done.
import { rmSync } from 'node:fs';
import { failpoint } from '../../core/failpoint.ts';
import type { VpcId } from '../../core/ids.ts';
import { isServing } from '../../host/dhcp/dnsmasq.ts';
import { unpassForeignFirewalls } from '../../host/firewall/foreign.ts';
import { linksOf, UPLINK_PREFIX } from '../../host/link/uplink.ts';
import { withLock } from '../../host/process/lock.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { standing } from './network-note.ts';
import { demolish, settle, settleRules, type Change } from './settle-network.ts';
import { peersOf } from './vpc-records.ts';

/**
 * Makes sure that a VPC's network stands as it is recorded: namespace, bridges, routes, uplink, firewall, DHCP. What
 * was killed is started again; a namespace that is gone is built anew.
 */
export async function ensureVpcNetwork(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await underVpcLock(ctx, vpcId, 'build the network', () => settle(ctx, vpcId));
  await settlePeers(ctx, vpcId);
}

/** Puts what is recorded of a VPC into force, at once; nothing to do while its network is down. */
export async function applyVpcNetwork(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await settleIfStanding(ctx, vpcId);
  await settlePeers(ctx, vpcId);
}

/** The same for what only security groups, prefix lists and network ACLs say: one transaction of the firewall. */
export async function applyVpcRules(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await ctx.ground.repair();
  await underVpcLock(ctx, vpcId, 'change the rules', async () => {
    if (standing(ctx, vpcId)) await settleRules(ctx, vpcId);
  });
}

/** Plugs a recorded interface into its VPC's network, which is built when it is missing: port, guard, rules, lease. Idempotent. */
export async function plugInterface(ctx: Ec2Context, each: NetworkInterface): Promise<void> {
  await underVpcLock(ctx, each.vpcId, 'plug an interface', async () => {
    await settle(ctx, each.vpcId);
    failpoint('launch:network');
  });
  await settlePeers(ctx, each.vpcId);
}

/** Unplugs an interface. Absent is success, the whole network's absence too. */
export async function unplugInterface(ctx: Ec2Context, each: NetworkInterface): Promise<void> {
  await settleIfStanding(ctx, each.vpcId, { leaving: each });
  await settlePeers(ctx, each.vpcId);
}

/** Whether this host can reach the VPC's private addresses directly. */
export function isReachableFromHost(ctx: Ec2Context, vpcId: VpcId): boolean {
  return standing(ctx, vpcId)?.reachableFromHost ?? false;
}

export interface RemoveOptions {
  /** Asked under the VPC's lock: leave it alone after all? */
  readonly unless: () => boolean;
  /** Done first, under the lock: whatever pins the namespace lets go. */
  readonly before: () => Promise<void>;
}

/** Takes a VPC's network down. Absent is success. */
export async function removeVpcNetwork(
  ctx: Ec2Context,
  vpcId: VpcId,
  { unless, before }: RemoveOptions,
): Promise<void> {
  await underVpcLock(ctx, vpcId, 'take the network down', async () => {
    if (unless()) return;
    await before();
    await demolish(ctx, vpcId);
    rmSync(ctx.layout.vpc(vpcId).runFolder, { recursive: true, force: true });
    await releaseGround(ctx, vpcId);
  });
  await settlePeers(ctx, vpcId);
}

/** Starts what serves a standing network and has died or is out of date. For the agent. */
export async function repairVpcServices(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await ctx.ground.repair();
  if (standing(ctx, vpcId) && !isServing(ctx.layout.vpc(vpcId), ctx.ground.router(vpcId)))
    await ensureVpcNetwork(ctx, vpcId);
}

async function settleIfStanding(ctx: Ec2Context, vpcId: VpcId, change: Change = {}): Promise<void> {
  await ctx.ground.repair();
  await underVpcLock(ctx, vpcId, 'change the network', async () => {
    if (standing(ctx, vpcId)) await settle(ctx, vpcId, change);
  });
}

/** Peers share links, routes and the members of groups. Each under its own lock, one after the other. */
async function settlePeers(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  for (const peer of peersOf(ctx.db, vpcId)) await settleIfStanding(ctx, peer);
}

/** What was opened for all networks is closed after the last one. */
async function releaseGround({ ground }: Ec2Context, vpcId: VpcId): Promise<void> {
  if (!ground.isRootless)
    await withLock(ground.uplinkLock, { purpose: 'close the last network' }, async () => {
      const links = await linksOf(ground.namespace);
      if (!links.some((link) => link.startsWith(UPLINK_PREFIX)))
        await unpassForeignFirewalls(ground.namespace);
    });
  await ground.release(vpcId);
}

/** Runs `work` while nobody else changes this VPC's network. */
export async function underVpcLock<T>(
  ctx: Ec2Context,
  vpcId: VpcId,
  purpose: string,
  work: () => Promise<T>,
): Promise<T> {
  return withLock(ctx.layout.vpc(vpcId).lock, { purpose: `${purpose} of ${vpcId}` }, work);
}
