import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isId } from '../core/ids.ts';
import { linkName } from '../core/link-name.ts';
import { isLocked } from '../host/process/lock.ts';
import type { Finding } from '../host/preflight/finding.ts';
import { hostFindings } from '../host/preflight/preflight.ts';
import { addresses } from '../store/addresses.ts';
import { internetGateways, natGateways, vpcPeeringConnections } from '../store/gateways.ts';
import { images } from '../store/images.ts';
import { instances } from '../store/instances.ts';
import { keyPairs } from '../store/key-pairs.ts';
import { networkAcls } from '../store/network-acls.ts';
import { networkInterfaces } from '../store/network-interfaces.ts';
import { routeTables } from '../store/route-tables.ts';
import { prefixLists, securityGroups } from '../store/security-groups.ts';
import { snapshots } from '../store/snapshots.ts';
import { volumes } from '../store/volumes.ts';
import { dhcpOptionSets, subnets, vpcs } from '../store/vpcs.ts';
import type { Ec2Context } from './context.ts';
import { sweepAbandonedImages } from './images/sweep-images.ts';
import { sweepAbandonedSnapshots } from './snapshots/remove-snapshot.ts';
import { finishReboots, reconcileInstances } from './instances/reconcile.ts';
import { mendNetworks, networkFindings } from './network-findings.ts';

/** Every fact that bonami depends on, the host's and its own, each with what mends it. Changes nothing. */
export async function examine(ctx: Ec2Context): Promise<readonly Finding[]> {
  const ownLinks = vpcs.list(ctx.db).map(({ vpcId }) => linkName('bnv', vpcId));
  return [
    ...(await hostFindings({ ...ctx.layout, ownLinks, isRootless: ctx.ground.isRootless })),
    ...recordFindings(ctx),
    ...(await networkFindings(ctx)),
    ...leftoverFindings(ctx),
  ];
}

/** Settles interrupted work and removes what no record names. Returns what it did. */
export async function mend(ctx: Ec2Context): Promise<readonly string[]> {
  const before = new Set(instances.list(ctx.db).map(({ instanceId, state }) => `${instanceId} ${state}`));
  await reconcileInstances(ctx);
  const networks = await mendNetworks(ctx);
  const booted = await finishReboots(ctx);
  const swept = await sweepAbandonedImages(ctx);
  const sweptSnapshots = sweepAbandonedSnapshots(ctx);
  const settled = instances
    .list(ctx.db)
    .map(({ instanceId, state }) => `${instanceId} ${state}`)
    .filter((line) => !before.has(line));
  const removed = orphans(ctx);
  for (const folder of removed) rmSync(folder, { recursive: true, force: true });
  return [
    ...settled.map((line) => `settled ${line.replace(' ', ': ')}`),
    ...networks,
    ...booted.map((instanceId) => `booted ${instanceId}, which was down for a reboot`),
    ...swept.map(({ imageId }) => `removed the unfinished image ${imageId}`),
    ...sweptSnapshots.map((snapshotId) => `removed the unfinished snapshot ${snapshotId}`),
    ...removed.map((folder) => `removed ${folder}`),
  ];
}

function recordFindings({ db }: Ec2Context): readonly Finding[] {
  const broken = [
    images,
    snapshots,
    instances,
    volumes,
    vpcs,
    subnets,
    dhcpOptionSets,
    routeTables,
    networkAcls,
    internetGateways,
    natGateways,
    vpcPeeringConnections,
    securityGroups,
    prefixLists,
    networkInterfaces,
    addresses,
    keyPairs,
  ].flatMap((table) => table.broken(db));
  if (broken.length === 0)
    return [
      {
        name: 'records',
        status: 'ok',
        fact: `all readable, ${instances.list(db).length} instances, ${images.list(db).length} images`,
      },
    ];
  return broken.map(({ id, table, reason }) => ({
    name: 'records',
    status: 'fail',
    fact: `${table} ${id} cannot be read: ${reason.split('\n')[0]}`,
  }));
}

function leftoverFindings(ctx: Ec2Context): readonly Finding[] {
  const found = orphans(ctx);
  if (found.length === 0) return [{ name: 'leftovers', status: 'ok', fact: 'none' }];
  return [
    {
      name: 'leftovers',
      status: 'warn',
      fact: `${found.length} folders that no record names: ${found.slice(0, 3).join(', ')}`,
      remedy: 'bonami doctor --fix',
    },
  ];
}

/** Folders of this home that are named by an id of which there is no record. */
function orphans(ctx: Ec2Context): readonly string[] {
  const { layout, db } = ctx;
  const alive = (id: string): boolean =>
    isWanted(() => {
      const instance = instances.get(db, id);
      return instance !== undefined && instance.state !== 'terminated';
    });
  return [
    ...children(layout.instances)
      .filter((name) => isId('instance', name) && !alive(name))
      .map((name) => join(layout.instances, name)),
    ...children(layout.volumes)
      .filter((name) => isId('volume', name.replace(/\.new$/, '')))
      .filter((name) => !isWanted(() => volumes.get(db, name.replace(/\.new$/, '')) !== undefined))
      .map((name) => join(layout.volumes, name)),
    ...children(layout.snapshots)
      .filter((name) => isId('snapshot', name) && !isWanted(() => snapshots.get(db, name) !== undefined))
      .map((name) => join(layout.snapshots, name)),
    ...children(layout.incoming)
      .filter((name) => !isWanted(() => isArriving(ctx, name)))
      .map((name) => join(layout.incoming, name)),
    ...children(layout.run)
      .filter((name) => isId('instance', name) && !alive(name))
      .map((name) => join(layout.run, name)),
  ];
}

/** A record that cannot be read still owns its files: somebody may want them back. */
function isWanted(isRecorded: () => boolean): boolean {
  try {
    return isRecorded();
  } catch {
    return true;
  }
}

function children(folder: string): readonly string[] {
  return readdirSync(folder);
}

/** Whether a folder of things on their way belongs to somebody: to a pending record, or to who holds its lock. */
function isArriving({ db, layout }: Ec2Context, name: string): boolean {
  if (!isId('image', name) && !isId('snapshot', name)) return true;
  const isImage = isId('image', name);
  const pending = isImage ? images.get(db, name) : snapshots.get(db, name);
  const { lock } = isImage ? layout.image(name) : layout.snapshot(name);
  return pending?.state === 'pending' || isLocked(lock);
}
