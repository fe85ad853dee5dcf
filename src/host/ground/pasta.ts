// pasta(1) passes the traffic of a network namespace to the outside by ordinary sockets of the user who runs it.
import { closeSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { HostError } from '../../core/errors.ts';
import { requireCommand, startDetached } from '../command.ts';
import { identify, isRunning, signalProcess, type ProcessIdentity } from '../process/identity.ts';
import { waitUntil } from '../wait-until.ts';
import type { Anchor } from './anchor.ts';
import { commandOf, processesThat, textAt } from './processes.ts';

export interface PastaPaths {
  readonly pastaProcess: string;
  readonly pastaLog: string;
}

/** A pasta that was started, and for what. pasta closes descriptors that it does not know, so it can hold no lock. */
interface Started extends ProcessIdentity {
  readonly words: readonly string[];
}

const LINK = 'up0';
/** Where guests' queries for names go when the host's own server can be asked by the host alone. */
export const NAME_FORWARDER = '169.254.1.1';
const START_TIMEOUT_MS = 10_000;

/** pasta's arguments. Pure. */
export function pastaWords(
  anchorPid: number,
  { forwardsNames }: { readonly forwardsNames: boolean },
): readonly string[] {
  return [
    '--foreground',
    '--config-net',
    ...['--netns', namespaceOf(anchorPid), '--userns', `/proc/${anchorPid}/ns/user`],
    ...['--ns-ifname', LINK],
    // All four: the default passes on every port that is listened on, in both directions.
    ...['--tcp-ports', 'none', '--udp-ports', 'none', '--tcp-ns', 'none', '--udp-ns', 'none'],
    // Otherwise the gateway's address would be the host's own loopback.
    '--no-map-gw',
    ...(forwardsNames ? ['--dns-forward', NAME_FORWARDER] : []),
  ];
}

/** Whether the recorded pasta runs, and as it should. */
export function isPassing(paths: PastaPaths, words: readonly string[]): boolean {
  const started = recorded(paths);
  return started !== undefined && isRunning(started) && started.words.join(' ') === words.join(' ');
}

/** Whether this host has a way out that pasta could take: without a default route it refuses to start. */
export function hasWayOut(): boolean {
  return hasDefaultRoute('self');
}

/**
 * Starts pasta for an anchor, in place of any other. Resolves when the anchor has its link and routes. Throws
 * `UplinkFailed` with what pasta said, or `CommandNotFound`.
 */
export async function startPasta(paths: PastaPaths, anchor: Anchor, words: readonly string[]): Promise<void> {
  const command = await requireCommand('pasta');
  await stopPasta(paths);
  const { pid: anchorPid } = anchor.identity;
  for (const pid of processesThat((each) => isFor(anchorPid, each))) await end(identify(pid));
  const output = openSync(paths.pastaLog, 'w', 0o600);
  try {
    const pid = await startDetached(command, words, { output });
    const identity = identify(pid);
    if (identity) record(paths, { ...identity, words });
    const ready = await waitUntil(
      () => {
        if (identity === undefined || !isRunning(identity)) throw failed(paths);
        return hasDefaultRoute(anchorPid) ? true : undefined;
      },
      { timeoutMs: START_TIMEOUT_MS, pauseMs: 2, maxPauseMs: 20 },
    );
    if (ready === undefined) throw failed(paths);
  } finally {
    closeSync(output);
  }
}

/** Ends pasta: it does not end with its namespace. Absent is success. */
export async function stopPasta(paths: PastaPaths): Promise<void> {
  await end(recorded(paths));
  rmSync(paths.pastaProcess, { force: true });
}

async function end(identity: ProcessIdentity | undefined): Promise<void> {
  if (identity === undefined) return;
  signalProcess(identity, 'SIGKILL');
  // Its link goes with it, and the next one needs the name.
  await waitUntil(() => (isRunning(identity) ? undefined : true), { timeoutMs: 5_000, pauseMs: 1 });
}

function isFor(anchorPid: number, pid: number): boolean {
  const [program = '', ...words] = commandOf(pid);
  return /\bpas[st][ta]/.test(program) && words.includes(namespaceOf(anchorPid));
}

function namespaceOf(pid: number): string {
  return `/proc/${pid}/ns/net`;
}

/** proc_net_route: destination 0 with mask 0; ipv6_route: a destination of 32 zeros and length 00, not on loopback. */
function hasDefaultRoute(pid: number | 'self'): boolean {
  const four = textAt(`/proc/${pid}/net/route`) ?? '';
  const six = textAt(`/proc/${pid}/net/ipv6_route`) ?? '';
  return (
    /^\S+\t00000000\t\w+\t\w+\t\d+\t\d+\t\d+\t00000000\t/m.test(four) || /^0{32} 00 .*(?<! lo)$/m.test(six)
  );
}

function recorded({ pastaProcess }: PastaPaths): Started | undefined {
  const text = textAt(pastaProcess);
  return text === undefined ? undefined : (JSON.parse(text) as Started);
}

function record({ pastaProcess }: PastaPaths, started: Started): void {
  writeFileSync(`${pastaProcess}.new`, JSON.stringify(started), { mode: 0o600 });
  renameSync(`${pastaProcess}.new`, pastaProcess);
}

function failed({ pastaLog }: PastaPaths): HostError {
  // Without a system log it complains about that too.
  const said = (textAt(pastaLog) ?? '')
    .split('\n')
    .filter((line) => line !== '' && !line.endsWith(' to syslog'));
  return new HostError('UplinkFailed', `pasta did not start: ${said.at(-1) ?? 'it says nothing'}`, {
    hint: 'bonami doctor',
    details: said.slice(-5, -1),
  });
}
