// The agent's ear at every running machine. What QEMU says is written to the instance's events; a machine that ends
// is settled at once instead of when somebody next looks.
import { readFileSync } from 'node:fs';
import type { InstanceId, VpcId } from '../../core/ids.ts';
import { isMachineAlive } from '../../host/qemu/running-machine.ts';
import { QmpConnection, type QmpEvent } from '../../host/qemu/qmp.ts';
import { instances } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { appendEvent } from './events.ts';
import { ACTIVE_STATES } from './instance-state.ts';
import { reconcileOne } from './reconcile.ts';

/** Events worth keeping (QMP reference manual, "Events"). */
const KEPT = new Set([
  'SHUTDOWN',
  'RESET',
  'STOP',
  'RESUME',
  'GUEST_PANICKED',
  'BLOCK_IO_ERROR',
  'BLOCK_IMAGE_CORRUPTED',
  'WATCHDOG',
]);

export interface MachineWatch {
  /** Looks for machines to listen to; resolves to the VPCs that have active instances. */
  look(): Promise<ReadonlySet<VpcId>>;
  close(): void;
}

export function watchMachines(ctx: Ec2Context, onError: (error: unknown) => void): MachineWatch {
  let isClosed = false;
  const heard = new Map<InstanceId, QmpConnection>();

  const listen = async (instanceId: InstanceId): Promise<void> => {
    const paths = ctx.layout.instance(instanceId);
    const qmp = await QmpConnection.open(paths.qmpAgent, {
      timeoutMs: 2_000,
      alive: () => isMachineAlive(paths),
    });
    heard.set(instanceId, qmp);
    qmp.onEvent((event) => keep(ctx, instanceId, event));
    void qmp.closed.then(async () => {
      heard.delete(instanceId);
      if (isClosed) return;
      // The socket closes a moment before the process is gone.
      for (let tries = 0; tries < 100 && isMachineAlive(paths); tries++)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await reconcileOne(ctx, instanceId).catch(onError);
    });
  };

  return {
    async look() {
      const active = instances.list(ctx.db).filter(({ state }) => ACTIVE_STATES.has(state));
      for (const { instanceId, state } of active) {
        if (state !== 'running' || heard.has(instanceId)) continue;
        if (isMachineAlive(ctx.layout.instance(instanceId))) await listen(instanceId).catch(onError);
        else await reconcileOne(ctx, instanceId).catch(onError);
      }
      return new Set(active.map(({ vpcId }) => vpcId));
    },
    close() {
      isClosed = true;
      for (const qmp of heard.values()) qmp.close();
    },
  };
}

function keep(ctx: Ec2Context, instanceId: InstanceId, { event, data }: QmpEvent): void {
  if (!KEPT.has(event)) return;
  const reason = data?.['reason'];
  appendEvent(ctx.layout.instance(instanceId), {
    t: Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]),
    kind: 'qmp',
    event,
    ...(typeof reason === 'string' ? { reason } : {}),
  });
}
