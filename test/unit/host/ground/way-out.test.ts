import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PASSERS } from '../../../../src/host/ground/passers.ts';
import { closeWayOut, isPassing } from '../../../../src/host/ground/way-out.ts';
import { identify } from '../../../../src/host/process/identity.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

test.each(PASSERS)('%s counts while it runs, and for what it was started for', async (passer) => {
  using folder = temporaryFolder();
  const paths = { wayOutProcess: join(folder.path, 'way-out.json'), wayOutLog: join(folder.path, 'log') };
  const passage = { pid: 42, forwardsNames: false };
  expect(isPassing(paths, passage)).toBe(false);
  const child = spawn('sleep', ['100']);
  await once(child, 'spawn');
  writeFileSync(paths.wayOutProcess, JSON.stringify({ process: identify(child.pid ?? 0), passer, passage }));
  expect(isPassing(paths, passage)).toBe(true);
  expect(isPassing(paths, { ...passage, pid: 43 })).toBe(false);
  expect(isPassing(paths, { ...passage, forwardsNames: true })).toBe(passer === 'slirp4netns');
  const ended = once(child, 'exit');
  await closeWayOut(paths);
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(isPassing(paths, passage)).toBe(false);
});
