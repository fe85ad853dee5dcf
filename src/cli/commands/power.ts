import type { InstanceStateChange } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand } from '../define-command.ts';
import type { Output } from '../output.ts';

const ids = { ids: { type: 'string', array: true, describe: 'ids, beginnings of ids, or names' } } as const;

export const stop = defineCommand({
  command: 'stop <ids..>',
  describe: 'stop instances: power button, then a deadline; disks stay',
  positionals: ids,
  options: { force: { type: 'boolean', describe: 'switch off at once, without asking the guest' } },
  examples: [['stop web', 'its disks and addresses stay']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const InstanceIds = await resolveIds(ctx.db, args['ids']);
    const { stopInstances } = await import('../../ec2/instances/stop-instances.ts');
    out.progress({ label: `stopping ${InstanceIds.join(', ')}` });
    const response = await stopInstances(ctx, {
      InstanceIds,
      ...(args.force === true ? { Force: true } : {}),
    });
    out.result(response, () => printChanges(out, response.StoppingInstances ?? []));
  },
});

export const start = defineCommand({
  command: 'start <ids..>',
  describe: 'start stopped instances',
  positionals: ids,
  options: {
    force: { type: 'boolean', describe: 'for scripts that pass it to stop as well; no difference' },
  },
  examples: [['start web', 'the same disks, the same address']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const InstanceIds = await resolveIds(ctx.db, args['ids']);
    const { startInstances } = await import('../../ec2/instances/start-instances.ts');
    const response = await startInstances(ctx, { InstanceIds });
    out.result(response, () => printChanges(out, response.StartingInstances ?? []));
  },
});

export const reboot = defineCommand({
  command: 'reboot <ids..>',
  describe: 'reboot instances; a guest that does not obey is reset',
  positionals: ids,
  options: { force: { type: 'boolean', describe: 'reset at once, without asking the guest' } },
  examples: [['reboot web', 'also wakes one that a kernel panic has paused']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const InstanceIds = await resolveIds(ctx.db, args['ids']);
    const { rebootInstances } = await import('../../ec2/instances/reboot-instances.ts');
    out.progress({ label: `rebooting ${InstanceIds.join(', ')}` });
    const response = await rebootInstances(ctx, { InstanceIds }, { force: args.force === true });
    out.result(response, () => InstanceIds.forEach((id) => out.line(`${id}  rebooted`)));
  },
});

export const terminate = defineCommand({
  command: 'terminate <ids..>',
  aliases: ['rm'],
  describe: 'end instances for good, with every volume that is not to be kept',
  positionals: ids,
  options: {
    force: { type: 'boolean', describe: 'without asking the guest, even where volumes are kept' },
  },
  examples: [['terminate web', 'nothing of it stays']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const InstanceIds = await resolveIds(ctx.db, args['ids']);
    const { terminateInstances } = await import('../../ec2/instances/terminate-instances.ts');
    const response = await terminateInstances(ctx, {
      InstanceIds,
      ...(args.force === true ? { Force: true } : {}),
    });
    out.result(response, () => printChanges(out, response.TerminatingInstances ?? []));
  },
});

async function resolveIds(db: Ec2Context['db'], words: unknown): Promise<string[]> {
  const { resolveInstanceIds } = await import('../../ec2/instances/resolve-instance.ts');
  return [...new Set(resolveInstanceIds(db, words as string[]))];
}

function printChanges(out: Output, changes: readonly InstanceStateChange[]): void {
  for (const { InstanceId, PreviousState, CurrentState } of changes)
    out.line(`${InstanceId}  ${PreviousState?.Name} -> ${CurrentState?.Name}`);
}
