import { chmod, link, rename, rm, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { HostError, errnoOf } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { digestOf } from '../../host/disk/digest.ts';
import { moveDurably, requireSpace, syncFolder } from '../../host/disk/durable.ts';
import { type InspectedDisk, inspectFile } from '../../host/disk/inspector/inspect.ts';
import { convert, info, measure, type DiskFormat } from '../../host/disk/qemu-img.ts';
import { type Image, images } from '../../store/images.ts';
import type { ImagePaths } from '../../store/layout.ts';
import type { Ec2Context } from '../context.ts';

/** The disk is in the store, durable and read-only. */
export type StoredDisk = Required<Pick<Image, 'sourceDigest' | 'virtualSize'>> & { readonly digest: string };

/** A disk file that is here, not yet judged. */
export interface ArrivedDisk {
  readonly path: string;
  /** What the user says it is. */
  readonly format?: DiskFormat | undefined;
  /** Where it came from, for people. */
  readonly source: string;
}

interface Arrival extends ArrivedDisk {
  readonly paths: ImagePaths;
  /** Removed before the image's folder takes its final name. */
  readonly workFolder: string;
}

/**
 * Judges a disk file and puts its contents into the store: hash, inspect, let qemu-img agree, convert, publish.
 * Contents that the store has already are linked, not copied. Throws the inspector's refusals, `ImageChanged` when
 * the file was written to meanwhile, `NoSpace`.
 */
export async function storeDisk(ctx: Ec2Context, arrival: Arrival): Promise<StoredDisk> {
  const { path, format, paths, workFolder } = arrival;
  const made = `${paths.incoming}/${basename(paths.disk)}`;
  const before = await fingerprint(path);
  const disk = await inspectFile(path, { format });
  const sourceDigest = await digestWithProgress(ctx, path, `reading ${basename(path)}`);
  await requireUnchanged(path, before);
  const twin = available(ctx).find((image) => image.sourceDigest === sourceDigest);
  const isLinked = twin !== undefined && (await linkTo(ctx, twin, made));
  if (!isLinked) await convertInto(ctx, { path, disk, made });
  failpoint('import:converted');
  await requireUnchanged(path, before);

  const digest =
    (isLinked && twin.digest) || (await digestWithProgress(ctx, made, 'checking the stored disk'));
  if (!isLinked) await shareWithTwin(ctx, made, digest);
  await chmod(made, 0o444);
  await rm(workFolder, { recursive: true, force: true });
  await publish(paths);
  return { digest, sourceDigest, virtualSize: disk.virtualSize };
}

interface Conversion {
  readonly path: string;
  readonly disk: InspectedDisk;
  readonly made: string;
}

async function convertInto(ctx: Ec2Context, { path, disk, made }: Conversion): Promise<void> {
  const { signal } = ctx;
  const { format, virtualSize: total } = disk;
  await agreeWithQemu(ctx, path, disk);
  await requireSpace(ctx.layout.home, await measure(path, format, { signal }));
  await convert({
    from: path,
    to: made,
    format,
    virtualSize: total,
    signal,
    onProgress: (percent) => {
      const done = Math.round((percent / 100) * total);
      ctx.report.progress({ label: 'converting', done, total, unit: 'bytes' });
    },
  });
}

/** A second opinion: where two readers of one file differ, one of them can be deceived. */
async function agreeWithQemu(ctx: Ec2Context, path: string, disk: InspectedDisk): Promise<void> {
  const seen = await info(path, disk.format, { signal: ctx.signal });
  const differs =
    seen.format !== disk.format ||
    seen.virtualSize !== disk.virtualSize ||
    seen.encrypted ||
    seen.snapshots > 0;
  if (differs || seen.otherFile !== undefined)
    throw new HostError(
      'ImageDisputed',
      `'${path}' looks different to qemu-img (${seen.format}, ${seen.virtualSize} bytes${
        seen.otherFile === undefined ? '' : ', leading to another file'
      }) than to bonami (${disk.format}, ${disk.virtualSize} bytes)`,
    );
}

async function digestWithProgress(ctx: Ec2Context, path: string, label: string): Promise<string> {
  const { size: total } = await stat(path);
  const onProgress = (done: number): void => ctx.report.progress({ label, done, total, unit: 'bytes' });
  return digestOf(path, { signal: ctx.signal, onProgress });
}

function available(ctx: Ec2Context): readonly Image[] {
  return images.list(ctx.db).filter(({ state }) => state === 'available');
}

/** Links another image's disk; false when that cannot be done and the contents must be made again. */
async function linkTo(ctx: Ec2Context, twin: Image, made: string): Promise<boolean> {
  try {
    await link(ctx.layout.image(twin.imageId).disk, made);
  } catch (error) {
    // Deregistered a moment ago, or linked as often as the file system allows.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EMLINK') return false;
    throw error;
  }
  ctx.report.info(`the same contents are in the store as '${twin.name}' (${twin.imageId}); sharing its disk`);
  return true;
}

/** Another file led to the same contents, say a compressed copy of one that is here: store them once. */
async function shareWithTwin(ctx: Ec2Context, made: string, digest: string): Promise<void> {
  const twin = available(ctx).find((image) => image.digest === digest);
  const linked = `${made}.shared`;
  if (twin && (await linkTo(ctx, twin, linked))) await rename(linked, made);
}

async function publish({ incoming, folder }: ImagePaths): Promise<void> {
  // As root each machine has a user id of its own, and reads the disk by its full path.
  await chmod(incoming, process.getuid?.() === 0 ? 0o711 : 0o700);
  await syncFolder(incoming);
  await moveDurably(incoming, folder);
}

/** What was inspected, what qemu-img read and what was hashed must be the same bytes. */
async function requireUnchanged(path: string, before: string): Promise<void> {
  if ((await fingerprint(path)) === before) return;
  throw new HostError('ImageChanged', `'${path}' was changed while it was being read`, {
    hint: 'try again when nothing writes to it',
  });
}

/** Changes when the file is written to or replaced. */
async function fingerprint(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs].join(' ');
}
