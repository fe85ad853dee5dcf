import type { Snapshot } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';
import { formatAge, type Output } from '../output.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'snapshots',
  handler: async (_args, { out, open }) => {
    const ctx = open();
    const { describeSnapshots } = await import('../../ec2/snapshots/describe-snapshots.ts');
    const response = describeSnapshots(ctx, {});
    out.result(response, () => print(out, response.Snapshots ?? [], ctx));
  },
});

const create = defineCommand({
  command: 'create <source>',
  describe: 'take a snapshot of a volume, or of all volumes of an instance at the same moment',
  positionals: { source: { type: 'string', describe: 'volume or instance, by id or Name tag' } },
  options: {
    description: { type: 'string', describe: 'a sentence about it' },
    ...TAG_OPTIONS,
  },
  examples: [
    ['snapshot create web', 'of everything that the instance web has'],
    ['snapshot create vol-0123 -n before-upgrade', 'of one volume, by a name'],
  ],
  epilogue:
    'A running guest goes on: the snapshot is what a power cut would leave. Nothing is copied but what was written since the last snapshot.',
  handler: async (args, { out, open }) => {
    const ctx = open();
    const about = {
      Description: args.description ?? '',
      TagSpecifications: tagSpecifications('snapshot', args),
    };
    const source = String(args['source']);
    const { createSnapshot, createSnapshots } = await import('../../ec2/snapshots/create-snapshots.ts');
    const made = source.startsWith('vol-')
      ? [await createSnapshot(ctx, { VolumeId: await volumeId(ctx, source), ...about })]
      : ((
          await createSnapshots(ctx, {
            InstanceSpecification: { InstanceId: await instanceId(ctx, source) },
            ...about,
          })
        ).Snapshots ?? []);
    out.result({ Snapshots: made }, () => print(out, made, ctx));
  },
});

const copy = defineCommand({
  command: 'copy <snapshot>',
  describe: 'another snapshot of the same contents; it takes no space',
  positionals: { snapshot: { type: 'string', describe: 'snapshot id or Name tag' } },
  options: { description: { type: 'string', describe: 'a sentence about it' }, ...TAG_OPTIONS },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveSnapshot } = await import('../../ec2/snapshots/resolve-snapshot.ts');
    const { copySnapshot } = await import('../../ec2/snapshots/copy-snapshot.ts');
    const { snapshotId } = resolveSnapshot(ctx.db, String(args['snapshot']));
    const { description: Description } = args;
    const made = await copySnapshot(ctx, {
      SourceSnapshotId: snapshotId,
      ...(Description && { Description }),
      TagSpecifications: tagSpecifications('snapshot', args),
    });
    out.result(made, () => out.line(`${made.SnapshotId}  copied from ${snapshotId}`));
  },
});

const rm = defineCommand({
  command: 'rm <snapshot..>',
  describe: 'remove snapshots that no image has',
  positionals: { snapshot: { type: 'string', array: true, describe: 'snapshot ids, or Name tags' } },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveSnapshot } = await import('../../ec2/snapshots/resolve-snapshot.ts');
    const { deleteSnapshot } = await import('../../ec2/snapshots/delete-snapshot.ts');
    const ids = (args['snapshot'] as string[]).map((each) => resolveSnapshot(ctx.db, each).snapshotId);
    for (const SnapshotId of ids) await deleteSnapshot(ctx, { SnapshotId });
    out.result({ SnapshotIds: ids }, () => {
      for (const id of ids) out.line(`${id}  removed`);
    });
  },
});

export const snapshot = defineGroup('snapshot', 'snapshots: list, take, copy, remove', [
  ls,
  create,
  copy,
  rm,
]);

function print(out: Output, snapshots: readonly Snapshot[], ctx: Ec2Context): void {
  out.table(
    ['SNAPSHOT', 'STATE', 'SIZE', 'VOLUME', 'AGE', 'NAME', 'DESCRIPTION'],
    snapshots.map((each) => [
      each.SnapshotId ?? '',
      each.State ?? '',
      `${each.VolumeSize} GiB`,
      each.VolumeId === 'vol-ffffffff' ? '' : (each.VolumeId ?? ''),
      formatAge(each.StartTime, ctx.now()),
      each.Tags?.find(({ Key }) => Key === 'Name')?.Value ?? '',
      each.Description ?? '',
    ]),
  );
}

async function volumeId(ctx: Ec2Context, reference: string): Promise<string> {
  const { resolveVolume } = await import('../../ec2/volumes/resolve-volume.ts');
  return resolveVolume(ctx.db, reference).volumeId;
}

async function instanceId(ctx: Ec2Context, reference: string): Promise<string> {
  const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
  return resolveInstance(ctx.db, reference).instanceId;
}
