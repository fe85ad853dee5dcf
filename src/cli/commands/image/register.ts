import { ARCHITECTURES, BOOT_MODES } from '../../../core/architecture.ts';
import { FIRST_BOOTS } from '../../../core/first-boot.ts';
import { defineCommand } from '../../define-command.ts';
import { TAG_OPTIONS, tagSpecifications } from '../../name-tag.ts';
import { parseBlockDevice } from '../../parse.ts';
import { printImage } from './print-images.ts';

export const register = defineCommand({
  command: 'register <name>',
  describe: 'make an image of snapshots',
  positionals: { name: { type: 'string', describe: 'name of the image' } },
  options: {
    'block-device': {
      alias: 'b',
      type: 'string',
      array: true,
      nargs: 1,
      demandOption: true,
      describe: 'DEVICE=snap-…, and others as for run; repeatable',
    },
    'root-device': { type: 'string', default: '/dev/xvda', describe: 'the device that it boots from' },
    description: { type: 'string', describe: 'a sentence about it' },
    architecture: { choices: ARCHITECTURES, default: 'x86_64' as const, describe: 'of its programs' },
    'boot-mode': { choices: BOOT_MODES, describe: 'firmware that it boots by' },
    user: { type: 'string', default: 'ec2-user', describe: 'login of its default user' },
    'first-boot': {
      choices: FIRST_BOOTS,
      default: 'cloud-init' as const,
      describe: 'what configures it at its first boot',
    },
    tag: TAG_OPTIONS.tag,
  },
  examples: [
    [
      'image register restored -b /dev/xvda=snap-0123456789abcdef0',
      'an image of a snapshot of a root volume',
    ],
  ],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { registerImage } = await import('../../../ec2/images/register-image.ts');
    const { ImageId = '' } = registerImage(ctx, {
      Name: String(args['name']),
      Description: args.description ?? '',
      RootDeviceName: args['root-device'],
      // EC2 has no 32-bit ARM.
      Architecture: args.architecture as 'x86_64',
      ...(args['boot-mode'] === undefined ? {} : { BootMode: args['boot-mode'] }),
      BlockDeviceMappings: args['block-device'].map(parseBlockDevice),
      TagSpecifications: tagSpecifications('image', { tag: args.tag }),
      Bonami: { DefaultUser: args.user, FirstBoot: args['first-boot'] },
    });
    await printImage(ctx, out, ImageId);
  },
});
