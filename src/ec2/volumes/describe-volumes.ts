import type { DescribeVolumesRequest, DescribeVolumesResult } from '@aws-sdk/client-ec2';
import { tagsOf, type Tags } from '../../store/tags.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { type FilterTable, filterTests } from '../filters.ts';
import { ec2Volume } from './ec2-volume.ts';
import { volumeOf } from './resolve-volume.ts';

const FILTERS: FilterTable<{ readonly volume: Volume; readonly tags: Tags }> = {
  'attachment.device': ({ volume }) => volume.attachment?.device ?? [],
  'attachment.instance-id': ({ volume }) => volume.attachment?.instanceId ?? [],
  'availability-zone': ({ volume }) => volume.availabilityZone,
  size: ({ volume }) => String(volume.size),
  'snapshot-id': ({ volume }) => volume.snapshotId ?? [],
  status: ({ volume }) => (volume.attachment ? 'in-use' : 'available'),
  'tag-key': ({ tags }) => Object.keys(tags),
  'tag:*': ({ tags }, key) => tags[key] ?? [],
  'volume-id': ({ volume }) => volume.volumeId,
  'volume-type': ({ volume }) => volume.volumeType,
};

/** EC2's DescribeVolumes. */
export function describeVolumes(
  ctx: Ec2Context,
  { VolumeIds = [], Filters = [] }: DescribeVolumesRequest,
): DescribeVolumesResult {
  const tests = filterTests(Filters, FILTERS);
  const asked = VolumeIds.length === 0 ? volumes.list(ctx.db) : VolumeIds.map((id) => volumeOf(ctx.db, id));
  const found = asked
    .map((volume) => ({ volume, tags: tagsOf(ctx.db, volume.volumeId) }))
    .filter((tagged) => tests.every((test) => test(tagged)));
  return { Volumes: found.map(({ volume }) => ec2Volume(ctx, volume)) };
}
