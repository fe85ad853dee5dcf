import { defineCommand } from '../define-command.ts';
import { printInstances } from '../print-instances.ts';

export const ls = defineCommand({
  command: 'ls',
  aliases: ['list'],
  describe: 'list instances',
  options: {
    all: { alias: 'a', type: 'boolean', describe: 'terminated ones too' },
    filter: {
      type: 'string',
      array: true,
      nargs: 1,
      describe: "NAME=VALUE[,VALUE], EC2's filters; repeatable",
    },
  },
  examples: [
    ['ls', 'what there is'],
    [
      'ls --filter tag:Name=web* --filter instance-state-name=running',
      'running ones whose name begins with web',
    ],
  ],
  handler: async (args, { out, open }) => {
    const { describeInstances, parseFilter } = await import('../../ec2/instances/describe-instances.ts');
    const ctx = open();
    const response = await describeInstances(ctx, { Filters: (args.filter ?? []).map(parseFilter) });
    const reservations = (response.Reservations ?? [])
      .map((each) => ({
        ...each,
        Instances: (each.Instances ?? []).filter(
          ({ State }) => args.all === true || State?.Name !== 'terminated',
        ),
      }))
      .filter(({ Instances }) => Instances.length > 0);
    out.result({ ...response, Reservations: reservations }, () => {
      const instances = reservations.flatMap(({ Instances }) => Instances);
      if (instances.length === 0) out.info('no instances; launch one with: bonami run');
      else printInstances(out, instances, ctx.now());
    });
  },
});
