// The life of an instance on one page. What is stored is an intention; the transitional states are write-ahead
// intents: whoever finds one whose operation lock is free finishes it (reconcile.ts).
//
//   (plan) -> pending -> running -> stopping -> stopped -> pending -> …
//                |          |           |           |
//                |          +-----------+-----------+--> shutting-down -> terminated -> (forgotten after an hour)
//                +--> terminated: the launch failed and everything it had made is gone
//   running -> stopped | terminated: the guest powered off or its machine died (by InstanceInitiatedShutdownBehavior)
import type { InstanceState } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Instance, InstanceStateName } from '../../store/instances.ts';

/** EC2's codes (AWS: InstanceState). */
const CODES: Readonly<Record<InstanceStateName, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

export function ec2State(name: InstanceStateName): InstanceState {
  return { Code: CODES[name], Name: name };
}

/** States in which an instance has, or may have, a machine, a plugged interface and answers from the metadata service. */
export const ACTIVE_STATES: ReadonlySet<InstanceStateName> = new Set([
  'pending',
  'running',
  'stopping',
  'shutting-down',
]);

/** Throws EC2's `IncorrectInstanceState` unless the instance is in one of the states. */
export function requireState(
  instance: Instance,
  allowed: readonly InstanceStateName[],
  action: string,
): void {
  if (allowed.includes(instance.state)) return;
  throw new Ec2Error(
    'IncorrectInstanceState',
    `The instance '${instance.instanceId}' is ${instance.state}, so it cannot be ${action}`,
    {
      hint: `bonami wait ${instance.instanceId} --for ${allowed[0] ?? 'running'}`,
    },
  );
}

/** The same instance in another state, with EC2's reason for the change. */
export function inState(
  instance: Instance,
  state: InstanceStateName,
  { now, reason = null }: { readonly now: Date; readonly reason?: Instance['stateReason'] },
): Instance {
  return { ...instance, state, stateReason: reason, stateChanged: now.toISOString() };
}

/** EC2's StateReason codes that bonami gives (AWS: StateReason). */
export const REASONS = {
  userStop: {
    code: 'Client.UserInitiatedShutdown',
    message: 'Client.UserInitiatedShutdown: User initiated shutdown',
  },
  guestShutdown: {
    code: 'Client.InstanceInitiatedShutdown',
    message: 'Client.InstanceInitiatedShutdown: Instance initiated shutdown',
  },
  died: { code: 'Server.InternalError', message: 'Server.InternalError: the machine ended unexpectedly' },
  launchFailed: { code: 'Server.InternalError', message: 'Server.InternalError: Internal error on launch' },
  launchAbandoned: {
    code: 'Server.InternalError',
    message: 'Server.InternalError: the launch was interrupted',
  },
} as const satisfies Readonly<Record<string, NonNullable<Instance['stateReason']>>>;
