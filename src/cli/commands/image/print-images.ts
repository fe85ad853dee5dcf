import type { Image } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../../../ec2/context.ts';
import type { imageProvenance } from '../../../ec2/images/resolve-image.ts';
import { formatAge, type Output } from '../../output.ts';

export function printImages(out: Output, images: readonly Image[], ctx: Ec2Context): void {
  out.table(
    ['IMAGE', 'NAME', 'ARCH', 'BOOT', 'ROOT', 'AGE'],
    images.map((each) => [
      each.ImageId ?? '',
      each.Name ?? '',
      each.Architecture ?? '',
      each.BootMode ?? '',
      `${each.RootDeviceName} ${rootSize(each)}`,
      formatAge(each.CreationDate === undefined ? undefined : new Date(each.CreationDate), ctx.now()),
    ]),
  );
}

/** Everything about one image; with --json EC2's own view of it. */
export async function printImage(ctx: Ec2Context, out: Output, imageId: string): Promise<void> {
  const { describeImages } = await import('../../../ec2/images/describe-images.ts');
  const { imageProvenance: provenanceOf } = await import('../../../ec2/images/resolve-image.ts');
  const [each] = describeImages(ctx, { ImageIds: [imageId] }).Images ?? [];
  if (each === undefined) return;
  const { source, digests, defaultUser, firstBoot, cpuBaseline, findings } = provenanceOf(ctx.db, imageId);
  out.result(each, () =>
    out.facts([
      ['image', each.ImageId],
      ['name', each.Name],
      ['description', each.Description],
      ['state', each.State],
      ['architecture', [each.Architecture, each.BootMode, cpuBaseline].filter(Boolean).join(', ')],
      ['system', findings?.distribution ?? undefined],
      ['root device', `${each.RootDeviceName}, ${rootSize(each)}`],
      ['root disk', findings === null ? undefined : rootDisk(findings)],
      ...(each.BlockDeviceMappings ?? [])
        .filter(({ DeviceName }) => DeviceName !== each.RootDeviceName)
        .map((mapping) => ['device', describeMapping(mapping)] as const),
      ['login', defaultUser],
      ['first boot', [firstBoot, findings?.datasources?.join(' ')].filter(Boolean).join(': ')],
      ['from', source],
      ['digest', digests.at(-1)],
      ['layers', digests.length > 1 ? String(digests.length) : undefined],
      ['created', each.CreationDate],
      ['tags', each.Tags?.map(({ Key, Value }) => `${Key}=${Value}`).join(', ')],
    ]),
  );
}

function rootSize({ BlockDeviceMappings = [], RootDeviceName }: Image): string {
  const root = BlockDeviceMappings.find(({ DeviceName }) => DeviceName === RootDeviceName);
  return `${root?.Ebs?.VolumeSize ?? '?'} GiB`;
}

type Findings = NonNullable<ReturnType<typeof imageProvenance>['findings']>;

function rootDisk({ partitionTable, rootPartition, rootFileSystem }: Findings): string {
  const where =
    rootPartition === null
      ? undefined
      : rootPartition === 0
        ? 'the whole disk'
        : `partition ${rootPartition}`;
  return [rootFileSystem, where && `on ${where}`, partitionTable === 'none' ? undefined : partitionTable]
    .filter(Boolean)
    .join(' ');
}

function describeMapping({
  DeviceName,
  Ebs,
  VirtualName,
}: NonNullable<Image['BlockDeviceMappings']>[number]): string {
  if (VirtualName !== undefined) return `${DeviceName}, ${VirtualName}`;
  return `${DeviceName}, ${Ebs?.VolumeSize} GiB ${Ebs?.VolumeType}, ${Ebs?.SnapshotId ?? 'empty'}`;
}
