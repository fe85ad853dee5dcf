import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { isPassing, NAME_FORWARDER, pastaWords, stopPasta } from '../../../../src/host/ground/pasta.ts';
import { identify } from '../../../../src/host/process/identity.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

test('pasta opens nothing in either direction, and hides the host behind no address', () => {
  const words = pastaWords(42, { forwardsNames: false });
  for (const option of ['--tcp-ports', '--udp-ports', '--tcp-ns', '--udp-ns'])
    expect(words[words.indexOf(option) + 1]).toBe('none');
  expect(words).toContain('--no-map-gw');
  expect(words).toContain('/proc/42/ns/net');
  expect(words).not.toContain('--dns-forward');
});

test('names are forwarded only where they have to be', () => {
  const words = pastaWords(42, { forwardsNames: true });
  expect(words.slice(-2)).toEqual(['--dns-forward', NAME_FORWARDER]);
});

test('a pasta counts only while it runs, and for what it was started with', async () => {
  using folder = temporaryFolder();
  const paths = { pastaProcess: join(folder.path, 'pasta.json'), pastaLog: join(folder.path, 'pasta.log') };
  const words = pastaWords(42, { forwardsNames: false });
  expect(isPassing(paths, words)).toBe(false);
  const child = spawn('sleep', ['100']);
  await once(child, 'spawn');
  writeFileSync(paths.pastaProcess, JSON.stringify({ ...identify(child.pid ?? 0), words }));
  expect(isPassing(paths, words)).toBe(true);
  expect(isPassing(paths, pastaWords(43, { forwardsNames: false }))).toBe(false);
  const ended = once(child, 'exit');
  await stopPasta(paths);
  expect(await ended).toEqual([null, 'SIGKILL']);
  expect(isPassing(paths, words)).toBe(false);
});
