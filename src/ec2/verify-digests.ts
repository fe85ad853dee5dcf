import { statSync } from 'node:fs';
import type { Finding } from '../host/preflight/finding.ts';
import { verifyDigest } from '../host/disk/verify-digest.ts';
import { messageOf } from '../core/errors.ts';
import { layersOf } from '../host/disk/layers.ts';
import { snapshots, type Snapshot } from '../store/snapshots.ts';
import { volumes, type Volume } from '../store/volumes.ts';
import type { Ec2Context } from './context.ts';

/**
 * Reads every layer that must never change, each file once however many share it, and compares it with its digest.
 * As long as reading all of the store takes.
 */
export async function verifyDigests(ctx: Ec2Context): Promise<readonly Finding[]> {
  const checked = new Map<string, string | undefined>();
  const findings: Finding[] = [];
  for (const snapshot of snapshots.list(ctx.db).filter(({ state }) => state === 'completed'))
    findings.push(...(await verify(ctx, ofSnapshot(ctx, snapshot), checked)));
  for (const volume of volumes.list(ctx.db))
    findings.push(...(await verify(ctx, ofVolume(ctx, volume), checked)));
  if (findings.length > 0) return findings;
  return [{ name: 'digests', status: 'ok', fact: `${checked.size} files hold what they should` }];
}

interface Disk {
  readonly id: string;
  readonly folder: string;
  readonly digests: readonly string[];
  readonly remedy: string;
}

function ofSnapshot(ctx: Ec2Context, { snapshotId, layers }: Snapshot): Disk {
  return {
    id: snapshotId,
    folder: ctx.layout.snapshot(snapshotId).folder,
    digests: layers,
    remedy: `remove what is made of it, then: bonami snapshot rm ${snapshotId}`,
  };
}

function ofVolume(ctx: Ec2Context, { volumeId, layers }: Volume): Disk {
  return {
    id: volumeId,
    folder: ctx.layout.volume(volumeId).folder,
    digests: layers,
    remedy: 'save what can be read in the instance that has it, and launch a new one',
  };
}

async function verify(
  ctx: Ec2Context,
  { id, folder, digests, remedy }: Disk,
  checked: Map<string, string | undefined>,
): Promise<readonly Finding[]> {
  const faults: string[] = [];
  try {
    const layers = layersOf(folder);
    if (layers.length < digests.length)
      faults.push(`'${folder}' has ${layers.length} of ${digests.length} layers`);
    for (const [number, digest] of digests.entries()) {
      const path = layers[number];
      if (path === undefined) continue;
      const key = `${statSync(path).ino} ${digest}`;
      if (!checked.has(key)) checked.set(key, await faultOf(ctx, path, digest));
      const fault = checked.get(key);
      if (fault !== undefined) faults.push(fault);
    }
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    faults.push(messageOf(error));
  }
  return faults.map((fact) => ({ name: `digests of ${id}`, status: 'fail' as const, fact, remedy }));
}

async function faultOf(ctx: Ec2Context, path: string, digest: string): Promise<string | undefined> {
  try {
    const isRight = await verifyDigest(path, digest, {
      signal: ctx.signal,
      onProgress: (done, total) =>
        ctx.report.progress({ label: `verifying ${path}`, done, total, unit: 'bytes' }),
    });
    return isRight ? undefined : `'${path}' is not what it was`;
  } catch (error) {
    if (ctx.signal.aborted) throw error;
    return `'${path}' cannot be read: ${messageOf(error)}`;
  }
}
