// The kernel's side of a VPC, made from the records whenever it is needed and missing, under the VPC's lock.
// Nothing here is remembered but by the kernel itself and a note in the run folder, which is void with its namespace.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressAt, formatIpv4, netmask, parseCidr } from '../../core/cidr.ts';
import { HostError } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import type { VpcId } from '../../core/ids.ts';
import { linkName } from '../../core/link-name.ts';
import { settleAll } from '../../core/settle-all.ts';
import {
  ensureDnsmasq,
  isServing,
  putDhcpHost,
  removeDhcpHost,
  stopDnsmasq,
  type DhcpNetwork,
} from '../../host/dhcp/dnsmasq.ts';
import { hostResolvers } from '../../host/dhcp/resolvers.ts';
import { applyTables, deleteTable } from '../../host/firewall/apply.ts';
import { guardName, guardTable, hostTable, networkTable } from '../../host/firewall/nft-text.ts';
import { deleteNamespace, namespaceInode, namespacePath } from '../../host/link/namespace.ts';
import { addressPort, createPort, deletePort } from '../../host/link/port.ts';
import { createRouter, LINK_MTU } from '../../host/link/router.ts';
import { createUplink, deleteUplink } from '../../host/link/uplink.ts';
import { withLock } from '../../host/process/lock.ts';
import { instances } from '../../store/instances.ts';
import { makeFolder } from '../../store/layout.ts';
import {
  networkInterfaces,
  securityGroups,
  subnets,
  vpcs,
  type NetworkInterface,
  type Subnet,
  type Vpc,
} from '../../store/network.ts';
import type { Ec2Context } from '../context.ts';
import { ACTIVE_STATES } from '../instances/instance-state.ts';
import { METADATA_ADDRESS, networkRuleset } from '../security-groups/ruleset.ts';

export interface VpcNetwork {
  readonly namespacePath: string;
  /** Whether this host has a route to the private addresses. */
  readonly reachableFromHost: boolean;
}

/** What was built, and in which namespace: void when the namespace is another one. */
interface Built {
  readonly inode: number;
  readonly reachableFromHost: boolean;
}

/**
 * Makes sure that a VPC's network stands: namespace, bridges, uplink, firewall, DHCP. Cheap when it does. What was
 * killed is started again; a namespace that is gone is built anew.
 */
export async function ensureVpcNetwork(ctx: Ec2Context, vpcId: VpcId): Promise<VpcNetwork> {
  return underLock(ctx, vpcId, 'build the network', () => ensureLocked(ctx, vpcId));
}

async function ensureLocked(ctx: Ec2Context, vpcId: VpcId): Promise<VpcNetwork> {
  const vpc = getVpc(ctx, vpcId);
  const built = standing(ctx, vpcId) ?? (await build(ctx, vpc));
  await ensureDnsmasq(ctx.layout.vpc(vpcId), dhcpNetwork(ctx, vpc));
  return { namespacePath: namespacePath(vpcId), reachableFromHost: built.reachableFromHost };
}

/** Whether this host can reach the VPC's private addresses directly. */
export function isReachableFromHost(ctx: Ec2Context, vpcId: VpcId): boolean {
  return standing(ctx, vpcId)?.reachableFromHost ?? false;
}

function builtMark(ctx: Ec2Context, vpcId: VpcId): string {
  return join(ctx.layout.vpc(vpcId).runFolder, 'built.json');
}

function standing(ctx: Ec2Context, vpcId: VpcId): Built | undefined {
  try {
    const built = JSON.parse(readFileSync(builtMark(ctx, vpcId), 'utf8')) as Built;
    return built.inode === namespaceInode(vpcId) ? built : undefined;
  } catch {
    return undefined;
  }
}

async function build(ctx: Ec2Context, vpc: Vpc): Promise<Built> {
  const { vpcId } = vpc;
  await demolish(ctx, vpcId);
  makeFolder(ctx.layout.vpc(vpcId).runFolder, 0o711);
  await createRouter({
    namespace: vpcId,
    cidr: vpc.cidrBlock,
    serviceAddresses: [resolverAddress(vpc), '169.254.169.253', METADATA_ADDRESS],
    segments: vpcSubnets(ctx, vpc).map((subnet) => {
      const cidr = parseCidr(subnet.cidrBlock);
      return { bridge: linkName('snt', subnet.subnetId), gateway: `${addressAt(cidr, 1)}/${cidr.prefix}` };
    }),
  });
  const hostLink = linkName('bnv', vpcId);
  const uplink = await createUplink({ namespace: vpcId, hostLink, cidr: vpc.cidrBlock });
  const hasWayOut = vpc.internetGatewayId !== null;
  await applyTables([
    hostTable({
      table: hostTableName(vpcId),
      hostLink,
      uplinkPrefix: 'bnv',
      cidr: vpc.cidrBlock,
      routerAddress: uplink.routerAddress,
      hasWayOut,
    }),
  ]);
  await applyTables([networkTable(rulesetOf(ctx, vpc))], vpcId);
  if (!uplink.routed)
    ctx.report.warn(
      `this host uses addresses of ${vpc.cidrBlock} itself: instances are reached by bonami ssh only, not by their private addresses`,
    );
  const built: Built = { inode: namespaceInode(vpcId) ?? 0, reachableFromHost: uplink.routed };
  const mark = builtMark(ctx, vpcId);
  writeFileSync(`${mark}.new`, JSON.stringify(built), { mode: 0o600 });
  renameSync(`${mark}.new`, mark);
  return built;
}

