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
  },
  examples: [
    ['ssh web', 'a shell'],
    ['ssh web -- cloud-init status --long', 'one command; its exit code is passed on'],
  ],
  handler: async (args, { open, rest, exitWith }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const { openShell } = await import('../../ec2/instances/connect.ts');
    const words = [...((args['words'] as string[] | undefined) ?? []), ...rest];
    exitWith(
      await openShell(ctx, resolveInstance(ctx.db, String(args['id'])), words, {
        user: args.user,
        identityFile: args.identity,
      }),
    );
  },
});
