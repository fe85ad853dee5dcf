import type { TerminateInstancesRequest, TerminateInstancesResult } from '@aws-sdk/client-ec2';
import { failpoint } from '../../core/failpoint.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { haltToTerminated, type HaltOptions } from './halt.ts';
import { ec2State, inState, REASONS } from './instance-state.ts';
import { forEach, record, withInstance } from './operation.ts';
import { reconcileInstances } from './reconcile.ts';
import { getInstance } from './resolve-instance.ts';

/**
 * EC2's TerminateInstances: the machine ends at once when nothing of its disks is kept, and cleanly otherwise; with
 * Force or SkipOsShutdown its guest is not asked. Everything with DeleteOnTermination goes. Terminating twice is no
 * error. Resolves when all is gone.
 */
export async function terminateInstances(
  ctx: Ec2Context,
  request: TerminateInstancesRequest,
): Promise<TerminateInstancesResult> {
  const wanted = (request.InstanceIds ?? []).map((id) => getInstance(ctx.db, id));
  const changes = await forEach(wanted, ({ instanceId }) =>
    withInstance(ctx, { instanceId, purpose: 'terminate' }, async (instance) => {
      const previous = ec2State(instance.state);
      if (instance.state !== 'terminated') {
        const doomed = record(
          ctx,
          inState(instance, 'shutting-down', { now: ctx.now(), reason: REASONS.userStop }),
        );
        failpoint('terminate:planned');
        await haltToTerminated(ctx, doomed, {
          reason: REASONS.userStop,
          manner: mannerOf(ctx, instanceId, request),
        });
      }
      return { InstanceId: instanceId, PreviousState: previous, CurrentState: ec2State('terminated') };
    }),
  );
  await reconcileInstances(ctx);
  return { TerminatingInstances: [...changes] };
}

/** What is kept must be flushed, even unasked. */
function mannerOf(
  ctx: Ec2Context,
  instanceId: string,
  { Force, SkipOsShutdown }: TerminateInstancesRequest,
): HaltOptions['manner'] {
  const keepsDisks = volumes
    .listBy(ctx.db, 'instance_id', instanceId)
    .some(({ attachment }) => attachment?.deleteOnTermination === false);
  if (!keepsDisks) return 'kill';
  return Force === true || SkipOsShutdown === true ? 'cut' : 'ask';
}
