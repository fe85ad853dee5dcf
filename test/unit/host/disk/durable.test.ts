import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HostError } from '../../../../src/core/errors.ts';
import { digestOf } from '../../../../src/host/disk/digest.ts';
import { moveDurably, namingFullFolder, requireSpace, syncFile } from '../../../../src/host/disk/durable.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-durable-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('moveDurably renames a folder across parents', async () => {
  mkdirSync(join(folder, 'from/image'), { recursive: true });
  mkdirSync(join(folder, 'to'));
  writeFileSync(join(folder, 'from/image/disk'), 'x');
  await syncFile(join(folder, 'from/image/disk'));
  await moveDurably(join(folder, 'from/image'), join(folder, 'to/image'));
  expect(readFileSync(join(folder, 'to/image/disk'), 'utf8')).toBe('x');
  expect(existsSync(join(folder, 'from/image'))).toBe(false);
});

describe('a full disk', () => {
  test('is foreseen', async () => {
    await expect(requireSpace(folder, 1)).resolves.toBeUndefined();
    await expect(requireSpace(folder, 2 ** 60)).rejects.toMatchObject({
      code: 'NoSpace',
      message: expect.stringContaining(folder),
      hint: expect.stringContaining('BONAMI_HOME'),
    });
  });

  test.each([
    Object.assign(new Error('write'), { code: 'ENOSPC' }),
    Object.assign(new Error('write'), { code: 'EDQUOT' }),
    new HostError('CommandFailed', "'qemu-img …' failed: error while writing: No space left on device"),
    new HostError('CommandFailed', 'failed', { details: ['qemu-img: No space left on device'] }),
  ])('is one error, whoever met it: %s', (error) => {
    expect(namingFullFolder(error, '/home/x')).toMatchObject({
      code: 'NoSpace',
      message: expect.stringContaining('/home/x'),
    });
  });

  test('is not blamed for other errors', () => {
    const other = new HostError('CommandFailed', 'failed');
    expect(namingFullFolder(other, '/home/x')).toBe(other);
  });
});

describe('digestOf', () => {
  test('hashes all bytes and tells how far it is', async () => {
    const path = join(folder, 'file');
    const content = Buffer.alloc(2_500_000, 'bonami');
    writeFileSync(path, content);
    const seen: number[] = [];
    const digest = await digestOf(path, { onProgress: (done) => seen.push(done) });
    expect(digest).toBe(`sha256:${createHash('sha256').update(content).digest('hex')}`);
    expect(seen).toEqual([2 ** 20, 2 ** 21, 2_500_000]);
  });

  test('stops when it is told to', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'x');
    await expect(digestOf(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

test('only host/disk/qemu-img.ts runs qemu-img: there every call names its formats', () => {
  const source = fileURLToPath(new URL('../../../../src/', import.meta.url));
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const running = files.filter((name) =>
    /\b(?:run|startDetached|runInteractive|confined)\(\s*\[?'(?:qemu-img|create|convert|info|measure|check)'/.test(
      readFileSync(join(source, name), 'utf8'),
    ),
  );
  expect(running).toEqual(['host/disk/qemu-img.ts']);
});
