import { resolve } from 'node:path';
import { Ec2Error } from '../../core/errors.ts';
import { digestOf } from '../../host/disk/digest.ts';
import { inspectFile } from '../../host/disk/inspector/inspect.ts';
import type { DiskFormat } from '../../host/disk/qemu-img.ts';
import type { Image } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { type DescriptionOptions, describeDiskFile } from './image-description.ts';
import { receiveImage } from './receive-image.ts';
import { settledImage } from './sweep-imports.ts';

export interface ImportImageRequest extends DescriptionOptions {
  /** A disk image of a format that the inspector passes; only read. */
  readonly path: string;
  /** Says that an unrecognisable file is a raw disk. */
  readonly format?: DiskFormat | undefined;
}

/**
 * Makes an image of a disk file on this host. Asking twice for the same file and name gives the same image.
 * Throws the refusals of the inspector before it records or opens anything else, `InvalidAMIName.Duplicate` when
 * the name stands for something else.
 */
export async function importImage(
  ctx: Ec2Context,
  { path: given, format, ...options }: ImportImageRequest,
): Promise<Image> {
  const path = resolve(given);
  await inspectFile(path, { format });
  const description = describeDiskFile(path, options);
  const existing = await settledImage(ctx, description.name);
  if (existing === undefined)
    return receiveImage(ctx, description, async () => ({ path, format, source: `imported from ${path}` }));

  const asked = Object.entries(options).filter(([, value]) => value !== undefined);
  const isAsAsked = asked.every(([key, value]) => existing[key as keyof DescriptionOptions] === value);
  const isSameDisk = existing.sourceDigest === (await digestOf(path, { signal: ctx.signal }));
  if (!isAsAsked || !isSameDisk)
    throw new Ec2Error(
      'InvalidAMIName.Duplicate',
      `An image with the name '${existing.name}' already exists (${existing.imageId}), of other ${isSameDisk ? 'settings' : 'contents'}`,
      { hint: 'choose another name with --name' },
    );
  ctx.report.info(
    `'${existing.name}' (${existing.imageId}) has the same contents already; nothing to import`,
  );
  return existing;
}
