import { defineCommand } from '../define-command.ts';

export const logs = defineCommand({
  command: 'logs <id>',
  describe: 'print what an instance wrote to its console',
  positionals: { id: { type: 'string', describe: 'id, beginning of one, or name' } },
  options: { follow: { alias: 'f', type: 'boolean', describe: 'go on until the instance ends' } },
  examples: [['logs web -f', 'watch it boot']],
  handler: async (args, { out, open, exitWith, signal }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const instance = resolveInstance(ctx.db, String(args['id']));
    if (out.isJson) {
      const { getConsoleOutput } = await import('../../ec2/instances/get-console-output.ts');
      out.result(getConsoleOutput(ctx, { InstanceId: instance.instanceId }), () => undefined);
      return;
    }
    const { consoleLog } = await import('../../ec2/instances/connect.ts');
    try {
      for await (const text of consoleLog(ctx, instance, { follow: args.follow === true })) out.raw(text);
    } catch (error) {
      // Ctrl-C is how following ends.
      if (!signal.aborted) throw error;
      exitWith(130);
    }
  },
});
