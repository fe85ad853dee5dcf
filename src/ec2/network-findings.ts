import { readdirSync } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import { isId, type VpcId } from '../core/ids.ts';
import { tablesOf } from '../host/firewall/apply.ts';
import { namespaceInode } from '../host/link/namespace.ts';
import { linksOf } from '../host/link/uplink.ts';
import { guarded, type Finding } from '../host/preflight/finding.ts';
import { instances } from '../store/instances.ts';
import type { NetworkInterface } from '../store/network-interfaces.ts';
import { vpcs } from '../store/vpcs.ts';
import type { Ec2Context } from './context.ts';
import { ACTIVE_STATES } from './instances/instance-state.ts';
import { driftOf, mendDrift, type Drift } from './vpcs/network-drift.ts';
import { hostLinkName, hostTableName } from './vpcs/network-note.ts';

/** Whether the networks that are in use are what is recorded. */
export async function networkFindings(ctx: Ec2Context): Promise<readonly Finding[]> {
  const used = networksInUse(ctx);
  const drifted = await Promise.all(
    used.map(async (vpcId) => guarded('networks', async () => ofDrift(vpcId, await driftOf(ctx, vpcId)))),
  );
  const findings = [...drifted.flat(), ...(await idleFindings(ctx, used))];
  if (findings.length > 0) return findings;
  return [{ name: 'networks', status: 'ok', fact: `${used.length} in use, as they are recorded` }];
}

/** Mends what can be mended while machines run, and says what it did and what it could not. */
export async function mendNetworks(ctx: Ec2Context): Promise<readonly string[]> {
  const done: string[] = [];
  for (const vpcId of networksInUse(ctx)) {
    // One that cannot be mended does not keep the others from it.
    try {
      const { changes, cutOff } = await mendDrift(ctx, vpcId);
      if (changes.length > 0) done.push(`mended the network of ${vpcId}: ${summary(changes)}`);
      for (const { fact, remedy } of lost(cutOff)) done.push(`could not mend: ${fact}; ${remedy}`);
    } catch (error) {
      done.push(`could not mend the network of ${vpcId}: ${messageOf(error)}`);
    }
  }
  return done;
}

/** What is left of networks that nothing uses. */
async function idleFindings(
  { db, ground, layout }: Ec2Context,
  used: readonly VpcId[],
): Promise<readonly Finding[]> {
  const known = new Set([
    ...vpcs.list(db).map(({ vpcId }) => vpcId),
    ...readdirSync(layout.run).filter((name): name is VpcId => isId('vpc', name)),
  ]);
  const idle = [...known].filter((vpcId) => !used.includes(vpcId));
  if (idle.length === 0 || namespaceInode(ground.namespace) === undefined) return [];
  const [links, tables] = await Promise.all([linksOf(ground.namespace), tablesOf(ground.namespace)]);
  return idle
    .filter(
      (vpcId) =>
        namespaceInode(ground.router(vpcId)) !== undefined ||
        links.includes(hostLinkName(vpcId)) ||
        tables.includes(`inet ${hostTableName(vpcId)}`),
    )
    .map((vpcId) => ({
      name: 'networks',
      status: 'warn',
      fact: `the network of ${vpcId} is up, but no instance uses it`,
      remedy: 'bonami doctor --fix',
    }));
}

/** VPCs in which an instance is active. */
function networksInUse({ db }: Ec2Context): readonly VpcId[] {
  const active = instances.list(db).filter(({ state }) => ACTIVE_STATES.has(state));
  return [...new Set(active.map(({ vpcId }) => vpcId))];
}

function ofDrift(vpcId: VpcId, { changes, cutOff }: Drift): readonly Finding[] {
  const drifted: Finding = {
    name: 'networks',
    status: 'warn',
    fact: `the network of ${vpcId} is not as recorded: ${summary(changes)}`,
    remedy: 'bonami doctor --fix',
  };
  return [...(changes.length > 0 ? [drifted] : []), ...lost(cutOff)];
}

function lost(cutOff: readonly NetworkInterface[]): readonly Finding[] {
  return cutOff.map(({ networkInterfaceId, attachment }) => {
    const id = attachment?.instanceId ?? '';
    return {
      name: 'networks',
      status: 'warn',
      fact: `${id} has lost its network interface ${networkInterfaceId}`,
      remedy: `bonami stop ${id} && bonami start ${id}`,
    };
  });
}

function summary(changes: readonly string[]): string {
  const [first = '', ...rest] = changes;
  return rest.length === 0 ? first : `${first}, and ${rest.length} more`;
}
