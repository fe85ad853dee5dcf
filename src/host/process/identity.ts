import { readFileSync } from 'node:fs';
import { writeWhole } from '../whole-file.ts';

/** What names one process for ever: a pid alone comes back, a pid with its start time on one boot does not. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks between boot and the process's start: field 22 of /proc/<pid>/stat, see proc(5). */
  readonly startTime: number;
  readonly bootId: string;
}

let cachedBootId: string | undefined;

/** The kernel's id of this boot. Everything stamped with another one is void. */
export function bootId(): string {
  cachedBootId ??=
    process.env['BONAMI_BOOT_ID'] ?? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}

/** The identity of a process that runs now; undefined when there is none (or only its zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may contain spaces and parentheses; the fields after the last ')' do not.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
    return { pid, startTime: Number(fields[19]), bootId: bootId() };
  } catch {
    return undefined;
  }
}

/** Whether exactly this process still runs. */
export function isRunning(identity: ProcessIdentity): boolean {
  return identity.bootId === bootId() && identify(identity.pid)?.startTime === identity.startTime;
}

/** Signals exactly this process; a process that is gone counts as success. */
export function signalProcess(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL'): void {
  // Node has no pidfd: the window between check and kill stays, some microseconds wide.
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch {
    // Gone in between.
  }
}

/** Writes an identity where others look for it: whole or not at all. */
export function recordIdentity(path: string, identity: ProcessIdentity): void {
  writeWhole(path, JSON.stringify(identity), 0o600);
}

/** The identity recorded at `path`; undefined when there is none that can be read. */
export function recordedIdentity(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity;
  } catch {
    return undefined;
  }
}
