import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contentDigest } from '../../../../../src/host/disk/qcow2/content-digest.ts';
import type { DiskContent, Extent } from '../../../../../src/host/disk/qcow2/content.ts';
import { openRaw } from '../../../../../src/host/disk/qcow2/raw.ts';
import { openQcow2 } from '../../../../../src/host/disk/qcow2/reader.ts';
import { qcow2File, type Qcow2Fields } from '../../../../support/disk-headers.ts';
import {
  generator,
  hasQemuImg,
  importFile,
  memorySource,
  noise,
  qemuImg,
  qemuIo,
  requireSame,
  withContent,
} from '../../../../support/qcow2.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-qcow2-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function extentsOf(content: DiskContent): Promise<readonly Extent[]> {
  const extents: Extent[] = [];
  for await (const extent of content.extents()) extents.push(extent);
  return extents;
}

/** What is read, by every way there is, is what is expected, and fits what is said about it. */
async function requireContent(content: DiskContent, file: Buffer, expected: Buffer): Promise<void> {
  expect(content.size).toBe(expected.length);
  expect((await content.read(0, content.size)).equals(expected)).toBe(true);

  const random = generator(7);
  for (let round = 0; round < 50; round++) {
    const offset = Math.floor(random() * content.size);
    const length = Math.floor(random() ** 3 * (content.size - offset));
    expect((await content.read(offset, length)).equals(expected.subarray(offset, offset + length))).toBe(
      true,
    );
  }

  let end = 0;
  for (const { offset, length, kind, fileOffset } of await extentsOf(content)) {
    if (offset !== end || length <= 0) throw new Error(`a gap at ${end}`);
    end += length;
    const bytes = expected.subarray(offset, end);
    if (kind === 'zero' && !bytes.equals(Buffer.alloc(length))) throw new Error(`no zeros at ${offset}`);
    if (fileOffset !== undefined && !file.subarray(fileOffset, fileOffset + length).equals(bytes))
      throw new Error(`other bytes at ${offset}`);
  }
  expect(end).toBe(content.size);

  let dataBytes = 0;
  for (let at = 0; at < expected.length; at += 65536)
    if (Buffer.alloc(65536).compare(expected.subarray(at, at + 65536)) < 0) dataBytes += 65536;
  expect(await content.allocatedBytes()).toBeGreaterThanOrEqual(dataBytes);
  expect(await contentDigest(content)).toBe(await contentDigest(openRaw(memorySource(expected))));
}

describe.skipIf(!hasQemuImg)('reads what qemu-img reads', () => {
  const clusterSizes = [512, 1024, 4096, 65536, 2 ** 20, 2 ** 21];
  const made = clusterSizes.flatMap((clusterSize) =>
    ['0.10', '1.1'].map((compat) => [clusterSize, compat] as const),
  );

  test.each(made)('clusters of %i bytes, compat %s', async (clusterSize, compat) => {
    const path = join(folder, 'disk.qcow2');
    const size = 9 * 2 ** 20 + 3 * 512;
    qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      '-o',
      `cluster_size=${clusterSize},compat=${compat}`,
      path,
      `${size}`,
    );
    qemuIo(
      path,
      'write -P 1 5M 700k',
      'write -P 2 0 3k',
      'write -P 3 100k 1M',
      'write -z 300k 200k',
      'write -P 4 8M 1050112',
      'write -P 5 2M 300k',
      'discard 2100k 100k',
      'write -P 6 2110k 1k',
      'write -z -u 5200k 100k',
      'write -P 0 7M 200k',
    );
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', path, join(folder, 'raw'));
    const expected = readFileSync(join(folder, 'raw'));
    await withContent(path, 'qcow2', async (content) => {
      await requireContent(content, readFileSync(path), expected);
      expect(await content.hasCompressed()).toBe(false);
    });
    await importFile(path, 'qcow2', join(folder, 'stored'));
    requireSame(join(folder, 'stored'), path, 'qcow2');
  });

  test.each(['off', 'metadata', 'falloc', 'full'])('preallocation=%s', async (preallocation) => {
    const path = join(folder, 'disk.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `preallocation=${preallocation}`, path, '4M');
    qemuIo(path, 'write -P 7 1M 100k');
    const expected = Buffer.alloc(2 ** 22).fill(7, 2 ** 20, 2 ** 20 + 102_400);
    const reading = withContent(path, 'qcow2', async (content) =>
      requireContent(content, readFileSync(path), expected),
    );
    await expect(reading).resolves.toBeUndefined();
  });

  test.each([4096, 65536, 2 ** 21])('compressed clusters of %i bytes among others', async (clusterSize) => {
    const path = join(folder, 'disk.qcow2');
    const expected = Buffer.alloc(7 * 2 ** 20);
    noise(2 ** 20).copy(expected, 2 ** 20);
    expected.write('text that is easy to compress. '.repeat(60_000), 3 * 2 ** 20);
    writeFileSync(join(folder, 'raw'), expected);
    const options = ['-c', '-o', `cluster_size=${clusterSize}`];
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...options, join(folder, 'raw'), path);
    qemuIo(path, 'write -P 9 6M 64k', 'write -P 9 3200k 4k');
    expected.fill(9, 6 * 2 ** 20, 6 * 2 ** 20 + 65536).fill(9, 3200 * 1024, 3204 * 1024);
    await withContent(path, 'qcow2', async (content) => {
      await requireContent(content, readFileSync(path), expected);
      expect(await content.hasCompressed()).toBe(true);
    });
  });

  test('a file that ends within its last cluster', async () => {
    const path = join(folder, 'disk.qcow2');
    const expected = noise(2 ** 20 + 512);
    writeFileSync(join(folder, 'raw'), expected);
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', join(folder, 'raw'), path);
    const file = readFileSync(path);
    const last = file.indexOf(expected.subarray(2 ** 20));
    truncateSync(path, last + 512);
    const reading = withContent(path, 'qcow2', async (content) =>
      requireContent(content, readFileSync(path), expected),
    );
    await expect(reading).resolves.toBeUndefined();
  });
});

