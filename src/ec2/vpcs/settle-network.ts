// From what is to what is recorded. What is there is asked of the kernel, and only the difference is made, so the same
// steps build, change and mend. Everything here is done under the VPC's lock.
import { join } from 'node:path';
import type { VpcId } from '../../core/ids.ts';
import { ensureDnsmasq, stopDnsmasq, syncDhcpHosts } from '../../host/dhcp/dnsmasq.ts';
import type { DhcpNetwork } from '../../host/dhcp/dnsmasq-config.ts';
import { applyTables, deleteTable } from '../../host/firewall/apply.ts';
import { passForeignFirewalls } from '../../host/firewall/foreign.ts';
import { guardsTable } from '../../host/firewall/guard-table.ts';
import { hostTable } from '../../host/firewall/host-table.ts';
import { networkTable } from '../../host/firewall/network-table.ts';
import { createNamespace, deleteNamespace, namespaceInode } from '../../host/link/namespace.ts';
import { answerOnLan } from '../../host/link/proxy-arp.ts';
import { ensureRouter, joinRouters, type Router } from '../../host/link/router.ts';
import { deleteUplink, ensureUplink, linksOf, UPLINK_PREFIX, type Uplink } from '../../host/link/uplink.ts';
import { withLock } from '../../host/process/lock.ts';
import { makeFolder } from '../../store/layout.ts';
import { addresses } from '../../store/addresses.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { guardsOf, networkRuleset } from '../security-groups/ruleset.ts';
import { dhcpHosts, dhcpNetwork } from './dhcp-spec.ts';
import { forgetBuilt, hostLinkName, hostTableName, noteBuilt, standing } from './network-note.ts';
import { blocksOf, crossingLink, crossingMacs, routerSpec, tapOf } from './router-spec.ts';
import { readVpc, type PluggedInterface, type VpcRecords } from './vpc-records.ts';

/** What is to be otherwise than recorded. */
export interface Change {
  /** Left out, whatever is recorded. */
  readonly leaving?: NetworkInterface;
}

/** Makes a VPC's network as it is recorded; every step leaves alone what is already right. */
export async function settle(ctx: Ec2Context, vpcId: VpcId, change: Change = {}): Promise<void> {
  const { ground } = ctx;
  await ground.ensure(vpcId);
  if (standing(ctx, vpcId) === undefined) await begin(ctx, vpcId);
  const records = await presentRecords(ctx, vpcId, change);
  const uplink = await settleUplink(ctx, records);
  const crossings = await ensureCrossings(ctx, records);
  const wanted = wantedNetwork(ctx, { records, uplink, crossings });
  // Only now: the ground may be another one than before.
  const namespace = ground.router(vpcId);
  await ensureRouter(namespace, wanted.router, async () => {
    await applyTables(namespace, [wanted.tables]);
    await applyTables(ground.namespace, [wanted.hostTable]);
  });
  const paths = ctx.layout.vpc(vpcId);
  syncDhcpHosts(paths, dhcpHosts(records, ctx.region));
  // A lease that was taken back is forgotten later: whoever goes need not wait for that.
  if (change.leaving === undefined)
    await ensureDnsmasq(paths, { namespace, isRootless: ground.isRootless }, wanted.dhcp);
  noteBuilt(ctx, vpcId, { reachableFromHost: uplink.routed });
}

/** Only the rules for what is there; nothing else has changed. */
export async function settleRules(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  const records = await presentRecords(ctx, vpcId);
  const rules = networkRuleset(records, await crossingsThere(ctx, records));
  await applyTables(ctx.ground.router(vpcId), [networkTable(rules)]);
}

/** Links to peers that are there; none is made. */
export async function crossingsThere(
  ctx: Ec2Context,
  { vpc, peerings }: Pick<VpcRecords, 'vpc' | 'peerings'>,
): Promise<ReadonlySet<string>> {
  if (peerings.length === 0) return new Set();
  const links = await linksOf(ctx.ground.router(vpc.vpcId));
  return new Set(peerings.map(crossingLink).filter((link) => links.includes(link)));
}

export interface NetworkParts {
  readonly records: VpcRecords;
  readonly uplink: Uplink;
  /** Links to peers that are there. */
  readonly crossings: ReadonlySet<string>;
}

export interface WantedNetwork {
  readonly router: Router;
  /** Of the VPC's namespace. */
  readonly tables: string;
  /** Of what it stands on. */
  readonly hostTable: string;
  readonly dhcp: DhcpNetwork;
}

/** What the kernel is to have for a VPC. */
export function wantedNetwork(
  { ground, region }: Ec2Context,
  { records, uplink, crossings }: NetworkParts,
): WantedNetwork {
  const { vpc } = records;
  const rules = networkRuleset(records, crossings);
  return {
    router: routerSpec({ records, hostAddress: uplink.hostAddress, crossings }),
    tables: networkTable(rules) + guardsTable(guardsOf(records)),
    hostTable: hostTable({
      table: hostTableName(vpc.vpcId),
      hostLink: hostLinkName(vpc.vpcId),
      uplinkPrefix: UPLINK_PREFIX,
      blocks: blocksOf(vpc),
      routerAddress: uplink.routerAddress,
      hasWayOut: rules.hasWayOut,
      publicAddresses: records.addresses.map(({ publicIp, carrierIp, reach }) => ({
        address: publicIp,
        carrier: carrierIp,
        isHidden: reach === 'host',
      })),
    }),
    dhcp: dhcpNetwork(records, {
      region,
      upstream: records.internetGateway === undefined ? [] : ground.resolvers(),
    }),
  };
}

