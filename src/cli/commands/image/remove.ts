import { UsageError } from '../../../core/errors.ts';
import { defineCommand } from '../../define-command.ts';
import { formatBytes } from '../../output.ts';

export const rm = defineCommand({
  command: 'rm <image..>',
  describe: 'remove images that no instance was made of',
  positionals: { image: { type: 'string', array: true, describe: 'image ids or names' } },
  options: {
    'keep-snapshots': { type: 'boolean', describe: 'leave its snapshots, to make another image of them' },
  },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveImage } = await import('../../../ec2/images/resolve-image.ts');
    const { deregisterImage } = await import('../../../ec2/images/deregister-image.ts');
    const ids = (args['image'] as string[]).map((each) => resolveImage(ctx.db, each).imageId);
    const results = [];
    for (const ImageId of ids)
      results.push(
        await deregisterImage(ctx, { ImageId, DeleteAssociatedSnapshots: args['keep-snapshots'] !== true }),
      );
    out.result(results.length === 1 ? results[0] : results, () => {
      for (const id of ids) out.line(`${id}  removed`);
    });
  },
});

export const prune = defineCommand({
  command: 'prune',
  describe: 'remove images that no instance was made of; without --yes only say which',
  options: {
    'older-than': { type: 'number', default: 0, describe: 'only those of at least so many days' },
    snapshots: { type: 'boolean', describe: 'snapshots that no image has, too' },
    yes: { alias: 'y', type: 'boolean', describe: 'do it' },
  },
  examples: [
    ['image prune', 'what would go, and how much space it takes'],
    ['image prune --older-than 30 --yes', 'remove what is older than a month'],
  ],
  handler: async (args, { out, open }) => {
    if (args['older-than'] < 0)
      throw new UsageError('--older-than takes a number of days that is not negative');
    const ctx = open();
    const { findPrunable, pruneImages } = await import('../../../ec2/images/prune-images.ts');
    const found = findPrunable(ctx, {
      olderThanMs: args['older-than'] * 86_400_000,
      snapshots: args.snapshots === true,
    });
    if (args.yes === true) await pruneImages(ctx, found);
    const { images, snapshotIds, bytes } = found;
    const answer = {
      ImageIds: images.map(({ imageId }) => imageId),
      SnapshotIds: snapshotIds,
      Bytes: bytes,
      Removed: args.yes === true,
    };
    out.result(answer, () => {
      for (const { imageId, name } of images) out.line(`${imageId}  ${name}`);
      for (const id of snapshotIds) out.line(id);
      if (images.length + snapshotIds.length === 0) out.info('nothing to remove');
      else if (args.yes === true) out.info(`removed; ${formatBytes(bytes)} are free again`);
      else out.info(`would free ${formatBytes(bytes)}; remove them with: bonami image prune --yes`);
    });
  },
});
