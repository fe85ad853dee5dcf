// When is an instance ready? Told from outside, without any agent in the guest: its machine, its console, its
// metadata requests, its SSH banner. Each wait names its condition, has a deadline, and sees a death at once.
import { BonamiError, HostError } from '../../core/errors.ts';
import { machineStatus } from '../../host/qemu/running-machine.ts';
import { readBanner, type Endpoint } from '../../host/link/tcp-probe.ts';
import { plainText, readFrom } from '../../host/serial/console-log.ts';
import { waitUntil } from '../../host/wait-until.ts';
import { instances, type Instance } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { sshEndpoint } from './connect.ts';
import { consoleStart } from './console-start.ts';
import { LineReader, readConsoleLine, STAGE_NAMES, type ConsoleMark } from './console-stages.ts';
import { readEvents } from './events.ts';
import { reconcileInstances } from './reconcile.ts';

export const CONDITIONS = ['running', 'ssh', 'cloud-init', 'stopped', 'terminated'] as const;
export type Condition = (typeof CONDITIONS)[number];

export interface WaitRequest {
  readonly instanceId: Instance['instanceId'];
  readonly condition: Condition;
  readonly timeoutMs: number;
}

export interface Readiness {
  /** What the console said so far, in order. */
  readonly marks: readonly TimedMark[];
  /** Seconds from the machine's start, by this host's clock, until the condition held. */
  readonly seconds: number;
}

/** A mark and when this host saw it, in seconds since the wait began. */
export type TimedMark = ConsoleMark & { readonly seenAt: number };

const CONSOLE_TAIL = 12;

/**
 * Waits until the condition holds. Throws `WaitTimeout`, naming what was awaited, the stage the guest is in and the
 * console's last lines; throws at once when the instance ends or its kernel panics.
 */
export async function waitForInstance(
  ctx: Ec2Context,
  { instanceId, condition, timeoutMs }: WaitRequest,
): Promise<Readiness> {
  const began = performance.now();
  const watch = new ConsoleWatch(ctx, instanceId, began);
  const ready = await waitUntil(
    async () => {
      watch.look();
      const instance = await settled(ctx, instanceId);
      requirePossible(ctx, instance, { condition, watch });
      ctx.report.progress({
        label: `${instanceId}: ${watch.stage(instance)}`,
        done: Math.round((performance.now() - began) / 1000),
        unit: 'seconds',
      });
      return (await holds(ctx, instance, condition, watch)) ? true : undefined;
    },
    { timeoutMs, signal: ctx.signal, pauseMs: 50, maxPauseMs: 200 },
  );
  const seconds = (performance.now() - began) / 1000;
  if (ready === undefined) {
    const instance = instances.get(ctx.db, instanceId);
    throw new BonamiError(
      'WaitTimeout',
      `${instanceId} did not reach '${condition}' within ${timeoutMs / 1000} s: it was still ${instance ? watch.stage(instance) : 'gone'}`,
      {
        hint: `bonami logs ${instanceId}, or wait on with: bonami wait ${instanceId} --for ${condition} --timeout 600`,
        details: watch.tail(),
      },
    );
  }
  return { marks: watch.marks, seconds };
}

/** The record, after a look at the machine when it should be running. */
async function settled(ctx: Ec2Context, instanceId: string): Promise<Instance> {
  await reconcileInstances(ctx);
  const instance = instances.get(ctx.db, instanceId);
  if (instance === undefined) throw new HostError('RecordMissing', `the record of ${instanceId} is gone`);
  return instance;
}

interface Situation {
  readonly condition: Condition;
  readonly watch: ConsoleWatch;
}

