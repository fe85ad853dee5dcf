import { execFileSync } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ImportImageRequest } from '../../src/ec2/images/import-image.ts';
import { layersOf } from '../../src/host/disk/layers.ts';
import { type Image, images, rootMapping } from '../../src/store/images.ts';
import { snapshots } from '../../src/store/snapshots.ts';
import type { TestContext } from './context.ts';

export const MIB = 2 ** 20;

/** Writes a raw disk: a partition table, then contents that do not compress, then zeros. */
export function makeDisk(path: string, mebibytes = 16): string {
  const disk = Buffer.alloc(mebibytes * MIB);
  disk.writeUInt8(0x80, 446);
  disk.writeUInt8(0x83, 450);
  disk.writeUInt32LE(2048, 454);
  disk.writeUInt32LE(disk.length / 512 - 2048, 458);
  disk.writeUInt16BE(0x55aa, 510);
  writeFileSync(path, randomFillSync(disk, MIB, 3 * MIB));
  return path;
}

export function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** An import of something on which no program says what processor it is for. */
export function importing(source: string, more: Partial<ImportImageRequest> = {}): ImportImageRequest {
  return { source, ...more, said: { architecture: 'x86_64', ...more.said } };
}

/** The digest of an image's root disk, and where its one layer lies. */
export function rootDisk(
  { ctx }: TestContext,
  image: Image,
): { readonly digest: string; readonly path: string } {
  const snapshotId = rootMapping(image)?.snapshotId;
  const snapshot = snapshotId ? snapshots.get(ctx.db, snapshotId) : undefined;
  if (snapshot === undefined) throw new Error('the image has no root disk');
  const [path = ''] = layersOf(ctx.layout.snapshot(snapshot.snapshotId).folder);
  return { digest: snapshot.layers[0] ?? '', path };
}

/** Whether a file holds what a raw disk holds. */
export function expectSameDisk(raw: string, path: string, format: string): void {
  expect(qemuImg('compare', '-f', 'raw', '-F', format, raw, path)).toContain('identical');
}

/** Nothing of an image or its making is in the home: no record, no file, no lock, no process. */
export async function expectNothingLeft(home: TestContext): Promise<void> {
  await expectOnly(home, []);
}

/** Of images there are these and what belongs to them, and nothing else. */
export async function expectOnly({ ctx }: TestContext, kept: readonly Image[]): Promise<void> {
  expect(
    images
      .list(ctx.db)
      .map(({ imageId }) => imageId)
      .toSorted(),
  ).toEqual(kept.map(({ imageId }) => imageId).toSorted());
  const wanted = snapshots.list(ctx.db).map(({ snapshotId }) => snapshotId);
  expect(wanted).toHaveLength(
    kept.flatMap(({ blockDeviceMappings }) => blockDeviceMappings.filter((each) => each.kind === 'ebs'))
      .length,
  );
  expect(readdirSync(ctx.layout.snapshots).toSorted()).toEqual(wanted.toSorted());
  expect(readdirSync(ctx.layout.incoming)).toEqual([]);
  const locks = readdirSync(ctx.layout.run).filter((name) => /^(?:ami|snap)-/.test(name));
  expect(locks.filter((name) => !kept.some(({ imageId }) => name === `${imageId}.lock`))).toEqual([]);
  for (let attempt = 0; attempt < 50 && processesAbout(ctx.layout.home).length > 0; attempt++)
    await sleep(100);
  expect(processesAbout(ctx.layout.home)).toEqual([]);
}

/** `<pid> <command line>` of every process whose command line names this path. */
export function processesAbout(path: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && name !== String(process.pid))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
      } catch {
        return '';
      }
    })
    .filter((line) => line.includes(path));
}
