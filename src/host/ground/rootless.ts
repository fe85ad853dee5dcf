// An ordinary user's ground: an anchor's namespaces, and a program as the way out of them.
import { existsSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { Ground } from '../ground.ts';
import { namedNamespace } from '../link/namespace.ts';
import { withLock } from '../process/lock.ts';
import { entries } from '../process/processes.ts';
import {
  CLAIMS,
  isReady,
  recordedAnchor,
  routersOn,
  startAnchor,
  stopAnchor,
  survivorOf,
  type Anchor,
  type AnchorPaths,
} from './anchor.ts';
import { areHidden, hideAddresses, hostAddresses } from './host-addresses.ts';
import { NAME_FORWARDER, type Passage } from './passers.ts';
import { hostResolvers } from './resolvers.ts';
import { closeWayOut, hasWayOut, isPassing, openWayOut, type WayOutPaths } from './way-out.ts';

export interface RootlessPaths extends AnchorPaths, WayOutPaths {
  /** Held while the ground is built, mended or taken away. */
  readonly lock: string;
  readonly uplinkLock: string;
}

/** How long a router may be announced without being there before nobody waits for it any more. */
const CLAIM_MS = 60_000;
const LOCK_TIMEOUT_MS = 60_000;

/** The ground of an ordinary user's home. Nothing of it exists before `ensure`. */
export function rootlessGround(paths: RootlessPaths): Ground {
  const underLock = async (purpose: string, work: () => Promise<void>): Promise<void> =>
    withLock(paths.lock, { purpose, timeoutMs: LOCK_TIMEOUT_MS }, work);
  return {
    isRootless: true,
    uplinkLock: paths.uplinkLock,
    get namespace() {
      return recordedAnchor(paths).namespace;
    },
    router: (name) => {
      const { namespace, root } = recordedAnchor(paths);
      return namedNamespace(name, namespace, root);
    },
    resolvers,
    ensure: async (name) => {
      if (!routersOn(recordedAnchor(paths)).includes(name) || !isWhole(paths))
        await underLock('prepare the ground of the networks', async () => {
          writeFileSync(claimOf(await raise(paths), name), '');
        });
    },
    repair: async () => {
      if (existsSync(paths.anchorProcess) && !isWhole(paths))
        await underLock('mend the ground of the networks', async () => restore(paths));
    },
    release: async (name) => underLock('take the ground of the networks away', async () => give(paths, name)),
  };
}

/** Whether everything is as it should be. */
function isWhole(paths: RootlessPaths): boolean {
  const anchor = recordedAnchor(paths);
  return (
    isReady(anchor, paths) &&
    areHidden(anchor, hostAddresses()) &&
    (!hasWayOut() || isPassing(paths, passageOf(anchor)))
  );
}

/** Makes or mends everything. */
async function raise(paths: RootlessPaths): Promise<Anchor> {
  let anchor = recordedAnchor(paths);
  if (!isReady(anchor, paths)) {
    await closeWayOut(paths);
    await stopAnchor(paths);
    anchor = await startAnchor(paths);
  }
  const addresses = hostAddresses();
  if (!areHidden(anchor, addresses)) await hideAddresses(anchor, addresses);
  const passage = passageOf(anchor);
  // A host without a network may have one the next time.
  if (hasWayOut() && !isPassing(paths, passage)) await openWayOut(paths, passage);
  return anchor;
}

/** Mends what is in use; of a ground that went down with everything on it, the rest goes too. */
async function restore(paths: RootlessPaths): Promise<void> {
  if (isReady(recordedAnchor(paths), paths) || survivorOf(paths) !== undefined) {
    await raise(paths);
    return;
  }
  await closeWayOut(paths);
  await stopAnchor(paths);
}

async function give(paths: RootlessPaths, name: string): Promise<void> {
  const anchor = recordedAnchor(paths);
  rmSync(claimOf(anchor, name), { force: true });
  if (
    routersOn(anchor).length > 0 ||
    entries(`${anchor.root}${CLAIMS}`).some((each) => isAnnounced(anchor, each))
  )
    return;
  await closeWayOut(paths);
  await stopAnchor(paths);
}

function isAnnounced(anchor: Anchor, name: string): boolean {
  return Date.now() - statSync(claimOf(anchor, name)).mtimeMs < CLAIM_MS;
}

function claimOf({ root }: Anchor, name: string): string {
  return `${root}${CLAIMS}/${name}`;
}

function passageOf({ identity }: Anchor): Passage {
  return { pid: identity.pid, forwardsNames: resolvers().includes(NAME_FORWARDER) };
}

/** The host's name servers as they are seen from here; one on an address of the host itself is asked by the passer. */
function resolvers(): readonly string[] {
  const own = hostAddresses();
  const others = hostResolvers().filter((address) => !own.includes(address));
  return others.length > 0 ? others : [NAME_FORWARDER];
}
