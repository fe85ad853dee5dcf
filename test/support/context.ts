import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Ec2Context, Progress } from '../../src/ec2/context.ts';
import { HOST_GROUND } from '../../src/host/ground.ts';
import { openDatabase } from '../../src/store/database.ts';
import { layoutOf, locate, prepareHome } from '../../src/store/layout.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What an action told the person who waits for it. */
export interface Reported {
  readonly progress: Progress[];
  readonly info: string[];
  readonly warnings: string[];
}

export interface TestContext {
  readonly ctx: Ec2Context;
  readonly reported: Reported;
  /** Aborts `ctx.signal`, as Ctrl-C does. */
  abort(): void;
  /** Closes the database and removes the home and its run folder. Call it in `afterEach`, or use `await using`. */
  cleanup(): void;
  [Symbol.dispose](): void;
}

export interface TestContextOptions {
  /** Parent of the home; the system's temporary folder otherwise. A tmpfs here makes a small disk. */
  readonly parent?: string;
  /** Replaces parts of the context, like `now` or `catalog`. */
  readonly context?: Partial<Ec2Context>;
}

/** A whole context on a temporary home of its own: real folders, a real database, reports kept in arrays. */
export function testContext({ parent = tmpdir(), context = {} }: TestContextOptions = {}): TestContext {
  const home = mkdtempSync(join(parent, 'bonami-test-'));
  // As root each QEMU runs under a user id of its own and must be able to pass through.
  if (process.getuid?.() === 0) chmodSync(home, 0o711);
  const layout = layoutOf(locate({ ...process.env, BONAMI_HOME: home }));
  prepareHome(layout);
  const db = openDatabase(layout.database);
  const aborter = new AbortController();
  const reported: Reported = { progress: [], info: [], warnings: [] };
  const cleanup = (): void => {
    if (db.open) db.close();
    rmSync(layout.home, { recursive: true, force: true });
    rmSync(layout.run, { recursive: true, force: true });
  };
  return {
    ctx: {
      db,
      layout,
      ground: HOST_GROUND,
      catalog: join(ROOT, 'images'),
      now: () => new Date(),
      signal: aborter.signal,
      report: {
        progress: (step) => reported.progress.push(step),
        info: (message) => reported.info.push(message),
        warn: (message) => reported.warnings.push(message),
      },
      agentScript: join(ROOT, 'dist/agent.js'),
      region: 'us-east-1',
      ownerId: '000000000000',
      ...context,
    },
    reported,
    abort: () => aborter.abort(),
    cleanup,
    [Symbol.dispose]: cleanup,
  };
}
