import { defineCommand } from '../../define-command.ts';
import { formatBytes } from '../../output.ts';
import { S3_OPTIONS } from './import.ts';
import { printImage } from './print-images.ts';

const FORMATS = ['qcow2', 'raw', 'vmdk', 'vhd', 'vhdx', 'vdi', 'ova', 'tar'] as const;

export const export_ = defineCommand({
  command: 'export <image> <destination>',
  describe: 'write an image to a file or an S3 object',
  positionals: {
    image: { type: 'string', describe: 'image id or name' },
    destination: { type: 'string', describe: 'path, or s3://bucket/key' },
  },
  options: {
    format: {
      choices: FORMATS,
      describe: "without it by the destination's name; tar is a bundle of everything",
    },
    compress: { type: 'boolean', describe: 'compress a qcow2 file or a bundle (zstd)' },
    force: { type: 'boolean', describe: 'replace a file that is there' },
    ...S3_OPTIONS,
  },
  examples: [
    ['image export web-golden web.qcow2', 'its root disk'],
    ['image export web-golden web.ova', 'for VMware and VirtualBox'],
    [
      'image export web-golden web.tar.zst',
      'all its disks, mappings and settings, for image import elsewhere',
    ],
    ['image export web-golden s3://images/web.vmdk', 'straight into a bucket'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { exportImage } = await import('../../../ec2/images/export-image.ts');
    const made = await exportImage(ctx, {
      image: String(args['image']),
      destination: String(args['destination']),
      format: args.format,
      compress: args.compress === true,
      replace: args.force === true,
      s3: { endpoint: args['endpoint-url'], region: args.region },
    });
    out.result(made, () =>
      out.line(
        [
          `${made.Destination}  ${made.Format}`,
          made.Bytes === undefined ? undefined : formatBytes(made.Bytes),
          made.Sha256 === undefined ? undefined : `sha256 ${made.Sha256}`,
        ]
          .filter(Boolean)
          .join(', '),
      ),
    );
  },
});

export const store = defineCommand({
  command: 'store <image> <bucket>',
  describe: 'put an image into an S3 bucket, from which any host can restore it',
  positionals: {
    image: { type: 'string', describe: 'image id or name' },
    bucket: { type: 'string', describe: 'a bucket of an S3-compatible store' },
  },
  options: { ...S3_OPTIONS },
  examples: [
    ['image store web-golden team-images', 'then elsewhere: bonami image restore team-images ami-….bin'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createStoreImageTask } = await import('../../../ec2/images/store-image-task.ts');
    const { resolveImage } = await import('../../../ec2/images/resolve-image.ts');
    const { imageId } = resolveImage(ctx.db, String(args['image']));
    const bucket = String(args['bucket'])
      .replace(/^s3:\/\//, '')
      .replace(/\/$/, '');
    const made = await createStoreImageTask(ctx, {
      ImageId: imageId,
      Bucket: bucket,
      Bonami: { endpoint: args['endpoint-url'], region: args.region },
    });
    out.result(made, () => out.line(`${imageId}  stored as s3://${bucket}/${made.ObjectKey}`));
  },
});

export const restore = defineCommand({
  command: 'restore <bucket> <key>',
  describe: 'make an image of what image store has put into a bucket',
  positionals: {
    bucket: { type: 'string', describe: 'the bucket' },
    key: { type: 'string', describe: 'the object, like ami-0123456789abcdef0.bin' },
  },
  options: {
    name: { alias: 'n', type: 'string', describe: 'name; without it the one that it was stored by' },
    ...S3_OPTIONS,
  },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createRestoreImageTask } = await import('../../../ec2/images/store-image-task.ts');
    const { ImageId = '' } = await createRestoreImageTask(ctx, {
      Bucket: String(args['bucket'])
        .replace(/^s3:\/\//, '')
        .replace(/\/$/, ''),
      ObjectKey: String(args['key']),
      ...(args.name === undefined ? {} : { Name: args.name }),
      Bonami: { endpoint: args['endpoint-url'], region: args.region },
    });
    await printImage(ctx, out, ImageId);
  },
});
