import type { StopInstancesRequest, StopInstancesResult } from '@aws-sdk/client-ec2';
import { failpoint } from '../../core/failpoint.ts';
import type { Ec2Context } from '../context.ts';
import { haltToStopped } from './halt.ts';
import { ec2State, inState, REASONS, requireState } from './instance-state.ts';
import { forEach, record, withInstance } from './operation.ts';
import { getInstance } from './resolve-instance.ts';
import { reconcileInstances } from './reconcile.ts';

/**
 * EC2's StopInstances: presses the power button, waits, and switches off a guest that does not obey. With Force
 * it is switched off at once (its disks are flushed by QEMU, not by the guest). Stopping a stopped instance is
 * no error. Resolves when the instances are stopped.
 */
export async function stopInstances(
  ctx: Ec2Context,
  request: StopInstancesRequest,
): Promise<StopInstancesResult> {
  const wanted = (request.InstanceIds ?? []).map((id) => getInstance(ctx.db, id));
  await reconcileInstances(ctx);
  const changes = await forEach(wanted, ({ instanceId }) =>
    withInstance(ctx, { instanceId, purpose: 'stop' }, async (instance) => {
      const previous = ec2State(instance.state);
      if (instance.state !== 'stopped') {
        requireState(instance, ['running', 'stopping'], 'stopped');
        const stopping = record(
          ctx,
          inState(instance, 'stopping', { now: ctx.now(), reason: REASONS.userStop }),
        );
        failpoint('stop:planned');
        await haltToStopped(ctx, stopping, {
          reason: REASONS.userStop,
          manner: request.Force === true ? 'cut' : 'ask',
        });
      }
      return { InstanceId: instanceId, PreviousState: previous, CurrentState: ec2State('stopped') };
    }),
  );
  return { StoppingInstances: [...changes] };
}
