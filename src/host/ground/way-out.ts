// The way out of an anchor's network: a program that is started again when it dies, and ended when the anchor has gone,
// for none of them ends by itself.
import { closeSync, openSync, rmSync } from 'node:fs';
import { HostError } from '../../core/errors.ts';
import { startDetached } from '../command.ts';
import { identify, isRunning, signalProcess, type ProcessIdentity } from '../process/identity.ts';
import { commandOf, processesThat, textAt } from '../process/processes.ts';
import { waitUntil } from '../wait-until.ts';
import { writeWhole } from '../whole-file.ts';
import { choosePasser, networkOf, PASSERS, type Passage, type Passer, passerLine } from './passers.ts';

export interface WayOutPaths {
  readonly wayOutProcess: string;
  readonly wayOutLog: string;
}

/** What was started, and for what. pasta closes descriptors that it does not know, so no lock tells its life. */
interface Started {
  readonly process: ProcessIdentity;
  readonly passer: Passer;
  readonly passage: Passage;
}

const START_TIMEOUT_MS = 10_000;

/** Whether what was started last runs, and for this very passage. */
export function isPassing(paths: WayOutPaths, { pid, forwardsNames }: Passage): boolean {
  const started = recorded(paths);
  if (started === undefined || !isRunning(started.process) || started.passage.pid !== pid) return false;
  // slirp4netns always forwards names.
  return started.passer === 'slirp4netns' || started.passage.forwardsNames === forwardsNames;
}

/** Whether this host has a way out itself: without one there is nothing to pass on, and pasta refuses to start. */
export function hasWayOut(): boolean {
  return hasDefaultRoute('self');
}

/**
 * Starts a passer in place of any other. Resolves when the network has its link and routes. Throws `UplinkFailed`
 * with what it said, or `CommandNotFound`.
 */
export async function openWayOut(paths: WayOutPaths, passage: Passage): Promise<void> {
  const passer = await choosePasser();
  await closeWayOut(paths);
  for (const stray of processesThat((pid) => isFor(passage, pid))) await end(identify(stray));
  const output = openSync(paths.wayOutLog, 'w', 0o600);
  try {
    const [command = passer, ...words] = passerLine(passer, passage);
    const identity = identify(await startDetached(command, words, { output }));
    if (identity === undefined) throw failed(paths, passer);
    record(paths, { process: identity, passer, passage });
    const ready = await waitUntil(
      () => {
        if (!isRunning(identity)) throw failed(paths, passer);
        return hasDefaultRoute(passage.pid) ? true : undefined;
      },
      { timeoutMs: START_TIMEOUT_MS, pauseMs: 2, maxPauseMs: 20 },
    );
    if (ready === undefined) throw failed(paths, passer);
  } finally {
    closeSync(output);
  }
}

/** Absent is success. */
export async function closeWayOut(paths: WayOutPaths): Promise<void> {
  await end(recorded(paths)?.process);
  rmSync(paths.wayOutProcess, { force: true });
}

async function end(identity: ProcessIdentity | undefined): Promise<void> {
  if (identity === undefined) return;
  signalProcess(identity, 'SIGKILL');
  // Its link goes with it, and the next one needs the name.
  await waitUntil(() => (isRunning(identity) ? undefined : true), { timeoutMs: 5_000, pauseMs: 1 });
}

/** Whether a process is some passer's, for this network: one that died before it was recorded. */
function isFor(passage: Passage, pid: number): boolean {
  const words = commandOf(pid);
  return PASSERS.some((passer) => words[0] === passer && words.includes(networkOf(passage)));
}

/** proc_net_route: destination 0 with mask 0; ipv6_route: a destination of 32 zeros and length 00, not on loopback. */
function hasDefaultRoute(pid: number | 'self'): boolean {
  const four = textAt(`/proc/${pid}/net/route`) ?? '';
  const six = textAt(`/proc/${pid}/net/ipv6_route`) ?? '';
  return (
    /^\S+\t00000000\t\w+\t\w+\t\d+\t\d+\t\d+\t00000000\t/m.test(four) || /^0{32} 00 .*(?<! lo)$/m.test(six)
  );
}

function recorded({ wayOutProcess }: WayOutPaths): Started | undefined {
  const text = textAt(wayOutProcess);
  return text === undefined ? undefined : (JSON.parse(text) as Started);
}

function record({ wayOutProcess }: WayOutPaths, started: Started): void {
  writeWhole(wayOutProcess, JSON.stringify(started), 0o600);
}

function failed({ wayOutLog }: WayOutPaths, passer: Passer): HostError {
  // Without a system log pasta complains about that too.
  const said = (textAt(wayOutLog) ?? '')
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(' to syslog'));
  return new HostError('UplinkFailed', `${passer} did not start: ${said.at(-1) ?? 'it says nothing'}`, {
    hint: 'bonami doctor',
    details: said.slice(-5, -1),
  });
}
