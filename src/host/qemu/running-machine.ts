import { closeSync, openSync, readFileSync } from 'node:fs';
import { HostError } from '../../core/errors.ts';
import { startDetached } from '../command.ts';
import type { Namespace } from '../link/namespace.ts';
import {
  identify,
  isRunning,
  recordIdentity,
  recordedIdentity,
  signalProcess,
  type ProcessIdentity,
} from '../process/identity.ts';
import { isLocked } from '../process/lock.ts';
import { waitUntil } from '../wait-until.ts';
import { commandLine } from './command-line.ts';
import type { MachineSpec } from './machine-spec.ts';
import { MACHINE_TABLE } from './machine-table.ts';
import { QmpConnection } from './qmp.ts';

/** Where a machine's runtime facts are: the lock its QEMU holds, its process identity, its sockets. */
export interface MachinePaths {
  readonly runLock: string;
  readonly machine: string;
  readonly qmpCli: string;
  readonly qemuLog: string;
}

export interface Confinement {
  /** Network namespace to run in. */
  readonly namespace: Namespace;
  /** User to run as, with a group of the same number; undefined keeps the user that the namespace makes of the caller. */
  readonly uid?: number;
  /** Further groups, like the one of /dev/kvm. */
  readonly groups?: readonly number[];
}

/** QEMU needs some hundred milliseconds to greet; a loaded host more. */
const GREETING_TIMEOUT = 30_000;
/** How long a launch waits for a machine that has just ended to let go of its lock. */
const RUN_LOCK_SECONDS = '2';

/**
 * Starts QEMU paused, in its namespace, as its user, holding its run lock, and resolves when it greets on QMP.
 * Each link of the chain execs the next, so the pid is QEMU's own. Throws `QemuNeverStarted` with what it said.
 */
export async function launchMachine(
  spec: MachineSpec,
  paths: MachinePaths,
  { uid, namespace, groups = [] }: Confinement,
): Promise<ProcessIdentity> {
  const output = openSync(paths.qemuLog, 'w', 0o600);
  let pid: number;
  try {
    const chain = [
      // The lock's descriptor is left to the program that it becomes, so the lock says whether QEMU lives.
      ...['--no-fork', '--exclusive', '--wait', RUN_LOCK_SECONDS, paths.runLock],
      ...[...namespace.enter, ...dropPrivileges(uid, groups)],
      ...[MACHINE_TABLE[spec.architecture].binary, ...commandLine(spec)],
    ];
    pid = await startDetached('flock', chain, { output });
  } finally {
    closeSync(output);
  }
  const identity = identify(pid);
  if (identity === undefined) throw neverStarted(paths);
  try {
    recordIdentity(paths.machine, identity);
    const qmp = await QmpConnection.open(paths.qmpCli, {
      timeoutMs: GREETING_TIMEOUT,
      alive: () => isRunning(identity),
    });
    qmp.close();
  } catch (cause) {
    signalProcess(identity, 'SIGKILL');
    throw cause instanceof HostError && cause.code === 'MachineDied' ? neverStarted(paths) : cause;
  }
  return identity;
}

/**
 * Words that leave a program no capability and no way to get any: the caller may be root, or root in a user namespace
 * of their own, where what is executed would be given all of them again.
 */
function dropPrivileges(uid: number | undefined, groups: readonly number[]): readonly string[] {
  return [
    'setpriv',
    ...(uid === undefined
      ? []
      : [
          `--reuid=${uid}`,
          `--regid=${uid}`,
          ...(groups.length > 0 ? [`--groups=${groups.join(',')}`] : ['--clear-groups']),
        ]),
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
  ];
}

function neverStarted(paths: MachinePaths): HostError {
  if (isLocked(paths.runLock))
    return new HostError('ResourceBusy', `an earlier machine still holds '${paths.runLock}'`, {
      hint: 'bonami doctor --fix',
    });
  const said = readFileSync(paths.qemuLog, 'utf8').trim().split('\n').filter(Boolean);
  return new HostError('QemuNeverStarted', `QEMU ended at once${said.length > 0 ? `: ${said.at(-1)}` : ''}`, {
    details: said.slice(-5, -1),
    hint: 'bonami doctor',
  });
}

/**
 * Whether the machine lives. A recorded process that still runs is proof (pid, start time and boot name one
 * process); otherwise the lock that QEMU inherited decides, because a launch may have died before it recorded.
 */
export function isMachineAlive(paths: Pick<MachinePaths, 'machine' | 'runLock'>): boolean {
  const identity = recordedIdentity(paths.machine);
  return (identity !== undefined && isRunning(identity)) || isLocked(paths.runLock);
}

/** Opens the CLI's QMP socket for one conversation. */
export async function withQmp<T>(paths: MachinePaths, talk: (qmp: QmpConnection) => Promise<T>): Promise<T> {
  const qmp = await QmpConnection.open(paths.qmpCli, {
    timeoutMs: 10_000,
    alive: () => isMachineAlive(paths),
  });
  try {
    return await talk(qmp);
  } finally {
    qmp.close();
  }
}

export async function continueMachine(paths: MachinePaths): Promise<void> {
  await withQmp(paths, (qmp) => qmp.execute('cont', undefined, 30_000));
}