/** A namespace from nothing: whatever is left of an older one goes first. */
async function begin(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await demolish(ctx, vpcId);
  makeFolder(ctx.layout.vpc(vpcId).runFolder, 0o711);
  await createNamespace(ctx.ground.router(vpcId));
}

/**
 * The records as they are to be in force. An interface of an instance on its way out stays while its tap is there,
 * and is not made again when it has gone.
 */
export async function presentRecords(
  ctx: Ec2Context,
  vpcId: VpcId,
  change: Change = {},
): Promise<VpcRecords> {
  const records = readVpc(ctx.db, vpcId);
  const stays = ({ instance }: PluggedInterface): boolean =>
    instance.state === 'running' || instance.state === 'pending';
  const links = records.plugged.every(stays) ? [] : await linksOf(ctx.ground.router(vpcId));
  return {
    ...records,
    plugged: records.plugged
      .filter(({ networkInterface: each }) => each.networkInterfaceId !== change.leaving?.networkInterfaceId)
      .filter((each) => stays(each) || links.includes(tapOf(each.networkInterface))),
  };
}

/** Other firewalls build their chains anew as they please, so they are asked each time. */
async function passFirewalls({ ground, report }: Ec2Context): Promise<void> {
  if (ground.isRootless) return;
  for (const chain of await passForeignFirewalls(ground.namespace, UPLINK_PREFIX))
    report.warn(
      `the firewall chain '${chain}' does not let itself be changed: instances may not get out (bonami doctor)`,
    );
}

async function settleUplink(ctx: Ec2Context, { vpc, addresses: elastic }: VpcRecords): Promise<Uplink> {
  await passFirewalls(ctx);
  const uplink = await ensureUplink({
    ground: ctx.ground,
    namespace: ctx.ground.router(vpc.vpcId),
    hostLink: hostLinkName(vpc.vpcId),
    cidr: vpc.cidrBlock,
    carriers: elastic.map(({ carrierIp }) => carrierIp),
  });
  await answerOnLan(ctx.ground.namespace, {
    note: join(ctx.layout.vpc(vpc.vpcId).runFolder, 'lan.json'),
    addresses: elastic.filter(({ reach }) => reach === 'lan').map(({ publicIp }) => publicIp),
    elsewhere: addressesElsewhere(ctx, vpc.vpcId),
  });
  if (!uplink.routed && !ctx.ground.isRootless && standing(ctx, vpc.vpcId)?.reachableFromHost !== false)
    ctx.report.warn(
      `this host uses addresses of ${vpc.cidrBlock} itself: instances are reached by bonami ssh only, not by their private addresses`,
    );
  return uplink;
}

/** Elastic addresses that stand for one of another VPC: the host goes on answering for them. */
function addressesElsewhere({ db }: Ec2Context, vpcId: VpcId): readonly string[] {
  return addresses
    .list(db)
    .filter(
      ({ association }) =>
        association !== null && networkInterfaces.get(db, association.networkInterfaceId)?.vpcId !== vpcId,
    )
    .map(({ publicIp }) => publicIp);
}

/** Links to the peers whose networks stand; made here when this network is the later one. Their names. */
async function ensureCrossings(
  ctx: Ec2Context,
  { vpc, peerings }: Pick<VpcRecords, 'vpc' | 'peerings'>,
): Promise<ReadonlySet<string>> {
  const up = peerings.filter(({ peer }) => standing(ctx, peer.vpcId) !== undefined);
  if (up.length === 0) return new Set();
  const { ground } = ctx;
  return withLock(ground.uplinkLock, { purpose: 'join networks' }, async () => {
    const links = await linksOf(ground.router(vpc.vpcId));
    for (const peering of up) {
      const link = crossingLink(peering);
      const { requesterVpcId, accepterVpcId } = peering.connection;
      if (links.includes(link)) continue;
      try {
        await joinRouters([ground.router(requesterVpcId), ground.router(accepterVpcId)], {
          link,
          macs: crossingMacs(peering),
        });
      } catch (error) {
        // The peer's network may have gone down since it was looked at: then there is nothing to join.
        if (standing(ctx, peering.peer.vpcId) !== undefined) throw error;
      }
    }
    return crossingsThere(ctx, { vpc, peerings });
  });
}

/** Takes everything of a VPC's network away. A process left inside would keep the namespace alive, so it ends first. */
export async function demolish(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  const { ground } = ctx;
  const paths = ctx.layout.vpc(vpcId);
  forgetBuilt(ctx, vpcId);
  await stopDnsmasq(paths);
  // Without its ground nothing can be left on it.
  if (namespaceInode(ground.namespace) === undefined) return;
  await answerOnLan(ground.namespace, {
    note: join(paths.runFolder, 'lan.json'),
    addresses: [],
    elsewhere: addressesElsewhere(ctx, vpcId),
  });
  await deleteUplink(ground.namespace, hostLinkName(vpcId));
  await deleteTable(ground.namespace, `inet ${hostTableName(vpcId)}`);
  await deleteNamespace(ground.router(vpcId));
}
