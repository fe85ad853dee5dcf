// The anchor: a process that does nothing but keep a user, a network and a mount namespace of an ordinary user. In
// there the user is root, over these namespaces and nothing else.
import { closeSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { HostError } from '../../core/errors.ts';
import { startDetached } from '../command.ts';
import { within, type Namespace } from '../link/namespace.ts';
import {
  identify,
  isRunning,
  recordedIdentity,
  recordIdentity,
  signalProcess,
  type ProcessIdentity,
} from '../process/identity.ts';
import { isLocked, tryLock } from '../process/lock.ts';
import { commandOf, entries, hasOpen, processesThat, textAt } from '../process/processes.ts';
import { waitUntil } from '../wait-until.ts';

export interface AnchorPaths {
  readonly runFolder: string;
  /** Held by the anchor itself. */
  readonly anchorLock: string;
  readonly anchorProcess: string;
  readonly anchorLog: string;
}

export interface Anchor {
  readonly identity: ProcessIdentity;
  readonly namespace: Namespace;
  /** Where its files are seen from outside. */
  readonly root: string;
}

/** In the anchor's own /run: says whose it is, and that it is furnished. */
const MARK = '/run/bonami-ground';
/** In there too: a file for each router that is about to be put on it. */
export const CLAIMS = '/run/bonami-routers';
/** The anchor's own network under a name, which keeps it while anything else lives in there. */
const NETWORK_NAME = 'bonami-ground';
const START_TIMEOUT_MS = 10_000;

/** No capability and no way to any: it only has to be there. Each link execs the next, so the pid is the last one's. */
const IDLE = ['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', 'sleep', 'infinity'];

/**
 * The host's own /run belongs to root, and iproute2 keeps its names there: the anchor has one of its own, in which the
 * host's folders are seen as before. `slave`, so that what the host mounts and unmounts later happens in here too.
 */
const FURNISH = `
cd /run
mount -n -t tmpfs -o mode=0755 bonami /run
for entry in *; do
  if [ -d "$entry" ] && [ ! -L "$entry" ] && [ "$entry" != netns ]; then
    mkdir -p "/run/$entry"
    mount -n --no-canonicalize --rbind "./$entry" "/run/$entry"
  fi
done
mkdir -p /run/netns ${CLAIMS}
ip netns attach ${NETWORK_NAME} "$1"
ip link set lo up
sysctl -q -w net.ipv4.ip_forward=1
printf %s "$2" >${MARK}
`;

/** An anchor as its recorded process has it; one without a process is absent from everything that is asked of it. */
export function anchorOf(identity: ProcessIdentity | undefined): Anchor {
  const living = identity !== undefined && isRunning(identity) ? identity : undefined;
  // nsenter refuses 0, and it is nobody's folder in /proc.
  const { pid } = living ?? { pid: 0 };
  return {
    identity: living ?? { pid, startTime: 0, bootId: '' },
    namespace: {
      enter: ['nsenter', '--preserve-credentials', '--user', '--mount', '--net', '--target', String(pid)],
      file: `/proc/${pid}/ns/net`,
    },
    root: `/proc/${pid}/root`,
  };
}

export function recordedAnchor({ anchorProcess }: AnchorPaths): Anchor {
  return anchorOf(recordedIdentity(anchorProcess));
}

/** Whether it lives and its /run is furnished. */
export function isReady({ root }: Anchor, { runFolder }: AnchorPaths): boolean {
  return markIn(root) === runFolder;
}

/** Names of the routers that stand on it. */
export function routersOn({ root }: Anchor): readonly string[] {
  return entries(`${root}/run/netns`).filter((name) => name !== NETWORK_NAME);
}

/**
 * Starts an anchor. Where programs of an earlier one still run, it keeps their namespaces: they do not notice that
 * they have lost one. Throws `GroundFailed` with what the host said. The caller holds the ground's lock.
 */
export async function startAnchor(paths: AnchorPaths): Promise<Anchor> {
  mkdirSync(paths.runFolder, { recursive: true, mode: 0o700 });
  await endStrays(paths);
  const survivor = survivorOf(paths);
  const words =
    survivor === undefined
      ? ['unshare', '--user', '--map-root-user', '--net', '--mount', '--propagation', 'slave']
      : [
          ...['nsenter', '--preserve-credentials', '--user', '--mount', '--target', String(survivor)],
          ...['nsenter', `--net=/run/netns/${NETWORK_NAME}`],
        ];
  const anchor = await start(paths, [...words, ...IDLE]);
  if (isReady(anchor, paths)) return anchor;
  try {
    const args = ['-eus', '--', String(anchor.identity.pid), paths.runFolder];
    await within(anchor.namespace, 'sh', args, FURNISH);
  } catch (cause) {
    await stopAnchor(paths);
    throw refused(cause instanceof Error ? cause.message : '', cause);
  }
  return anchor;
}

/** A process that lives in an anchor's namespaces, whether the anchor lives or not. */
export function survivorOf({ runFolder }: AnchorPaths): number | undefined {
  return processesThat((pid) => markIn(`/proc/${pid}/root`) === runFolder)[0];
}

async function start(paths: AnchorPaths, [command = '', ...args]: readonly string[]): Promise<Anchor> {
  const lock = tryLock(paths.anchorLock);
  if (lock === undefined)
    throw new HostError('ResourceBusy', `another anchor still holds '${paths.anchorLock}'`, {
      hint: 'bonami doctor',
    });
  const output = openSync(paths.anchorLog, 'w', 0o600);
  try {
    const pid = await startDetached(command, args, { output, inherit: [lock.descriptor] });
    const identity = identify(pid);
    if (identity) recordIdentity(paths.anchorProcess, identity);
    const idle = await waitUntil(
      () => {
        if (identity === undefined || !isRunning(identity))
          throw refused(lastLines(paths.anchorLog, 1).join(''));
        return commandOf(pid)[0] === 'sleep' ? identity : undefined;
      },
      { timeoutMs: START_TIMEOUT_MS, pauseMs: 1, maxPauseMs: 20 },
    );
    if (idle === undefined)
      throw new HostError(
        'GroundFailed',
        `the process that keeps your networks has not come up within ${START_TIMEOUT_MS / 1000} s`,
        { hint: 'try again: the host may be busy', details: lastLines(paths.anchorLog) },
      );
    return anchorOf(idle);
  } finally {
    closeSync(output);
    lock.release();
  }
}

/** Ends the anchor. What runs in its namespaces keeps them; absent is success. */
export async function stopAnchor(paths: AnchorPaths): Promise<void> {
  const identity = recordedIdentity(paths.anchorProcess);
  if (identity) signalProcess(identity, 'SIGKILL');
  await endStrays(paths);
  rmSync(paths.anchorProcess, { force: true });
}

/** Whoever holds the lock now was never recorded, or is about to be gone. */
async function endStrays({ anchorLock }: AnchorPaths): Promise<void> {
  const gone = await waitUntil(
    () => {
      if (!isLocked(anchorLock)) return true;
      for (const pid of processesThat((each) => hasOpen(each, anchorLock))) {
        const identity = identify(pid);
        if (identity) signalProcess(identity, 'SIGKILL');
      }
      return undefined;
    },
    { timeoutMs: 5_000 },
  );
  if (gone !== true)
    throw new HostError('AnchorWontEnd', `a process still holds '${anchorLock}'`, { hint: 'bonami doctor' });
}

function markIn(root: string): string | undefined {
  return textAt(`${root}${MARK}`);
}

/** The end of what it said. */
function lastLines(log: string, count = 5): readonly string[] {
  return (textAt(log) ?? '')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count);
}

function refused(said: string, cause?: unknown): HostError {
  return new HostError(
    'GroundFailed',
    `this host refuses an ordinary user namespaces of their own${said === '' ? '' : `: ${said}`}`,
    { hint: 'bonami doctor', cause },
  );
}
