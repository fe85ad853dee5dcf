import { defineCommand } from '../define-command.ts';
import { TIMEOUT } from '../parse.ts';

export const wait = defineCommand({
  command: 'wait <id>',
  describe: 'wait until an instance is running, reachable, set up or stopped',
  positionals: { id: { type: 'string', describe: 'id, beginning of one, or name' } },
  options: {
    for: {
      choices: ['running', 'ssh', 'cloud-init', 'stopped', 'terminated'] as const,
      demandOption: true,
      describe: 'the condition',
    },
    timeout: TIMEOUT,
  },
  examples: [['wait web --for cloud-init', 'until cloud-init has finished, with its verdict']],
  handler: async (args, { out, open, exitWith }) => {
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const { waitForInstance } = await import('../../ec2/instances/readiness.ts');
    const instance = resolveInstance(ctx.db, String(args['id']));
    const readiness = await waitForInstance(ctx, {
      instanceId: instance.instanceId,
      condition: args.for,
      timeoutMs: args.timeout * 1000,
    });
    if (args.for !== 'cloud-init') {
      out.result({ InstanceId: instance.instanceId, Condition: args.for }, () =>
        out.line(`${instance.instanceId} is ${args.for === 'ssh' ? 'reachable by ssh' : args.for}`),
      );
      return;
    }
    const { cloudInitReport } = await import('../../ec2/instances/cloud-init-report.ts');
    const { printVerdict } = await import('../print-report.ts');
    const report = await cloudInitReport(ctx, instance, readiness);
    out.result(report, () => printVerdict(out, report));
    if (report.verdict === 'error') exitWith(1);
  },
});