/** QEMU's run state (QMP `query-status`): running, paused, guest-panicked, io-error, … */
export async function machineStatus(paths: MachinePaths): Promise<string> {
  return withQmp(paths, async (qmp) => ((await qmp.execute('query-status')) as { status: string }).status);
}

const PRESS_AGAIN_MS = 4_000;

export interface PowerDownOptions {
  /** How long the guest may take to obey its ACPI power button. */
  readonly graceMs: number;
  readonly signal?: AbortSignal;
  /** Called when the guest has not obeyed in time and is about to be cut off. */
  readonly onImpatience?: () => void;
}

/** Presses the power button and waits; a guest that does not obey is switched off. Resolves when QEMU is gone. */
export async function powerDown(
  paths: MachinePaths,
  { graceMs, signal, onImpatience }: PowerDownOptions,
): Promise<void> {
  try {
    const obeyed = await withQmp(paths, async (qmp) => {
      // A paused machine (panic, full disk) cannot hear its power button.
      if (!(await isGuestRunning(qmp))) return true;
      return pressPower(qmp, {
        graceMs,
        signal,
        until: () => (isMachineAlive(paths) ? undefined : true),
      });
    });
    if (!obeyed) onImpatience?.();
  } catch (error) {
    if (signal?.aborted === true) throw error;
  }
  await switchOff(paths);
}

/**
 * Reboots the guest within its process: power button, then reset once it has shut down or its time is over.
 * A paused guest (panic, full disk) is reset at once.
 */
export async function pressPowerAndReset(
  paths: MachinePaths,
  {
    graceMs,
    signal,
    onImpatience,
    whileDown,
  }: PowerDownOptions & {
    /** Called while the guest is down and its disks are at rest. */
    readonly whileDown?: (qmp: QmpConnection) => Promise<void>;
  },
): Promise<void> {
  await withQmp(paths, async (qmp) => {
    if (await isGuestRunning(qmp)) {
      let isDown = false;
      qmp.onEvent(({ event }) => {
        if (event === 'SHUTDOWN') isDown = true;
      });
      // For as long as we wait, a guest that powers off is kept, paused, instead of ending its machine.
      await qmp.execute('set-action', { shutdown: 'pause' });
      try {
        const obeyed = await pressPower(qmp, { graceMs, signal, until: () => isDown || undefined });
        if (!obeyed) onImpatience?.();
      } finally {
        await qmp.execute('set-action', { shutdown: 'poweroff' });
      }
    }
    try {
      await whileDown?.(qmp);
    } finally {
      await reset(qmp);
    }
  });
}

async function reset(qmp: QmpConnection): Promise<void> {
  await qmp.execute('system_reset');
  await qmp.execute('cont', undefined, 30_000);
}

/** For a reboot whose caller died while the guest was down: boots it. Returns whether there was such a thing to do. */
export async function finishReset(paths: MachinePaths): Promise<boolean> {
  return withQmp(paths, async (qmp) => {
    const { status } = (await qmp.execute('query-status')) as { status: string };
    if (status !== 'shutdown') return false;
    await qmp.execute('set-action', { shutdown: 'poweroff' });
    await reset(qmp);
    return true;
  });
}

interface PressOptions {
  readonly graceMs: number;
  readonly signal: AbortSignal | undefined;
  /** Answers `true` once the guest has obeyed. */
  readonly until: () => true | undefined;
}

/**
 * Presses the ACPI power button until the guest has obeyed; false when its time is over. A guest that is still
 * booting does not hear it, so it is pressed again; one that is already going down ignores that.
 */
async function pressPower(qmp: QmpConnection, { graceMs, signal, until }: PressOptions): Promise<boolean> {
  const deadline = performance.now() + graceMs;
  while (performance.now() < deadline) {
    // The guest may end while it is being asked.
    await qmp.execute('system_powerdown').catch(() => undefined);
    const timeoutMs = Math.min(PRESS_AGAIN_MS, deadline - performance.now());
    if (await waitUntil(until, { timeoutMs, signal, pauseMs: 5, maxPauseMs: 100 })) return true;
  }
  return false;
}

async function isGuestRunning(qmp: QmpConnection): Promise<boolean> {
  return ((await qmp.execute('query-status')) as { status: string }).status === 'running';
}

/** Ends QEMU: `quit` lets it flush its disks, SIGKILL is for one that does not answer. Absent is success. */
export async function switchOff(paths: MachinePaths): Promise<void> {
  if (!isMachineAlive(paths)) return;
  await withQmp(paths, (qmp) => qmp.execute('quit')).catch(() => undefined);
  if (await gone(paths, 5_000)) return;
  await kill(paths);
}

/** SIGKILL, for a machine whose disks do not matter any more. Absent is success. */
export async function kill(paths: MachinePaths): Promise<void> {
  const identity = recordedIdentity(paths.machine);
  if (identity) signalProcess(identity, 'SIGKILL');
  if (!(await gone(paths, 10_000)))
    throw new HostError(
      'MachineWontEnd',
      `process ${identity?.pid ?? 'unknown'} still holds '${paths.runLock}'`,
      {
        hint: 'bonami doctor',
      },
    );
}

async function gone(paths: MachinePaths, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
  const answer = await waitUntil(() => (isMachineAlive(paths) ? undefined : true), {
    timeoutMs,
    signal,
    pauseMs: 5,
    maxPauseMs: 200,
  });
  return answer === true;
}