/** Plugs an interface into its VPC's network, which is built when it is missing: port, guard, rules, lease. Idempotent. */
export async function plugInterface(
  ctx: Ec2Context,
  each: NetworkInterface,
  { uid }: { readonly uid: number },
): Promise<void> {
  await underLock(ctx, each.vpcId, 'plug an interface', async () => {
    await ensureLocked(ctx, each.vpcId);
    failpoint('launch:network');
    const { macAddress: mac, privateIpAddress: address } = each;
    const port = { ...portOf(each), mac };
    await createPort({ ...port, bridge: linkName('snt', each.subnetId), address, uid });
    const guard = guardTable({ tap: port.tap, mac, addresses: [address] });
    const rules = networkTable(rulesetOf(ctx, getVpc(ctx, each.vpcId)));
    await settleAll([applyTables([guard, rules], each.vpcId), addressPort(port)]);
    const hostname = `ip-${address.replaceAll('.', '-')}`;
    putDhcpHost(ctx.layout.vpc(each.vpcId), { key: port.tap, mac, address, hostname });
  });
}

/** Unplugs an interface. Absent is success, the whole network's absence too. */
export async function unplugInterface(ctx: Ec2Context, each: NetworkInterface): Promise<void> {
  await underLock(ctx, each.vpcId, 'unplug an interface', async () => {
    const port = portOf(each);
    removeDhcpHost(ctx.layout.vpc(each.vpcId), port.tap);
    if (namespaceInode(each.vpcId) === undefined) return;
    await deletePort(port);
    // The guard outlives its link.
    await deleteTable(guardName(port.tap), each.vpcId);
    await applyTables([networkTable(rulesetOf(ctx, getVpc(ctx, each.vpcId), each))], each.vpcId);
  });
}

/** Puts changed security groups into force at once; nothing to do while the network is down. */
export async function applySecurityGroups(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  await underLock(ctx, vpcId, 'apply security groups', async () => {
    if (standing(ctx, vpcId)) await applyTables([networkTable(rulesetOf(ctx, getVpc(ctx, vpcId)))], vpcId);
  });
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
  });
}

/** Starts what serves a standing network and has died or is out of date. For the agent. */
export async function repairVpcServices(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  if (standing(ctx, vpcId) && !isServing(ctx.layout.vpc(vpcId), vpcId)) await ensureVpcNetwork(ctx, vpcId);
}

/** A process left inside would keep the namespace and its links alive, so they end first. */
async function demolish(ctx: Ec2Context, vpcId: VpcId): Promise<void> {
  const paths = ctx.layout.vpc(vpcId);
  rmSync(builtMark(ctx, vpcId), { force: true });
  await stopDnsmasq(paths);
  await deleteUplink(linkName('bnv', vpcId));
  await deleteTable(`inet ${hostTableName(vpcId)}`);
  await deleteNamespace(vpcId);
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
  return `bonami_${linkName('bnv', vpcId)}`;
}

function portOf({ vpcId, networkInterfaceId }: NetworkInterface): {
  readonly namespace: string;
  readonly tap: string;
} {
  return { namespace: vpcId, tap: linkName('eni', networkInterfaceId) };
}

function getVpc(ctx: Ec2Context, vpcId: VpcId): Vpc {
  const vpc = vpcs.get(ctx.db, vpcId);
  if (vpc === undefined) throw new HostError('RecordMissing', `there is no record of ${vpcId}`);
  return vpc;
}

function vpcSubnets(ctx: Ec2Context, { vpcId }: Vpc): readonly Subnet[] {
  return subnets.listBy(ctx.db, 'vpc_id', vpcId);
}

/** EC2's resolver: the network's address plus two (AWS: "Amazon DNS server"). */
function resolverAddress({ cidrBlock }: Vpc): string {
  return addressAt(parseCidr(cidrBlock), 2);
}

/** Rules for all interfaces of active instances, `without` one that is on its way out. */
function rulesetOf(ctx: Ec2Context, vpc: Vpc, without?: NetworkInterface): ReturnType<typeof networkRuleset> {
  const plugged = networkInterfaces.listBy(ctx.db, 'vpc_id', vpc.vpcId).flatMap((networkInterface) => {
    if (
      networkInterface.attachment === null ||
      networkInterface.networkInterfaceId === without?.networkInterfaceId
    )
      return [];
    const instance = instances.get(ctx.db, networkInterface.attachment.instanceId);
    if (instance === undefined || !ACTIVE_STATES.has(instance.state)) return [];
    return [{ networkInterface, hopLimit: instance.metadataOptions.httpPutResponseHopLimit }];
  });
  return networkRuleset({
    vpc,
    groups: securityGroups.listBy(ctx.db, 'vpc_id', vpc.vpcId),
    interfaces: plugged,
  });
}

function dhcpNetwork(ctx: Ec2Context, vpc: Vpc): DhcpNetwork {
  return {
    namespace: vpc.vpcId,
    cidr: vpc.cidrBlock,
    segments: vpcSubnets(ctx, vpc).map((subnet) => {
      const cidr = parseCidr(subnet.cidrBlock);
      return {
        bridge: linkName('snt', subnet.subnetId),
        network: formatIpv4(cidr.network),
        netmask: netmask(cidr),
        router: addressAt(cidr, 1),
      };
    }),
    resolver: resolverAddress(vpc),
    domain: ctx.region === 'us-east-1' ? 'ec2.internal' : `${ctx.region}.compute.internal`,
    metadataAddress: METADATA_ADDRESS,
    mtu: LINK_MTU,
    upstream: vpc.internetGatewayId === null ? [] : hostResolvers(),
  };
}
