// The kernel's side of a VPC, made from the records whenever it is needed, under the VPC's lock. What is there is asked
// of the kernel, and only the difference is made, so the same steps build, change and mend. A note in the run folder,
// void with its namespace, tells others how the host reaches it.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failpoint } from '../../core/failpoint.ts';
import type { VpcId } from '../../core/ids.ts';
import { linkName } from '../../core/link-name.ts';
import { ensureDnsmasq, isServing, stopDnsmasq, syncDhcpHosts } from '../../host/dhcp/dnsmasq.ts';
import { applyTables, deleteTable } from '../../host/firewall/apply.ts';
import { passForeignFirewalls, unpassForeignFirewalls } from '../../host/firewall/foreign.ts';
import { guardsTable } from '../../host/firewall/guard-table.ts';
import { hostTable } from '../../host/firewall/host-table.ts';
import { networkTable } from '../../host/firewall/network-table.ts';
import {
  createNamespace,
  deleteNamespace,
  namespaceInode,
  type NamedNamespace,
} from '../../host/link/namespace.ts';
import { answerOnLan } from '../../host/link/proxy-arp.ts';
import { ensureRouter, joinRouters } from '../../host/link/router.ts';
import { probeKernel } from '../../host/link/kernel-state.ts';
import { deleteUplink, ensureUplink, linksOf, UPLINK_PREFIX, type Uplink } from '../../host/link/uplink.ts';
import { withLock } from '../../host/process/lock.ts';
import { makeFolder } from '../../store/layout.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { guardsOf, networkRuleset } from '../security-groups/ruleset.ts';
import { dhcpHosts, dhcpNetwork } from './dhcp-spec.ts';
import { blocksOf, crossingLink, crossingMacs, routerSpec, tapOf } from './router-spec.ts';
import { peersOf, readVpc, type VpcRecords } from './vpc-records.ts';

/** What was built, and in which namespace: void when the namespace is another one. */
interface Built {
  readonly inode: number;
  readonly reachableFromHost: boolean;
}

/**
 * Makes sure that a VPC's network stands as it is recorded: namespace, bridges, routes, uplink, firewall, DHCP. What
 * was killed is started again; a namespace that is gone is built anew.
 */
export async function ensureVpcNetwork(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await underLock(ctx, vpcId, 'build the network', () => settle(ctx, vpcId));
  await settlePeers(ctx, vpcId);
}

/** Puts what is recorded of a VPC into force, at once; nothing to do while its network is down. */
export async function applyVpcNetwork(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await settleIfStanding(ctx, vpcId);
  await settlePeers(ctx, vpcId);
}

