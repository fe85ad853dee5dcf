// Ports of this host that are an instance's. Connections come from the VPC's own router, so no security group needs to
// be opened, as for EC2's Session Manager (AWS: "Session Manager port forwarding"). TCP only.
import { setTimeout as sleep } from 'node:timers/promises';
import { Ec2Error } from '../../core/errors.ts';
import { forwardPort, type ListenAt, type OpenForward } from '../../host/link/port-forward.ts';
import { instances, type Instance } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { connectorTo, privateAddress } from './connect-inside.ts';

/** How often it is asked whether an instance still runs. */
const LOOK_MS = 500;

export interface PortRequest {
  readonly listen: ListenAt;
  /** Port of the instance. */
  readonly target: number;
}

/** A port of this host that is an instance's. */
export interface ForwardedPort {
  readonly address: string;
  readonly port: number;
  readonly target: number;
}

export interface ForwardListener {
  /** All ports are listened on. */
  readonly onOpen: (forwarded: readonly ForwardedPort[]) => void;
  /** A connection could not be passed on. */
  readonly onRefused: (error: unknown) => void;
}

/**
 * Passes TCP connections to ports of this host on to an instance, until the signal. Nothing stays when it ends,
 * however it ends. Throws `IncorrectInstanceState` when the instance does not run, or no longer.
 */
export async function forwardPorts(
  ctx: Ec2Context,
  instance: Instance,
  requests: readonly PortRequest[],
  { onOpen, onRefused }: ForwardListener,
): Promise<never> {
  const address = privateAddress(ctx, instance);
  const connector = connectorTo(ctx, instance);
  const open: OpenForward[] = [];
  try {
    for (const { listen, target } of requests)
      open.push(
        await forwardPort(listen, {
          connect: async () => connector.connect({ address, port: target }),
          onRefused: (error) => {
            if (!ctx.signal.aborted) onRefused(error);
          },
        }),
      );
    onOpen(open.map((each, index) => ({ ...each, target: requests[index]?.target ?? 0 })));
    return await whileRunning(ctx, instance);
  } finally {
    for (const each of open) each.close();
    connector.close();
  }
}

async function whileRunning(ctx: Ec2Context, { instanceId }: Instance): Promise<never> {
  for (;;) {
    await sleep(LOOK_MS, undefined, { signal: ctx.signal });
    const state = instances.get(ctx.db, instanceId)?.state ?? 'terminated';
    if (state !== 'running')
      throw new Ec2Error(
        'IncorrectInstanceState',
        `The instance '${instanceId}' is ${state}: its ports are no longer forwarded`,
        { hint: `bonami show ${instanceId}` },
      );
  }
}
