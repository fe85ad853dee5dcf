import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Ec2Error, Interrupted } from '../../core/errors.ts';
import { exportDisk, type ExportFormat } from '../../host/disk/export-disk.ts';
import { layersOf } from '../../host/disk/layers.ts';
import { withLock } from '../../host/process/lock.ts';
import { type EbsMapping, type Image, rootMapping, snapshotIdsOf } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { bundleOf } from './write-bundle.ts';
import { type Delivered, type Destination, openDestination } from './destinations.ts';
import { resolveImage } from './resolve-image.ts';
import type { S3Place } from './sources/open-source.ts';
import { ovaOf } from './write-ova.ts';

const GIB = 2 ** 30;

export type ImageFormat = 'qcow2' | 'raw' | 'vmdk' | 'vhd' | 'vhdx' | 'vdi' | 'ova' | 'tar';

export interface ExportImageRequest {
  /** Id or name. */
  readonly image: string;
  /** A path, or `s3://bucket/key`. */
  readonly destination: string;
  /** By the destination's name when not given. */
  readonly format?: ImageFormat | undefined;
  readonly compress: boolean;
  /** A file that is there is replaced, once the new one is whole. */
  readonly replace: boolean;
  readonly s3?: S3Place | undefined;
}

export interface ExportedImage {
  readonly ImageId: string;
  readonly Destination: string;
  readonly Format: ImageFormat;
  /** Of what was written, where it was written as a stream. */
  readonly Bytes?: number;
  readonly Sha256?: string;
}

/** Where an export finds its disks and may put what it needs on the way. */
export interface ExportWork {
  readonly ctx: Ec2Context;
  readonly image: Image;
  readonly workFolder: string;
}

/**
 * Writes an image to a file or an S3 object. The single-disk formats have its root disk, flattened; `ova` all disks,
 * and `tar` all that the image is. The destination is there whole or not at all. The image cannot be removed meanwhile.
 */
export async function exportImage(ctx: Ec2Context, request: ExportImageRequest): Promise<ExportedImage> {
  const image = resolveImage(ctx.db, request.image);
  const format = request.format ?? formatOf(request.destination);
  const compress = request.compress || /\.(?:zst|tzst)$/i.test(request.destination);
  if (compress && format !== 'qcow2' && format !== 'tar')
    throw new Ec2Error('InvalidParameterCombination', `bonami cannot compress the format ${format}`, {
      hint: '--format qcow2 or --format tar',
    });
  const destination = await openDestination(ctx, request.destination, request);
  const { incoming, lock } = ctx.layout.image(image.imageId);
  return withLock(lock, { purpose: `export ${image.imageId}`, timeoutMs: 10_000 }, async () => {
    // Again under the lock: it may have gone meanwhile.
    resolveImage(ctx.db, image.imageId);
    try {
      await rm(incoming, { recursive: true, force: true });
      await mkdir(incoming, { mode: 0o700 });
      const work = { ctx, image, workFolder: incoming };
      const delivered = await deliver(work, { format, compress, destination });
      return {
        ImageId: image.imageId,
        Destination: request.destination,
        Format: format,
        ...(delivered && { Bytes: delivered.bytes, Sha256: delivered.sha256 }),
      };
    } catch (error) {
      if (ctx.signal.aborted) throw new Interrupted(`interrupted; '${request.destination}' was not written`);
      throw error;
    } finally {
      await rm(incoming, { recursive: true, force: true });
    }
  });
}

interface Delivery {
  readonly format: ImageFormat;
  readonly compress: boolean;
  readonly destination: Destination;
}

async function deliver(
  work: ExportWork,
  { format, compress, destination }: Delivery,
): Promise<Delivered | undefined> {
  if (format === 'ova') return destination.write(ovaOf(work));
  if (format === 'tar') return destination.write(bundleOf(work, { compress }));
  const root = rootOf(work);
  const as = format === 'qcow2' && compress ? 'qcow2-compressed' : format;
  if (destination.writeFile !== undefined) {
    await destination.writeFile(async (path) => exportMapping(work, root, { to: path, format: as }));
    return undefined;
  }
  const path = `${work.workFolder}/root.${format}`;
  await exportMapping(work, root, { to: path, format: as });
  return destination.write(createReadStream(path, { highWaterMark: 1 << 20 }));
}

function rootOf({ ctx, image }: ExportWork): EbsMapping {
  const root = rootMapping(image);
  if (root === undefined) throw new Error(`${image.imageId} has no root disk`);
  const others = snapshotIdsOf(image).length - 1;
  if (others > 0)
    ctx.report.warn(
      `'${image.name}' has ${others} more ${others === 1 ? 'disk' : 'disks'}, which only --format ova or tar can take along`,
    );
  return root;
}

/** Writes the disk that a mapping's snapshot holds as one file. */
export async function exportMapping(
  { ctx, image }: ExportWork,
  { deviceName, snapshotId }: EbsMapping,
  { to, format }: { readonly to: string; readonly format: ExportFormat },
): Promise<void> {
  const snapshot = requireSnapshot(ctx.db, snapshotId ?? '');
  const total = snapshot.volumeSize * GIB;
  await exportDisk({
    layers: layersOf(ctx.layout.snapshot(snapshot.snapshotId).folder),
    to,
    format,
    virtualSize: total,
    signal: ctx.signal,
    onProgress: (percent) =>
      ctx.report.progress({
        label: `writing ${deviceName} of '${image.name}'`,
        done: Math.round((percent / 100) * total),
        total,
        unit: 'bytes',
      }),
  });
}

const SUFFIXES: readonly (readonly [RegExp, ImageFormat])[] = [
  [/\.qcow2$/i, 'qcow2'],
  [/\.(?:raw|img)$/i, 'raw'],
  [/\.vmdk$/i, 'vmdk'],
  [/\.(?:vhd|vpc)$/i, 'vhd'],
  [/\.vhdx$/i, 'vhdx'],
  [/\.vdi$/i, 'vdi'],
  [/\.ova$/i, 'ova'],
  [/\.(?:tar|tar\.zst|tzst|bin)$/i, 'tar'],
];

function formatOf(destination: string): ImageFormat {
  const found = SUFFIXES.find(([suffix]) => suffix.test(destination));
  if (found) return found[1];
  throw new Ec2Error(
    'InvalidParameterValue',
    `the name '${destination}' does not say which format it shall have`,
    {
      hint: '--format qcow2, or a name like web.qcow2, web.ova or web.tar.zst',
    },
  );
}
