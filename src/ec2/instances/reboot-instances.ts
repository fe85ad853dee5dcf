import type { RebootInstancesRequest } from '@aws-sdk/client-ec2';
import { pressPowerAndReset } from '../../host/qemu/running-machine.ts';
import type { Ec2Context } from '../context.ts';
import { requireState } from './instance-state.ts';
import { forEach, withInstance } from './operation.ts';
import { reconcileInstances } from './reconcile.ts';
import { getInstance } from './resolve-instance.ts';

/** EC2 gives an operating system four minutes to shut down before a hard reboot; ours is watched by a person. */
const REBOOT_GRACE_MS = 30_000;

/**
 * EC2's RebootInstances: asks the guest to shut down cleanly, then resets it within the same machine process; a
 * guest that does not obey is reset, and with `force` every one at once. Also the way out for an instance that a panic or a full disk has paused.
 */
export async function rebootInstances(
  ctx: Ec2Context,
  request: RebootInstancesRequest,
  { force = false }: { readonly force?: boolean } = {},
): Promise<Record<string, never>> {
  const wanted = (request.InstanceIds ?? []).map((id) => getInstance(ctx.db, id));
  await reconcileInstances(ctx);
  await forEach(wanted, ({ instanceId }) =>
    withInstance(ctx, { instanceId, purpose: 'reboot' }, async (instance) => {
      requireState(instance, ['running'], 'rebooted');
      await pressPowerAndReset(ctx.layout.instance(instanceId), {
        graceMs: force ? 0 : REBOOT_GRACE_MS,
        signal: ctx.signal,
        onImpatience: () => {
          if (!force)
            ctx.report.warn(
              `${instanceId} did not shut down within ${REBOOT_GRACE_MS / 1000} s, so it is reset`,
            );
        },
      });
    }),
  );
  return {};
}
