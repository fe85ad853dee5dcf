import type { InstanceId } from '../../core/ids.ts';
import { withLock } from '../../host/process/lock.ts';
import { transact } from '../../store/database.ts';
import { instances, type Instance } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { getInstance } from './resolve-instance.ts';

/** Runs one action on one instance: a second one waits for its turn, then sees the state the first one left. */
export async function withInstance<T>(
  ctx: Ec2Context,
  { instanceId, purpose }: { readonly instanceId: InstanceId; readonly purpose: string },
  work: (instance: Instance) => Promise<T>,
): Promise<T> {
  return withLock(
    ctx.layout.instance(instanceId).operationLock,
    { purpose: `${purpose} ${instanceId}` },
    () => work(getInstance(ctx.db, instanceId)),
  );
}

/** Records a changed instance. */
export function record(ctx: Ec2Context, instance: Instance): Instance {
  transact(ctx.db, () => instances.update(ctx.db, instance));
  return instance;
}

/** Runs `work` for each, a few at a time, and lets all finish before the first failure is thrown. */
export async function forEach<T, R>(
  items: readonly T[],
  work: (item: T) => Promise<R>,
  atOnce = 4,
): Promise<readonly R[]> {
  const results: PromiseSettledResult<R>[] = [];
  const queue = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of queue)
      results[index] = await work(item).then(
        (value) => ({ status: 'fulfilled' as const, value }),
        (reason: unknown) => ({ status: 'rejected' as const, reason }),
      );
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
