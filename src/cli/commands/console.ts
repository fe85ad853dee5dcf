import { defineCommand } from '../define-command.ts';

export const console_ = defineCommand({
  command: 'console <id>',
  describe: "attach to an instance's serial console (Ctrl-] leaves it)",
  positionals: { id: { type: 'string', describe: 'id, beginning of one, or name' } },
  examples: [['console web', 'for a guest that the network does not reach']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const { attachConsole } = await import('../../ec2/instances/connect.ts');
    out.info('serial console; Ctrl-] leaves it');
    const end = await attachConsole(ctx, resolveInstance(ctx.db, String(args['id'])), {
      input: process.stdin,
      output: process.stdout,
    });
    out.info(
      `\n${end === 'detached' ? 'left the console; the instance keeps running' : 'the machine ended'}`,
    );
  },
});