describe('leaves to qemu-img', () => {
  test.each<[string, Qcow2Fields]>([
    ['a backing file', { backingOffset: 112n, backingSize: 11 }],
    ['a data file', { incompatible: 4n }],
    ['encryption', { cryptMethod: 2 }],
    ['an unknown feature', { incompatible: 32n }],
    ['subclusters', { incompatible: 16n, l1Entries: 4 }],
    ['zstd', { incompatible: 8n, compressionType: 1 }],
  ])('%s', async (_name, fields) => {
    await expect(openQcow2(memorySource(qcow2File(fields)))).rejects.toMatchObject({
      code: 'Qcow2Unsupported',
    });
  });
});

describe('refuses', () => {
  test.each<[string, string, Buffer]>([
    ['what is no qcow2', 'ImageFormatMismatch', Buffer.alloc(65536)],
    ['an empty file', 'ImageFormatMismatch', Buffer.alloc(0)],
    ['more than is allowed', 'ImageTooLarge', qcow2File({ virtualSize: 2n ** 41n + 512n, l1Entries: 8192 })],
    ['an L1 table behind the end', 'ImageCorrupt', qcow2File({ l1Offset: 4n * 65536n })],
  ])('%s', async (_name, code, file) => {
    await expect(openQcow2(memorySource(file))).rejects.toMatchObject({ code });
  });

  const CLUSTER = 65536n;
  /** The 1 GiB of `qcow2File` with an L2 table in a fifth cluster, whose first entries are these. */
  const withEntries = (entries: readonly bigint[], l1 = 4n * CLUSTER, fields: Qcow2Fields = {}): Buffer => {
    const file = Buffer.concat([qcow2File(fields), Buffer.alloc(65536)]);
    file.writeBigUInt64BE(l1, 3 * 65536);
    for (const [index, entry] of entries.entries()) file.writeBigUInt64BE(entry, 4 * 65536 + index * 8);
    return file;
  };

  test.each<[string, Buffer]>([
    ['an L2 table between clusters', withEntries([], 4n * CLUSTER + 512n)],
    ['an L2 table behind the end', withEntries([], 5n * CLUSTER)],
    ['an L2 table at the end of numbers', withEntries([], 2n ** 56n - CLUSTER)],
    ['a cluster between clusters', withEntries([CLUSTER + 512n])],
    ['a cluster behind the end', withEntries([5n * CLUSTER])],
    ['zeros between clusters', withEntries([CLUSTER + 513n])],
    ['zeros in version 2', withEntries([1n], 4n * CLUSTER, { version: 2 })],
    ['compressed data behind the end', withEntries([2n ** 62n + 5n * CLUSTER])],
    ['compressed data that is none', withEntries([2n ** 62n + 3n * CLUSTER])],
  ])('%s', async (_name, file) => {
    const content = await openQcow2(memorySource(file));
    const reading = { code: 'ImageCorrupt', message: expect.stringMatching(/^the .+[^.]$/) };
    await expect(content.read(0, 1)).rejects.toMatchObject(reading);
    await expect(contentDigest(content)).rejects.toMatchObject(reading);
  });

  const withCompressed = (bytes: number): Buffer => {
    const packed = deflateRawSync(Buffer.alloc(bytes, 'x'), { windowBits: 12 });
    const sectors = BigInt(Math.ceil(packed.length / 512) - 1);
    return Buffer.concat([withEntries([2n ** 62n + (sectors << 54n) + 5n * CLUSTER]), packed]);
  };

  test.each([0, 65535, 65537, 2 ** 26])('a compressed cluster that makes %i bytes', async (bytes) => {
    const content = await openQcow2(memorySource(withCompressed(bytes)));
    await expect(content.read(0, 1)).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test('but not one that makes a cluster', async () => {
    const content = await openQcow2(memorySource(withCompressed(65536)));
    expect(await content.read(65530, 6)).toEqual(Buffer.from('xxxxxx'));
  });

  test('reading outside of the disk', async () => {
    const content = await openQcow2(memorySource(qcow2File()));
    for (const [offset, length] of [
      [2 ** 30, 1],
      [-1, 1],
      [0, 2 ** 30 + 1],
      [0.5, 1],
      [NaN, 1],
    ] as const)
      await expect(content.read(offset, length)).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test('a small file that describes a full disk is known by its tables', async () => {
    const entries = Array.from({ length: 8192 }, () => CLUSTER);
    const file = withEntries(entries);
    file.writeBigUInt64BE(4n * CLUSTER, 3 * 65536 + 8);
    const content = await openQcow2(memorySource(file));
    expect(await content.allocatedBytes()).toBe(2 ** 30);
    await expect(content.allocatedBytes({ signal: AbortSignal.abort() })).resolves.toBe(2 ** 30);
  });
});
