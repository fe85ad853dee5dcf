// How a VPC's network differs from what is recorded, because somebody or something took a part of it away.
import type { VpcId } from '../../core/ids.ts';
import { isServing } from '../../host/dhcp/dnsmasq.ts';
import { hasTables } from '../../host/firewall/compare.ts';
import { missingPasses } from '../../host/firewall/foreign.ts';
import { probeKernel, type KernelState } from '../../host/link/kernel-state.ts';
import { routerChanges } from '../../host/link/router-changes.ts';
import { standingUplink, UPLINK_PREFIX } from '../../host/link/uplink.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { underVpcLock } from './network.ts';
import { hostLinkName, standing } from './network-note.ts';
import { blocksOf, crossingLink, tapOf } from './router-spec.ts';
import { crossingsThere, presentRecords, settle, wantedNetwork } from './settle-network.ts';
import { readVpc, type VpcRecords } from './vpc-records.ts';

export interface Drift {
  /** What is missing or stale, in words; all of it can be mended while machines run. */
  readonly changes: readonly string[];
  /** Interfaces whose machines have lost them: nothing but a stop and a start brings them back. */
  readonly cutOff: readonly NetworkInterface[];
}

/** Compares a VPC that has active instances with the kernel. Changes nothing. */
export async function driftOf(ctx: Ec2Context, vpcId: VpcId): Promise<Drift> {
  return underVpcLock(ctx, vpcId, 'look at the network', () => drift(ctx, vpcId));
}

/** Makes right what has drifted; returns what was found, and what is cut off still. */
export async function mendDrift(ctx: Ec2Context, vpcId: VpcId): Promise<Drift> {
  return underVpcLock(ctx, vpcId, 'mend the network', async () => {
    const found = await drift(ctx, vpcId);
    if (found.changes.length === 0) return found;
    await settle(ctx, vpcId);
    const state = await probeKernel(ctx.ground.router(vpcId), { dual: false });
    return { changes: found.changes, cutOff: cutOff(readVpc(ctx.db, vpcId), state) };
  });
}

async function drift(ctx: Ec2Context, vpcId: VpcId): Promise<Drift> {
  if (standing(ctx, vpcId) === undefined)
    return { changes: ['its namespace is missing'], cutOff: runningInterfaces(readVpc(ctx.db, vpcId)) };
  const { ground } = ctx;
  const namespace = ground.router(vpcId);
  const records = await presentRecords(ctx, vpcId);
  const uplink = await standingUplink(ground, { namespace, hostLink: hostLinkName(vpcId) });
  const state = await probeKernel(namespace, { dual: blocksOf(records.vpc).length > 1 });
  const lost = cutOff(records, state);
  if (uplink === undefined) return { changes: ['its uplink is missing'], cutOff: lost };
  const crossings = await crossingsThere(ctx, records);
  const lostCrossings = records.peerings.filter(
    (peering) => standing(ctx, peering.peer.vpcId) !== undefined && !crossings.has(crossingLink(peering)),
  );
  const wanted = wantedNetwork(ctx, { records, uplink, crossings });
  const { isNew, links, addresses, addresses6, up } = routerChanges(wanted.router, state);
  const hostRoutes = [
    ...(standing(ctx, vpcId)?.reachableFromHost === true ? [records.vpc.cidrBlock] : []),
    ...records.addresses.map(({ carrierIp }) => `${carrierIp}/32`),
  ];
  const isServed = isServing(ctx.layout.vpc(vpcId), namespace);
  return {
    changes: [
      ...(isNew ? ['its namespace is empty'] : []),
      ...[...links, ...addresses, ...addresses6, ...up].map((line) => `to do: ip ${line}`),
      ...((await hasTables(namespace, wanted.tables)) ? [] : ['its firewall rules are not all there']),
      ...((await hasTables(ground.namespace, wanted.hostTable))
        ? []
        : ["the host's rules are not all there"]),
      ...(hostRoutes.every((each) => uplink.routes.includes(each)) ? [] : ["the host's route is missing"]),
      ...lostCrossings.map(({ peer }) => `its link to ${peer.vpcId} is missing`),
      ...(await foreignFindings(ctx)),
      ...(isServed ? [] : ['its DHCP and DNS server does not run']),
    ],
    cutOff: lost,
  };
}

async function foreignFindings({ ground }: Ec2Context): Promise<readonly string[]> {
  if (ground.isRootless) return [];
  const missing = await missingPasses(ground.namespace, UPLINK_PREFIX);
  return [...new Set(missing.map(({ chain }) => `the firewall chain '${chain}' does not let it through`))];
}

/** A tap that a machine has open has a carrier. */
function cutOff(records: VpcRecords, { links }: KernelState): readonly NetworkInterface[] {
  return runningInterfaces(records).filter((each) => links.get(tapOf(each))?.hasCarrier !== true);
}

function runningInterfaces({ plugged }: VpcRecords): readonly NetworkInterface[] {
  return plugged
    .filter(({ instance }) => instance.state === 'running')
    .map(({ networkInterface }) => networkInterface);
}
