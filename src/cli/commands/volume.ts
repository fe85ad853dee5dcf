import type { Volume } from '@aws-sdk/client-ec2';
import { defineCommand, defineGroup } from '../define-command.ts';
import { TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';
import type { Output } from '../output.ts';
import { VOLUME_TYPE_NAMES } from '../parse.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'volumes, and what has them',
  handler: async (_args, { out, open }) => {
    const ctx = open();
    const { describeVolumes } = await import('../../ec2/volumes/describe-volumes.ts');
    const response = describeVolumes(ctx, {});
    out.result(response, () => {
      out.table(
        ['VOLUME', 'STATE', 'SIZE', 'TYPE', 'INSTANCE', 'DEVICE', 'SNAPSHOT'],
        (response.Volumes ?? []).map((each) => [
          each.VolumeId ?? '',
          each.State ?? '',
          `${each.Size} GiB`,
          each.VolumeType ?? '',
          each.Attachments?.[0]?.InstanceId ?? '',
          each.Attachments?.[0]?.Device ?? '',
          each.SnapshotId ?? '',
        ]),
      );
    });
  },
});

const show = defineCommand({
  command: 'show <volume>',
  describe: 'show all about one volume',
  positionals: { volume: { type: 'string', describe: 'volume id, its beginning, or its Name tag' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVolume } = await import('../../ec2/volumes/resolve-volume.ts');
    const { describeVolumes } = await import('../../ec2/volumes/describe-volumes.ts');
    const { volumeId } = resolveVolume(ctx.db, String(args['volume']));
    const [found] = describeVolumes(ctx, { VolumeIds: [volumeId] }).Volumes ?? [];
    if (found) out.result(found, () => printVolume(out, found));
  },
});

const create = defineCommand({
  command: 'create',
  describe: 'make a volume, empty or of a snapshot',
  options: {
    size: { type: 'number', describe: "GiB; without it the snapshot's" },
    snapshot: { type: 'string', describe: 'snapshot to begin as' },
    type: { choices: VOLUME_TYPE_NAMES, describe: 'volume type, whose limits are then enforced' },
    iops: { type: 'number', describe: 'I/O operations a second (gp3, io1, io2)' },
    throughput: { type: 'number', describe: 'MiB/s (gp3)' },
    ...TAG_OPTIONS,
  },
  examples: [
    ['volume create --size 20', 'an empty one'],
    ['volume create --snapshot snap-0123', 'what a snapshot holds'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createVolume } = await import('../../ec2/volumes/create-volume.ts');
    const { resolveSnapshot } = await import('../../ec2/snapshots/resolve-snapshot.ts');
    const made = await createVolume(ctx, {
      ...(args.size === undefined ? {} : { Size: args.size }),
      ...(args.snapshot === undefined
        ? {}
        : { SnapshotId: resolveSnapshot(ctx.db, args.snapshot).snapshotId }),
      ...(args.type === undefined ? {} : { VolumeType: args.type }),
      ...(args.iops === undefined ? {} : { Iops: args.iops }),
      ...(args.throughput === undefined ? {} : { Throughput: args.throughput }),
      TagSpecifications: tagSpecifications('volume', args),
    });
    out.result(made, () => printVolume(out, made));
  },
});

const rm = defineCommand({
  command: 'rm <volume..>',
  describe: 'remove volumes that no instance has',
  positionals: { volume: { type: 'string', array: true, describe: 'volume ids, or Name tags' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveVolume } = await import('../../ec2/volumes/resolve-volume.ts');
    const { deleteVolume } = await import('../../ec2/volumes/delete-volume.ts');
    const ids = (args['volume'] as string[]).map((each) => resolveVolume(ctx.db, each).volumeId);
    for (const VolumeId of ids) await deleteVolume(ctx, { VolumeId });
    out.result({ VolumeIds: ids }, () => {
      for (const id of ids) out.line(`${id}  removed`);
    });
  },
});

export const volume = defineGroup('volume', 'volumes: list, show, make, remove', [ls, show, create, rm]);

function printVolume(out: Output, each: Volume): void {
  const [attachment] = each.Attachments ?? [];
  out.facts([
    ['volume', each.VolumeId],
    ['state', each.State],
    ['size', `${each.Size} GiB`],
    [
      'type',
      `${each.VolumeType}, ${each.Iops ?? '-'} IOPS${each.Throughput ? `, ${each.Throughput} MiB/s` : ''}`,
    ],
    ['began as', each.SnapshotId === '' ? 'empty' : each.SnapshotId],
    [
      'attached',
      attachment &&
        `${attachment.Device} of ${attachment.InstanceId}${attachment.DeleteOnTermination ? ', goes with it' : ', outlives it'}`,
    ],
    ['zone', each.AvailabilityZone],
    ['created', each.CreateTime?.toISOString()],
    ['tags', each.Tags?.map(({ Key, Value }) => `${Key}=${Value}`).join(', ')],
  ]);
}
