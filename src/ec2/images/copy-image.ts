import type { CopyImageRequest, CopyImageResult } from '@aws-sdk/client-ec2';
import type { EbsMapping } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import { linkSnapshot } from '../snapshots/link-snapshot.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { checkName, descriptionOf } from './image-description.ts';
import { type ArrivedMapping, type Arrivals, receiveImage } from './receive-image.ts';
import { resolveImage } from './resolve-image.ts';

const GIB = 2 ** 30;

/** EC2's CopyImage: another image, with snapshots of its own that share all layers; it takes no space. */
export async function copyImage(
  ctx: Ec2Context,
  { SourceImageId, Name = '', Description }: Partial<CopyImageRequest>,
): Promise<CopyImageResult> {
  checkName(Name);
  const source = resolveImage(ctx.db, SourceImageId);
  const { imageId } = await receiveImage(ctx, Name, async (arrivals) => {
    const mappings: ArrivedMapping[] = [];
    const otherMappings = [];
    for (const mapping of source.blockDeviceMappings)
      if (mapping.kind === 'ebs' && mapping.snapshotId !== null)
        mappings.push(await copied(ctx, mapping, arrivals));
      else otherMappings.push(mapping);
    return {
      description: { ...descriptionOf(source), name: Name, description: Description ?? source.description },
      findings: source.findings,
      sourceInstanceId: source.sourceInstanceId,
      mappings,
      otherMappings,
      source: `copied from '${source.name}' (${source.imageId})`,
    };
  });
  return { ImageId: imageId };
}

async function copied(
  ctx: Ec2Context,
  { kind: _kind, snapshotId, ...wanted }: EbsMapping,
  arrivals: Arrivals,
): Promise<ArrivedMapping> {
  const snapshot = requireSnapshot(ctx.db, snapshotId ?? '');
  const disk = await arrivals.take(async (folder) => {
    linkSnapshot(ctx, snapshot, folder);
    return { layers: snapshot.layers, virtualSize: snapshot.volumeSize * GIB };
  });
  return { ...wanted, disk };
}
