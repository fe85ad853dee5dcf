import { describe, expect, test } from 'vitest';
import {
  ACTIVE_STATES,
  ec2State,
  inState,
  REASONS,
  requireState,
} from '../../../../src/ec2/instances/instance-state.ts';
import { INSTANCE_STATES } from '../../../../src/store/instances.ts';
import { sampleInstance } from '../../../support/sample-instance.ts';

const RUNNING = sampleInstance({
  instanceId: 'i-0123456789abcdef0',
  stateReason: REASONS.launchFailed,
});

test("every state has EC2's code", () => {
  expect(INSTANCE_STATES.map(ec2State)).toEqual([
    { Code: 0, Name: 'pending' },
    { Code: 16, Name: 'running' },
    { Code: 32, Name: 'shutting-down' },
    { Code: 48, Name: 'terminated' },
    { Code: 64, Name: 'stopping' },
    { Code: 80, Name: 'stopped' },
  ]);
});

test('an instance may have a machine in every state but the two at rest', () => {
  expect(INSTANCE_STATES.filter((state) => !ACTIVE_STATES.has(state))).toEqual(['terminated', 'stopped']);
});

describe('requireState', () => {
  test('accepts any of the states', () => {
    expect(() => requireState(RUNNING, ['running'], 'stopped')).not.toThrow();
    expect(() => requireState(RUNNING, ['stopped', 'running'], 'terminated')).not.toThrow();
  });

  test('refuses the others, and names the instance, its state and what was wanted', () => {
    expect(() => requireState(RUNNING, ['stopped', 'stopping'], 'started')).toThrow(
      expect.objectContaining({
        code: 'IncorrectInstanceState',
        message: "The instance 'i-0123456789abcdef0' is running, so it cannot be started",
        hint: 'bonami wait i-0123456789abcdef0 --for stopped',
      }),
    );
  });
});

describe('inState', () => {
  const now = new Date('2026-02-03T04:05:06.789Z');

  test('changes the state, its time and its reason, and nothing else', () => {
    expect(inState(RUNNING, 'stopping', { now, reason: REASONS.userStop })).toEqual({
      ...RUNNING,
      state: 'stopping',
      stateReason: {
        code: 'Client.UserInitiatedShutdown',
        message: 'Client.UserInitiatedShutdown: User initiated shutdown',
      },
      stateChanged: '2026-02-03T04:05:06.789Z',
    });
  });

  test('forgets the old reason when there is no new one', () => {
    expect(inState(RUNNING, 'running', { now }).stateReason).toBeNull();
  });

  test('leaves the given record as it was', () => {
    const before = structuredClone(RUNNING);
    inState(RUNNING, 'stopped', { now, reason: REASONS.died });
    expect(RUNNING).toEqual(before);
  });
});

test('every reason begins with its code, as in EC2', () => {
  for (const { code, message } of Object.values(REASONS)) expect(message.startsWith(`${code}: `)).toBe(true);
});
