import { defineCommand } from '../define-command.ts';

export const ssh = defineCommand({
  command: 'ssh <id> [words..]',
  describe: 'log in to an instance, or run one command there',
  positionals: {
    id: { type: 'string', describe: 'id, beginning of one, or name' },
    words: { type: 'string', array: true, describe: 'a command; write it after --' },
  },
  options: {
    user: { alias: 'l', type: 'string', describe: "login name; without it the image's default user" },
    identity: { alias: 'i', type: 'string', describe: 'private key file' },
    inside: {
      type: 'boolean',
      describe: 'connect from inside its VPC, where no security group applies',
    },
    // What an OpenSSH configuration of ours has as its ProxyCommand.
    proxy: { type: 'boolean', hidden: true },
  },
  examples: [
    ['ssh web', 'a shell'],
    ['ssh web -- cloud-init status --long', 'one command; its exit code is passed on'],
    ['ssh --inside db', 'where no security group lets this host in'],
  ],
  handler: async (args, { open, rest, exitWith }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const instance = resolveInstance(ctx.db, String(args['id']));
    if (args.proxy === true) {
      const { proxySsh } = await import('../../ec2/instances/connect-inside.ts');
      return proxySsh(ctx, instance, { input: process.stdin, output: process.stdout });
    }
    const { openShell } = await import('../../ec2/instances/connect.ts');
    const words = [...((args['words'] as string[] | undefined) ?? []), ...rest];
    exitWith(
      await openShell(ctx, instance, words, {
        user: args.user,
        identityFile: args.identity,
        inside: args.inside,
      }),
    );
  },
});
