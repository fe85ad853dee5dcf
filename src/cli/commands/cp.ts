import { defineCommand } from '../define-command.ts';

export const cp = defineCommand({
  command: 'cp <paths..>',
  describe: 'copy files to or from an instance',
  positionals: {
    paths: { type: 'string', array: true, describe: 'SOURCE… TARGET; an instance side is NAME:PATH' },
  },
  options: {
    user: { alias: 'l', type: 'string', describe: "login name; without it the image's default user" },
    identity: { alias: 'i', type: 'string', describe: 'private key file' },
    inside: {
      type: 'boolean',
      describe: 'connect from inside its VPC, where no security group applies',
    },
  },
  examples: [
    ['cp site.conf web:/tmp/', 'to the instance'],
    ['cp web:/var/log/cloud-init.log .', 'from it'],
  ],
  handler: async (args, { open, exitWith }) => {
    const { UsageError } = await import('../../core/errors.ts');
    const { copyFiles } = await import('../../ec2/instances/connect.ts');
    const paths = args['paths'] as string[];
    const target = paths.at(-1);
    if (paths.length < 2 || target === undefined)
      throw new UsageError('a copy needs a source and a target', { hint: 'bonami cp FILE web:/tmp/' });
    exitWith(
      await copyFiles(open(), paths.slice(0, -1), target, {
        user: args.user,
        identityFile: args.identity,
        inside: args.inside,
      }),
    );
  },
});
