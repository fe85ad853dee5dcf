import { messageOf } from '../../core/errors.ts';
import { defineCommand } from '../define-command.ts';
import { parsePort } from '../parse-port.ts';

export const portForward = defineCommand({
  command: 'port-forward <id> <ports..>',
  describe: 'pass ports of this host on to an instance, until Ctrl-C',
  positionals: {
    id: { type: 'string', describe: 'id, beginning of one, or name' },
    ports: { type: 'string', array: true, describe: '[[ADDRESS:]PORT:]PORT of the instance; repeatable' },
  },
  examples: [
    ['port-forward web 8080:80', 'http://127.0.0.1:8080 is port 80 of web'],
    ['port-forward db :5432', 'any free port, which is printed'],
    ['port-forward web 0.0.0.0:8080:80', 'for other hosts, too'],
  ],
  epilogue:
    "Connections come from the VPC's own router, so security groups need not let anybody in. TCP only; needs no root.",
  handler: async (args, { out, open, signal, exitWith }) => {
    const requests = (args['ports'] as string[]).map(parsePort);
    const ctx = open();
    const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
    const { forwardPorts } = await import('../../ec2/instances/forward-ports.ts');
    const instance = resolveInstance(ctx.db, String(args['id']));
    try {
      await forwardPorts(ctx, instance, requests, {
        onOpen: (forwarded) =>
          out.result(
            {
              InstanceId: instance.instanceId,
              Ports: forwarded.map(({ address, port, target }) => ({
                Address: address,
                Port: port,
                InstancePort: target,
              })),
            },
            () => {
              for (const { address, port, target } of forwarded)
                out.line(
                  `${address.includes(':') ? `[${address}]` : address}:${port} -> ${instance.instanceId} port ${target}`,
                );
            },
          ),
        onRefused: (error) => out.warn(messageOf(error)),
      });
    } catch (error) {
      // Ctrl-C is how it ends.
      if (!signal.aborted) throw error;
      exitWith(130);
    }
  },
});