/** Plugs a recorded interface into its VPC's network, which is built when it is missing: port, guard, rules, lease. Idempotent. */
export async function plugInterface(ctx: Ec2Context, each: NetworkInterface): Promise<void> {
  await underLock(ctx, each.vpcId, 'plug an interface', async () => {
    await settle(ctx, each.vpcId, { joining: each });
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

/** Interfaces of running machines whose taps nobody holds: what a stop and a start mends. */
export async function cutOffInterfaces(ctx: Ec2Context, vpcId: VpcId): Promise<readonly NetworkInterface[]> {
  const namespace = ctx.ground.router(vpcId);
  const held = namespaceInode(namespace) === undefined ? [] : await heldTaps(namespace);
  return readVpc(ctx.db, vpcId)
    .plugged.filter(({ instance }) => instance.state === 'running')
    .map(({ networkInterface }) => networkInterface)
    .filter((each) => !held.includes(tapOf(each)));
}

/** Taps that a machine has open: they have a carrier. */
async function heldTaps(namespace: NamedNamespace): Promise<readonly string[]> {
  const { links } = await probeKernel(namespace, { dual: false });
  return [...links.values()].filter(({ hasCarrier }) => hasCarrier).map(({ name }) => name);
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
  await underLock(ctx, vpcId, 'take the network down', async () => {
    if (unless()) return;
    await before();
    await demolish(ctx, vpcId);
    rmSync(ctx.layout.vpc(vpcId).runFolder, { recursive: true, force: true });
    await releaseGround(ctx, vpcId);
  });
}

/** Starts what serves a standing network and has died or is out of date. For the agent. */
export async function repairVpcServices(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await ctx.ground.repair();
  if (standing(ctx, vpcId) && !isServing(ctx.layout.vpc(vpcId), ctx.ground.router(vpcId)))
    await ensureVpcNetwork(ctx, vpcId);
}

interface Change {
  readonly joining?: NetworkInterface;
  /** Left out, whatever is recorded. */
  readonly leaving?: NetworkInterface;
}

async function settleIfStanding(ctx: Ec2Context, vpcId: VpcId, change: Change = {}): Promise<void> {
  await underLock(ctx, vpcId, 'change the network', async () => {
    if (standing(ctx, vpcId)) await settle(ctx, vpcId, change);
  });
}

/** Peers share links, routes and the members of groups. Each under its own lock, one after the other. */
async function settlePeers(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  for (const peer of peersOf(ctx.db, vpcId)) await settleIfStanding(ctx, peer);
}

/** The way from what is to what is recorded. Every step leaves alone what is already right. */
async function settle(ctx: Ec2Context, vpcId: VpcId, change: Change = {}): Promise<void> {
  const { ground } = ctx;
  await ground.ensure(vpcId);
  // Only now: the ground may be another one than before.
  const namespace = ground.router(vpcId);
  if (standing(ctx, vpcId) === undefined) await begin(ctx, vpcId);
  const records = await presentRecords(ctx, vpcId, change);
  const uplink = await settleUplink(ctx, records);
  const crossings = await ensureCrossings(ctx, records);
  const router = routerSpec({ records, hostAddress: uplink.hostAddress, crossings });
  const rules = networkRuleset(records, crossings);
  await ensureRouter(namespace, router, async () => {
    await applyTables(namespace, [networkTable(rules), guardsTable(guardsOf(records))]);
    await applyTables(ground.namespace, [
      hostTable({
        table: hostTableName(vpcId),
        hostLink: hostLinkName(vpcId),
        uplinkPrefix: UPLINK_PREFIX,
        blocks: blocksOf(records.vpc),
        routerAddress: uplink.routerAddress,
        hasWayOut: rules.hasWayOut,
        publicAddresses: records.addresses.map(({ publicIp, carrierIp, reach }) => ({
          address: publicIp,
          carrier: carrierIp,
          isHidden: reach === 'host',
        })),
      }),
    ]);
  });
  const paths = ctx.layout.vpc(vpcId);
  syncDhcpHosts(paths, dhcpHosts(records, ctx.region));
  if (change.leaving === undefined)
    await ensureDnsmasq(
      paths,
      { namespace, isRootless: ground.isRootless },
      dhcpNetwork(records, {
        region: ctx.region,
        upstream: records.internetGateway === undefined ? [] : ground.resolvers(),
      }),
    );
  note(ctx, vpcId, uplink);
}

/** A namespace from nothing: whatever is left of an older one goes first. */
async function begin(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await demolish(ctx, vpcId);
  makeFolder(ctx.layout.vpc(vpcId).runFolder, 0o711);
  await createNamespace(ctx.ground.router(vpcId));
  if (!ctx.ground.isRootless) await passForeignFirewalls(ctx.ground.namespace, UPLINK_PREFIX);
}

/**
 * The records as they are to be in force. An interface of an instance on its way out stays while its tap is there,
 * and is not made again when it has gone.
 */
async function presentRecords(ctx: Ec2Context, vpcId: VpcId, change: Change): Promise<VpcRecords> {
  const records = readVpc(ctx.db, vpcId);
  const links = await linksOf(ctx.ground.router(vpcId));
  return {
    ...records,
    plugged: records.plugged.filter(({ networkInterface, instance }) => {
      const { networkInterfaceId } = networkInterface;
      if (networkInterfaceId === change.leaving?.networkInterfaceId) return false;
      if (instance.state === 'running' || instance.state === 'pending') return true;
      return links.includes(tapOf(networkInterface));
    }),
  };
}

async function settleUplink(ctx: Ec2Context, { vpc, addresses }: VpcRecords): Promise<Uplink> {
  const uplink = await ensureUplink({
    ground: ctx.ground,
    namespace: ctx.ground.router(vpc.vpcId),
    hostLink: hostLinkName(vpc.vpcId),
    cidr: vpc.cidrBlock,
    carriers: addresses.map(({ carrierIp }) => carrierIp),
  });
  await answerOnLan(ctx.ground.namespace, {
    note: join(ctx.layout.vpc(vpc.vpcId).runFolder, 'lan.json'),
    addresses: addresses.filter(({ reach }) => reach === 'lan').map(({ publicIp }) => publicIp),
  });
  if (!uplink.routed && !ctx.ground.isRootless && standing(ctx, vpc.vpcId)?.reachableFromHost !== false)
    ctx.report.warn(
      `this host uses addresses of ${vpc.cidrBlock} itself: instances are reached by bonami ssh only, not by their private addresses`,
    );
  return uplink;
}

/** Links to the peers whose networks stand; made here when this network is the later one. Their names. */
async function ensureCrossings(ctx: Ec2Context, { vpc, peerings }: VpcRecords): Promise<ReadonlySet<string>> {
  const up = peerings.filter(({ peer }) => standing(ctx, peer.vpcId) !== undefined);
  if (up.length === 0) return new Set();
  const { ground } = ctx;
  return withLock(ground.uplinkLock, { purpose: 'join networks' }, async () => {
    const links = await linksOf(ground.router(vpc.vpcId));
    for (const peering of up) {
      const link = crossingLink(peering);
      const { requesterVpcId, accepterVpcId } = peering.connection;
      if (!links.includes(link))
        await joinRouters([ground.router(requesterVpcId), ground.router(accepterVpcId)], {
          link,
          macs: crossingMacs(peering),
        });
    }
    return new Set(up.map(crossingLink));
  });
}

function builtMark(ctx: Ec2Context, vpcId: VpcId): string {
  return join(ctx.layout.vpc(vpcId).runFolder, 'built.json');
}

function standing(ctx: Ec2Context, vpcId: VpcId): Built | undefined {
  try {
    const built = JSON.parse(readFileSync(builtMark(ctx, vpcId), 'utf8')) as Built;
    return built.inode === namespaceInode(ctx.ground.router(vpcId)) ? built : undefined;
  } catch {
    return undefined;
  }
}

function note(ctx: Ec2Context, vpcId: VpcId, { routed }: Uplink): void {
  const inode = namespaceInode(ctx.ground.router(vpcId)) ?? 0;
  const mark = builtMark(ctx, vpcId);
  writeFileSync(`${mark}.new`, JSON.stringify({ inode, reachableFromHost: routed } satisfies Built), {
    mode: 0o600,
  });
  renameSync(`${mark}.new`, mark);
}

/** A process left inside would keep the namespace and its links alive, so they end first. */
async function demolish(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  const { ground } = ctx;
  const paths = ctx.layout.vpc(vpcId);
  rmSync(builtMark(ctx, vpcId), { force: true });
  await stopDnsmasq(paths);
  // Without its ground nothing can be left on it.
  if (namespaceInode(ground.namespace) === undefined) return;
  await answerOnLan(ground.namespace, { note: join(paths.runFolder, 'lan.json'), addresses: [] });
  await deleteUplink(ground.namespace, hostLinkName(vpcId));
  await deleteTable(ground.namespace, `inet ${hostTableName(vpcId)}`);
  await deleteNamespace(ground.router(vpcId));
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

async function underLock<T>(
  ctx: Ec2Context,
  vpcId: VpcId,
  purpose: string,
  work: () => Promise<T>,
): Promise<T> {
  return withLock(ctx.layout.vpc(vpcId).lock, { purpose: `${purpose} of ${vpcId}` }, work);
}

export function hostTableName(vpcId: VpcId): string {
  return `bonami_${hostLinkName(vpcId)}`;
}

function hostLinkName(vpcId: VpcId): string {
  return linkName('bnv', vpcId);
}
