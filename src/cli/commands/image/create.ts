import { defineCommand } from '../../define-command.ts';
import { TAG_OPTIONS, tagSpecifications } from '../../name-tag.ts';
import { printImage } from './print-images.ts';

export const create = defineCommand({
  command: 'create <id>',
  describe: 'make an image of an instance and all its volumes',
  positionals: { id: { type: 'string', describe: 'instance id or name' } },
  options: {
    name: { alias: 'n', type: 'string', demandOption: true, describe: 'name of the image' },
    description: { type: 'string', describe: 'a sentence about it' },
    reboot: {
      type: 'boolean',
      default: true,
      describe:
        'shut a running guest down for a moment; with --no-reboot the image is what a power cut would leave',
    },
    without: {
      type: 'string',
      array: true,
      nargs: 1,
      describe: 'device to leave out, like /dev/sdf; repeatable',
    },
    tag: TAG_OPTIONS.tag,
  },
  examples: [
    ['image create web -n web-golden', 'the guest shuts down, its disks are frozen, it boots again'],
    ['image create web -n web-now --no-reboot', 'without disturbing it'],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../../ec2/instances/resolve-instance.ts');
    const { createImage } = await import('../../../ec2/images/create-image.ts');
    const { ImageId = '' } = await createImage(ctx, {
      InstanceId: resolveInstance(ctx.db, String(args['id'])).instanceId,
      Name: args.name,
      Description: args.description ?? '',
      NoReboot: !args.reboot,
      BlockDeviceMappings: (args.without ?? []).map((DeviceName) => ({ DeviceName, NoDevice: '' })),
      TagSpecifications: tagSpecifications('image', { tag: args.tag }),
    });
    await printImage(ctx, out, ImageId);
  },
});
