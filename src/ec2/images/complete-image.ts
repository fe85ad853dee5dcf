import { openFileSource } from '../../host/disk/byte-source.ts';
import { examine, type DiskFindings } from '../../host/disk/examine.ts';
import { layerPath } from '../../host/disk/layers.ts';
import { openQcow2 } from '../../host/disk/qcow2/reader.ts';
import type { ImageFindings } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { type Said, settleDescription } from './image-description.ts';
import type { ArrivedImage } from './receive-image.ts';
import type { TakenImage } from './take-image.ts';

export interface Completion {
  readonly name: string;
  readonly user: Said;
  readonly override: boolean;
  readonly source: string;
  /** GiB; the root volume is not made smaller. */
  readonly minimumDiskGiB?: number;
}

/** Looks at the root disk and settles what the image is. Throws as `settleDescription` does. */
export async function completeImage(
  ctx: Ec2Context,
  { root, others, otherMappings, origin }: TakenImage,
  { name, user, override, source, minimumDiskGiB }: Completion,
): Promise<ArrivedImage> {
  ctx.report.progress({ label: 'looking at what is on the disk' });
  const found = await examineLayer(ctx, layerPath(root.disk.folder, 0));
  const { description, doubts } = settleDescription({ name, user, origin, found, override });
  for (const doubt of doubts) ctx.report.warn(`${name}: ${doubt}`);
  return {
    description,
    findings: storedFindings(found),
    mappings: [
      {
        ...root,
        deviceName: description.rootDeviceName,
        volumeSize: Math.max(root.volumeSize ?? 1, minimumDiskGiB ?? 1),
      },
      ...others,
    ],
    otherMappings,
    source,
  };
}

async function examineLayer(ctx: Ec2Context, path: string): Promise<DiskFindings> {
  const file = await openFileSource(path);
  try {
    return await examine(await openQcow2(file), { signal: ctx.signal });
  } finally {
    await file.close();
  }
}

function storedFindings(found: DiskFindings): ImageFindings {
  return {
    distribution: found.distribution?.name ?? null,
    partitionTable: found.partitionScheme ?? null,
    rootPartition: found.rootPartition ?? null,
    rootFileSystem: found.rootFileSystem ?? null,
    datasources: found.cloudInit?.datasources ? [...found.cloudInit.datasources] : null,
  };
}