/** Throws when the condition cannot come true any more. */
function requirePossible(ctx: Ec2Context, instance: Instance, { condition, watch }: Situation): void {
  const { instanceId, state, firstBoot } = instance;
  const details = watch.tail();
  const wantsEnd = condition === 'stopped' || condition === 'terminated';
  if (!wantsEnd && state !== 'pending' && state !== 'running')
    throw new BonamiError(
      'InstanceEnded',
      `${instanceId} is ${state} (${instance.stateReason?.message ?? 'no reason known'}), so it will not reach '${condition}'`,
      {
        hint: `bonami logs ${instanceId}`,
        details,
      },
    );
  if (condition === 'stopped' && state === 'terminated')
    throw new BonamiError('InstanceEnded', `${instanceId} is terminated`, { hint: 'bonami ls' });
  if (condition === 'cloud-init' && firstBoot !== 'cloud-init' && firstBoot !== 'tiny')
    throw new BonamiError(
      'InvalidParameterCombination',
      `the image of ${instanceId} has no cloud-init to wait for`,
      { hint: '--wait ssh' },
    );
  const panic = watch.marks.find((mark) => mark.kind === 'panic');
  if (panic?.kind === 'panic' && !wantsEnd)
    throw new BonamiError('GuestPanicked', `the kernel of ${instanceId} panicked: ${panic.message}`, {
      hint: `bonami reboot ${instanceId}`,
      details,
    });
}

async function holds(
  ctx: Ec2Context,
  instance: Instance,
  condition: Condition,
  watch: ConsoleWatch,
): Promise<boolean> {
  switch (condition) {
    case 'running':
      return (
        instance.state === 'running' &&
        (await machineStatus(ctx.layout.instance(instance.instanceId))) === 'running'
      );
    case 'ssh':
      return instance.state === 'running' && (await greets(await sshEndpoint(ctx, instance)));
    case 'cloud-init':
      return watch.marks.some((mark) => mark.kind === 'finished');
    case 'stopped':
    case 'terminated':
      return instance.state === condition;
  }
}

async function greets(endpoint: Endpoint): Promise<boolean> {
  return (await readBanner(endpoint, 2_000))?.startsWith('SSH-') === true;
}

/** Follows a console from the start of the current boot. */
class ConsoleWatch {
  readonly #ctx: Ec2Context;
  readonly #instanceId: Instance['instanceId'];
  readonly #began: number;
  readonly #reader = new LineReader();
  readonly #lines: string[] = [];
  readonly marks: TimedMark[] = [];
  #offset: number | undefined;

  constructor(ctx: Ec2Context, instanceId: Instance['instanceId'], began: number) {
    this.#ctx = ctx;
    this.#instanceId = instanceId;
    this.#began = began;
  }

  look(): void {
    const paths = this.#ctx.layout.instance(this.#instanceId);
    this.#offset ??= consoleStart(paths);
    const bytes = readFrom(paths.console, this.#offset);
    this.#offset += bytes.length;
    for (const line of this.#reader.feed(plainText(bytes))) {
      if (line.trim() !== '') this.#lines.push(line.trimEnd());
      const mark = readConsoleLine(line);
      if (mark) this.marks.push({ ...mark, seenAt: (performance.now() - this.#began) / 1000 });
    }
    this.#lines.splice(0, Math.max(0, this.#lines.length - CONSOLE_TAIL));
  }

  tail(): readonly string[] {
    return this.#lines;
  }

  /** Where the guest is, in words: what has been seen last. */
  stage(instance: Instance): string {
    if (instance.state !== 'running') return instance.state;
    const last = this.marks.findLast((mark) => mark.kind === 'stage' || mark.kind === 'finished');
    if (last?.kind === 'finished')
      return last.datasource === 'tiny' ? 'up, its user data has run' : 'done with cloud-init';
    if (last?.kind === 'stage') return `in cloud-init, ${STAGE_NAMES[last.name] ?? last.name}`;
    if (readEvents(this.#ctx.layout.instance(this.#instanceId)).some(({ kind }) => kind === 'imds'))
      return 'booting, talking to the metadata service';
    if (this.marks.some(({ kind }) => kind === 'kernel') || this.#lines.length > 3)
      return 'booting its kernel and services';
    return this.#lines.length > 0 ? 'in its boot loader' : 'in its firmware (no console output yet)';
  }
}
