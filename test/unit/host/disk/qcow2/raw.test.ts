import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Extent } from '../../../../../src/host/disk/qcow2/content.ts';
import { dataRanges, openRaw } from '../../../../../src/host/disk/qcow2/raw.ts';
import { hasQemuImg, memorySource, noise } from '../../../../support/qcow2.ts';

const GIB = 2 ** 30;

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-raw-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function collect(extents: AsyncIterable<Extent>): Promise<readonly Extent[]> {
  const all: Extent[] = [];
  for await (const extent of extents) all.push(extent);
  return all;
}

test('a raw disk has whole sectors', async () => {
  const bytes = noise(1000);
  const content = openRaw(memorySource(bytes));
  expect(content.size).toBe(1024);
  expect(await content.read(0, 1024)).toEqual(Buffer.concat([bytes, Buffer.alloc(24)]));
  expect(await content.read(1010, 10)).toEqual(Buffer.alloc(10));
  await expect(content.read(1020, 5)).rejects.toMatchObject({ code: 'ImageCorrupt' });
  expect(await collect(content.extents())).toEqual([
    { kind: 'data', offset: 0, length: 1000, fileOffset: 0 },
    { kind: 'zero', offset: 1000, length: 24 },
  ]);
  expect(await content.allocatedBytes()).toBe(65536);
});

test('holes are zeros, and blocks are counted once', async () => {
  const content = openRaw(memorySource(Buffer.alloc(400_000)), [
    { start: 4096, end: 8192 },
    { start: 65_000, end: 66_000 },
    { start: 200_000, end: 200_001 },
  ]);
  expect(
    (await collect(content.extents())).map(({ kind, offset, length }) => [kind, offset, length]),
  ).toEqual([
    ['zero', 0, 4096],
    ['data', 4096, 4096],
    ['zero', 8192, 56_808],
    ['data', 65_000, 1000],
    ['zero', 66_000, 134_000],
    ['data', 200_000, 1],
    ['zero', 200_001, 200_383],
  ]);
  expect(await content.allocatedBytes()).toBe(3 * 65536);
});

test('a file without large holes is read as it is', async () => {
  const path = join(folder, 'raw');
  writeFileSync(path, noise(10_000));
  expect(await dataRanges(path)).toEqual([{ start: 0, end: 10_000 }]);
  truncateSync(path, 2 ** 27);
  expect(await dataRanges(path)).toEqual([{ start: 0, end: 2 ** 27 }]);
});

test.skipIf(!hasQemuImg)('large holes are found', async () => {
  const path = join(folder, 'raw');
  const file = openSync(path, 'w');
  writeSync(file, noise(65536), 0, 65536, GIB);
  writeSync(file, noise(100), 0, 100, 3 * GIB);
  closeSync(file);
  const ranges = await dataRanges(path);
  // Some file systems keep more than was written.
  expect(ranges.length).toBe(2);
  expect(ranges.at(0)?.start).toBe(GIB);
  expect(ranges.at(1)).toEqual({ start: 3 * GIB, end: 3 * GIB + 100 });
  await expect(dataRanges(path, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  });
});
