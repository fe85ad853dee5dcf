import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { canAdopt, cloneFile } from '../../../../../src/host/disk/qcow2/adopt.ts';
import { qcow2File } from '../../../../support/disk-headers.ts';
import { hasQemuImg, importFile, noise, qemuImg } from '../../../../support/qcow2.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-adopt-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasQemuImg)('canAdopt', { timeout: 60_000 }, () => {
  test.each<[string, boolean, readonly string[]]>([
    ['as qemu-img makes it', true, []],
    ['with large clusters', true, ['-o', 'cluster_size=2M']],
    ['of version 2', true, ['-o', 'compat=0.10']],
    ['with small clusters', false, ['-o', 'cluster_size=32k']],
    ['with subclusters', false, ['-o', 'extended_l2=on']],
    ['compressed', false, ['-c']],
    ['compressed by zstd', false, ['-c', '-o', 'compression_type=zstd']],
  ])('%s: %s', async (_name, expected, options) => {
    const raw = join(folder, 'raw');
    const path = join(folder, 'disk.qcow2');
    writeFileSync(raw, Buffer.alloc(200_192, 'bonami'));
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...options, raw, path);
    expect(await canAdopt(path)).toBe(expected);
  });

  test('our own files', async () => {
    const raw = join(folder, 'raw');
    writeFileSync(raw, noise(300_000));
    await importFile(raw, 'raw', join(folder, 'stored'));
    expect(await canAdopt(join(folder, 'stored'))).toBe(true);
  });

  const withCluster = (entries: readonly bigint[]): Buffer => {
    const file = Buffer.concat([qcow2File(), Buffer.alloc(2 * 65536)]);
    for (const cluster of [4, 5]) file.writeUInt16BE(1, 2 * 65536 + 2 * cluster);
    file.writeBigUInt64BE((1n << 63n) | (4n * 65536n), 3 * 65536);
    for (const [index, entry] of entries.entries()) file.writeBigUInt64BE(entry, 4 * 65536 + index * 8);
    return file;
  };
  const ENTRY = (1n << 63n) | (5n * 65536n);

  test.each<[string, boolean, Buffer]>([
    ['a hand-made one', true, withCluster([ENTRY])],
    ['a leaked cluster', false, withCluster([])],
    ['a cluster used twice', false, withCluster([ENTRY, ENTRY])],
    ['a cluster behind the end', false, withCluster([(1n << 63n) | (2n ** 40n)])],
    ['a dirty one', false, qcow2File({ incompatible: 1n })],
    ['bitmaps', false, qcow2File({ autoclear: 1n })],
    ['a backing file', false, qcow2File({ backingOffset: 112n, backingSize: 11 })],
  ])('%s: %s', async (_name, expected, file) => {
    const path = join(folder, 'disk.qcow2');
    writeFileSync(path, file);
    expect(await canAdopt(path)).toBe(expected);
  });

  test('damage that the inspector sees is an error', async () => {
    const path = join(folder, 'disk.qcow2');
    writeFileSync(path, qcow2File({ l1Offset: 1n }));
    await expect(canAdopt(path)).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });
});

describe('cloneFile', () => {
  test('makes the same file or none', async () => {
    const from = join(folder, 'from');
    const to = join(folder, 'to');
    writeFileSync(from, noise(100_000));
    const isMade = await cloneFile(from, to);
    expect(existsSync(to)).toBe(isMade);
    expect(isMade && !readFileSync(to).equals(readFileSync(from))).toBe(false);
  });

  test('keeps what is there', async () => {
    const from = join(folder, 'from');
    const to = join(folder, 'to');
    writeFileSync(from, 'new');
    writeFileSync(to, 'precious');
    await expect(cloneFile(from, to)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(to, 'utf8')).toBe('precious');
  });
});
