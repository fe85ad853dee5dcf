// A note in the run folder about the network that was built: void with its namespace.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { VpcId } from '../../core/ids.ts';
import { linkName } from '../../core/link-name.ts';
import { namespaceInode } from '../../host/link/namespace.ts';
import { UPLINK_PREFIX } from '../../host/link/uplink.ts';
import { writeWhole } from '../../host/whole-file.ts';
import type { Ec2Context } from '../context.ts';

/** What was built, and in which namespace: void when the namespace is another one. */
interface Built {
  readonly inode: number;
  readonly reachableFromHost: boolean;
}

/** What stands of a VPC's network; undefined when it is down. */
export function standing(ctx: Ec2Context, vpcId: VpcId): Built | undefined {
  try {
    const built = JSON.parse(readFileSync(path(ctx, vpcId), 'utf8')) as Built;
    return built.inode === namespaceInode(ctx.ground.router(vpcId)) ? built : undefined;
  } catch {
    return undefined;
  }
}

export function noteBuilt(ctx: Ec2Context, vpcId: VpcId, built: Omit<Built, 'inode'>): void {
  const inode = namespaceInode(ctx.ground.router(vpcId)) ?? 0;
  writeWhole(path(ctx, vpcId), JSON.stringify({ ...built, inode } satisfies Built), 0o600);
}

export function forgetBuilt(ctx: Ec2Context, vpcId: VpcId): void {
  rmSync(path(ctx, vpcId), { force: true });
}

/** The host's end of a VPC's uplink. */
export function hostLinkName(vpcId: VpcId): string {
  return linkName(UPLINK_PREFIX, vpcId);
}

export function hostTableName(vpcId: VpcId): string {
  return `bonami_${hostLinkName(vpcId)}`;
}

function path(ctx: Ec2Context, vpcId: VpcId): string {
  return join(ctx.layout.vpc(vpcId).runFolder, 'built.json');
}
