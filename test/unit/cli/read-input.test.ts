// What a person names to be read: files and pipes, but nothing without an end.
import { execa } from 'execa';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readInput } from '../../../src/cli/read-input.ts';

const folder = mkdtempSync(join(tmpdir(), 'input-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const read = async (path: string, signal = new AbortController().signal): Promise<Buffer> =>
  readInput({ path, what: 'the user data', signal });

test('a file is read byte by byte', async () => {
  const bytes = Buffer.from([0, 255, 10, 13, 128]);
  writeFileSync(join(folder, 'binary'), bytes);
  expect(await read(join(folder, 'binary'))).toEqual(bytes);
});

test('a pipe is read to its end', async () => {
  const pipe = join(folder, 'pipe');
  await execa('mkfifo', [pipe]);
  const writer = execa('sh', ['-c', `printf one > ${pipe}`]);
  expect((await read(pipe)).toString()).toBe('one');
  await writer;
});

test.each([
  ['a missing file', 'nosuch', 'ENOENT'],
  ['a folder', '.', 'EISDIR'],
])('%s is a usage error that names it', async (_what, name, reason) => {
  await expect(read(join(folder, name))).rejects.toMatchObject({ name: 'UsageError' });
  await expect(read(join(folder, name))).rejects.toThrow(reason);
});

test('a device without an end is given up', async () => {
  await expect(read('/dev/zero')).rejects.toThrow("'/dev/zero' cannot be read: it is larger than");
});

test('a pipe that nobody writes to can be given up by Ctrl-C', async () => {
  const pipe = join(folder, 'silent');
  await execa('mkfifo', [pipe]);
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('interrupted')), 50);
  // Somebody holds the other end and says nothing.
  const holder = execa('sh', ['-c', `exec sleep 30 3<> ${pipe}`]);
  await expect(read(pipe, controller.signal)).rejects.toThrow('interrupted');
  holder.kill('SIGKILL');
  await holder.catch(() => undefined);
});
