import type { StartInstancesRequest, StartInstancesResult } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../context.ts';
import { ec2State, inState, REASONS, requireState } from './instance-state.ts';
import { launch } from './launch.ts';
import { forEach, record, withInstance } from './operation.ts';
import { reconcileInstances, rollBack } from './reconcile.ts';
import { getInstance } from './resolve-instance.ts';

/** EC2's StartInstances. Starting a running instance is no error. Resolves when the machines run. */
export async function startInstances(
  ctx: Ec2Context,
  request: StartInstancesRequest,
): Promise<StartInstancesResult> {
  const wanted = (request.InstanceIds ?? []).map((id) => getInstance(ctx.db, id));
  await reconcileInstances(ctx);
  const changes = await forEach(wanted, ({ instanceId }) =>
    withInstance(ctx, { instanceId, purpose: 'start' }, async (instance) => {
      const previous = ec2State(instance.state);
      if (instance.state !== 'running') {
        requireState(instance, ['stopped'], 'started');
        const pending = record(ctx, {
          ...inState(instance, 'pending', { now: ctx.now() }),
          launchTime: ctx.now().toISOString(),
        });
        try {
          await launch(ctx, instanceId);
        } catch (error) {
          await rollBack(ctx, pending, REASONS.launchFailed);
          throw error;
        }
      }
      return { InstanceId: instanceId, PreviousState: previous, CurrentState: ec2State('running') };
    }),
  );
  return { StartingInstances: [...changes] };
}
