import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FileSystem, LIST_LIMIT } from '../../../../../src/host/disk/files/file-system.ts';
import { openXfs } from '../../../../../src/host/disk/files/xfs.ts';
import {
  type Disk,
  diskOf,
  find,
  fixtureDisk,
  hasProgram,
  madeDisk,
  namesOf,
  patched,
  read,
  readText,
  textOf,
} from '../../../../support/disk-fixtures.ts';
import { tourChanged } from '../../../../support/hostile-disk.ts';

async function opened(disk: Disk): Promise<FileSystem> {
  const fs = await openXfs(disk);
  if (!fs) throw new Error('no XFS');
  return fs;
}

/** With an inode of this path changed: at so many bytes from its beginning. */
async function withInode(disk: Disk, path: string, changes: Readonly<Record<number, Buffer>>): Promise<Disk> {
  const at = await inodeAt(disk, path);
  return Object.entries(changes).reduce(
    (changed, [offset, bytes]) => patched(changed, at + Number(offset), bytes),
    disk,
  );
}

/** Where the inode of this path begins: it is the last thing that is read on the way to it. */
async function inodeAt(disk: Disk, path: string): Promise<number> {
  let last = 0;
  const read: Disk['read'] = async (offset, length) => disk.read((last = offset), length);
  await find(await opened({ ...disk, read }), path);
  return last;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
}

/** A record of an extent: place in the file, block on the disk, blocks. */
function extent(start: bigint, block: bigint, count: bigint): Buffer {
  return Buffer.concat([u64((start << 9n) | (block >> 43n)), u64(BigInt.asUintN(64, block << 21n) | count)]);
}

describe('a version 5 that Linux wrote', () => {
  const disk = fixtureDisk('xfs');
  let fs: FileSystem;
  beforeAll(async () => (fs = await opened(disk)));

  test('has its label and uuid', () => {
    expect(fs).toMatchObject({ type: 'xfs', label: 'kernel', uuid: '01234567-89ab-cdef-0123-456789abcdef' });
  });

  test('lists its root', async () => {
    const root = await fs.root();
    expect(root).toMatchObject({ kind: 'folder', size: 0 });
    const names = ['etc', 'empty', 'short', 'block', 'leaf', 'node', 'link', 'long-link'];
    expect((await fs.list(root)).toSorted()).toEqual(
      [...names, 'fragmented', 'sparse', 'reserved', 'pipe'].toSorted(),
    );
  });

  const removed = (number: number): boolean =>
    (number >= 400 && number <= 700) || (number >= 901 && number <= 1100 && number % 2 === 1);

  test.each([
    ['empty', []],
    ['short', namesOf(5)],
    ['block', namesOf(40)],
    ['leaf', namesOf(300)],
    ['node', namesOf(1500).filter((_, index) => !removed(index + 1))],
  ])('a folder of form %s has all its names', async (path, names) => {
    const folder = await find(fs, path);
    expect((await fs.list(folder)).toSorted()).toEqual(names.toSorted());
    expect(await fs.lookup(folder, 'name-0')).toBeUndefined();
    expect(await fs.lookup(folder, '.')).toBeUndefined();
    for (const name of [names.at(0), names.at(-1)].filter((name) => name !== undefined))
      expect(await fs.lookup(folder, name)).toMatchObject({ kind: 'file', size: 0 });
  });

  test('files are files, links are links, the rest is neither and holds nothing', async () => {
    expect(await readText(fs, 'etc/os-release')).toBe(textOf(20));
    expect((await read(fs, 'etc/os-release', 10)).toString()).toBe('line 1: th');
    expect(await find(fs, 'link')).toMatchObject({ kind: 'link', size: 14 });
    expect(await readText(fs, 'link')).toBe('etc/os-release');
    expect((await read(fs, 'link', 3)).toString()).toBe('etc');
    expect(await readText(fs, 'long-link')).toBe('x'.repeat(1020));
    expect(await find(fs, 'pipe')).toMatchObject({ kind: 'other', size: 0 });
    expect(await read(fs, 'pipe')).toHaveLength(0);
    expect(await read(fs, 'etc')).toHaveLength(0);
  });

  test('nothing is found in what is no folder', async () => {
    expect(await fs.list(await find(fs, 'link'))).toEqual([]);
    expect(await fs.lookup(await find(fs, 'etc/os-release'), 'x')).toBeUndefined();
  });

  test('a file of 800 extents has each block in its place, and zeros between them', async () => {
    const content = await read(fs, 'fragmented');
    expect(content).toHaveLength(1600 * 1024);
    for (let block = 0; block < 1600; block++) {
      const text = content.toString('latin1', block * 1024, (block + 1) * 1024);
      expect(text).toBe(block % 2 === 0 ? `${block}\n`.padStart(1024) : '\0'.repeat(1024));
    }
    expect(await read(fs, 'fragmented', 5000)).toEqual(content.subarray(0, 5000));
  });

  test('holes and what was only reserved read as zeros', async () => {
    const sparse = await find(fs, 'sparse');
    expect(sparse.size).toBe(40 * 2 ** 30);
    const content = await fs.content(sparse, 200 * 1024);
    expect(content.subarray(0, 100 * 1024).every((byte) => byte === 0)).toBe(true);
    expect(content.toString('latin1', 100 * 1024, 100 * 1024 + textOf(3).length)).toBe(textOf(3));
    expect(await readText(fs, 'reserved')).toBe(textOf(3) + '\0'.repeat(100 * 1024 - textOf(3).length));
  });

  test.each<[string, number, Buffer, string]>([
    ['blocks of no size', 4, Buffer.alloc(4), 'ImageCorrupt'],
    ['blocks of another size', 120, Buffer.of(12), 'ImageCorrupt'],
    ['inodes of 128 KiB', 122, Buffer.of(17), 'ImageCorrupt'],
    ['no allocation groups', 88, Buffer.alloc(4), 'ImageCorrupt'],
    ['allocation groups of 2^255 blocks', 124, Buffer.of(255), 'ImageCorrupt'],
    ['folders of 2^255 blocks', 192, Buffer.of(255), 'ImageCorrupt'],
    ['version 3', 100, Buffer.of(0xb4, 0xa3), 'ImageCorrupt'],
    ['a version 4 with folders of another age', 100, Buffer.of(0, 4), 'ImageCorrupt'],
    ['an unknown feature', 216, Buffer.of(0x80), 'ImageFeatureUnknown'],
  ])('%s: refused', async (_what, offset, bytes, code) => {
    await expect(openXfs(patched(disk, offset, bytes))).rejects.toMatchObject({ code });
  });

  test.each<[string, string, Readonly<Record<number, Buffer>>, string]>([
    ['an inode that is none', 'etc', { 0: Buffer.of(0) }, 'ImageCorrupt'],
    ['an inode of another place', 'etc', { 152: u64(1n) }, 'ImageCorrupt'],
    ['an inode of the older version', 'etc', { 4: Buffer.of(2) }, 'ImageCorrupt'],
    ['attributes outside of the inode', 'etc', { 82: Buffer.of(255) }, 'ImageCorrupt'],
    ['an endless file', 'reserved', { 56: u64(2n ** 63n) }, 'ImageCorrupt'],
    ['a file on another disk', 'reserved', { 90: Buffer.of(0, 1) }, 'ImageNeedsOtherDisks'],
    ['more extents than there is room for', 'reserved', { 24: u64(2n ** 47n) }, 'ImageCorrupt'],
    ['extents that overlap', 'sparse', { 24: u64(2n), 192: Buffer.alloc(16) }, 'ImageCorrupt'],
    ['an extent behind the end', 'reserved', { 176: extent(0n, 2n ** 50n, 4n) }, 'ImageCorrupt'],
    ['an extent over two groups', 'reserved', { 176: extent(0n, 16383n, 2n) }, 'ImageCorrupt'],
    ['an empty extent', 'reserved', { 176: extent(0n, 0n, 0n) }, 'ImageCorrupt'],
    ['a tree of too many levels', 'fragmented', { 176: Buffer.of(0, 200) }, 'ImageCorrupt'],
    ['a tree whose levels do not descend', 'fragmented', { 176: Buffer.of(0, 3) }, 'ImageCorrupt'],
    ['a tree without branches', 'fragmented', { 178: Buffer.of(0, 0) }, 'ImageCorrupt'],
    ['a tree of more branches than the inode holds', 'fragmented', { 178: Buffer.of(1, 0) }, 'ImageCorrupt'],
    ['a link that is longer than links are', 'long-link', { 56: u64(1025n) }, 'ImageCorrupt'],
    ['a link that is longer than its text', 'long-link', { 56: u64(1021n) }, 'ImageCorrupt'],
    ['a link in the inode that has no room', 'link', { 56: u64(1000n) }, 'ImageCorrupt'],
    ['a folder that runs out of the inode', 'short', { 176: Buffer.of(255) }, 'ImageCorrupt'],
    ['a name with a slash', 'short', { 185: Buffer.from('a/b') }, 'ImageCorrupt'],
    ['a folder without a form', 'short', { 5: Buffer.of(0) }, 'ImageCorrupt'],
  ])('%s: refused', async (_what, path, changes, code) => {
    const changed = await opened(await withInode(disk, path, changes));
    const look = async (): Promise<unknown> => {
      const node = await find(changed, path);
      return [await changed.list(node), await changed.content(node, 2 ** 24)];
    };
    await expect(look()).rejects.toMatchObject({ name: 'HostError', code });
  });

  test('a folder that repeats a good block again and again ends', async () => {
    // Two extents of an allocation group each; whatever is read as a block of the folder is the folder's first one.
    const extents = Buffer.concat([extent(0n, 0n, 16384n), extent(16384n, 16384n, 16384n)]);
    const changed = await withInode(disk, 'leaf', { 24: u64(2n), 56: u64(2n ** 35n), 176: extents });
    const good = await disk.read(await leafBlockAt(), 4096);
    let blocks = 0;
    const repeating = await opened({
      ...changed,
      read: async (offset, length) =>
        length === 4096 && blocks++ >= 0 ? good : changed.read(offset, length),
    });
    const folder = await find(repeating, 'leaf');
    await expect(repeating.lookup(folder, 'missing')).rejects.toThrow(/too large/);
    expect(blocks).toBeLessThan(5000);
    expect(await repeating.list(folder)).toHaveLength(LIST_LIMIT);
  });

  /** Where the first block of the folder `leaf` is. */
  async function leafBlockAt(): Promise<number> {
    let first: number | undefined;
    const read: Disk['read'] = async (offset, length) => {
      if (length === 4096) first ??= offset;
      return disk.read(offset, length);
    };
    const watched = await opened({ ...disk, read });
    const folder = await find(watched, 'leaf');
    first = undefined;
    await watched.list(folder);
    return first ?? 0;
  }
});

test('what is no XFS is none', async () => {
  expect(await openXfs(diskOf(0, new Map()))).toBeUndefined();
  expect(await openXfs(diskOf(100, new Map([[0, Buffer.from('XFSB')]])))).toBeUndefined();
  expect(await openXfs(diskOf(2 ** 20, new Map()))).toBeUndefined();
  await expect(openXfs(diskOf(2 ** 20, new Map([[0, Buffer.from('XFSB')]])))).rejects.toMatchObject({
    code: 'ImageCorrupt',
  });
});

describe.skipIf(!hasProgram('mkfs.xfs'))('what mkfs.xfs fills (needs xfsprogs)', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-xfs-'))));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** mkfs 6.1 forgets the header of a version 5's link that does not fit into its inode. */
  const longLink = (options: readonly string[]): string => 'y'.repeat(options.includes('crc=0') ? 900 : 200);

  /** mkfs.xfs(8), "-p protofile". */
  function filled(...options: string[]): Disk {
    const text = join(folder, 'text');
    writeFileSync(text, textOf(2000));
    writeFileSync(join(folder, 'nothing'), '');
    const many = namesOf(600).map((name) => `${name} ---644 0 0 ${folder}/nothing`);
    const lines = ['/boot', '0 0', 'd--755 0 0', 'etc d--755 0 0', `os-release ---644 0 0 ${text}`, '$'];
    const links = [`long l--777 0 0 ${longLink(options)}`, 'short l--777 0 0 etc'];
    const prototype = join(folder, 'prototype');
    writeFileSync(prototype, [...lines, ...links, 'many d--755 0 0', ...many, '$', '$', ''].join('\n'));
    return madeDisk(64, ['mkfs.xfs', '-q', '-L', 'made', ...options, '-p', prototype]);
  }

  const variants: Readonly<Record<string, readonly string[]>> = {
    'version 5': [],
    'version 5 with blocks of 1 KiB': ['-b', 'size=1024'],
    'version 5 with folders of 64 KiB': ['-n', 'size=65536', '-i', 'size=2048'],
    'version 4': ['-m', 'crc=0', '-n', 'ftype=1'],
    'version 4 without kinds in folders': ['-m', 'crc=0', '-n', 'ftype=0'],
    'version 4 with blocks of 512 bytes': ['-m', 'crc=0', '-n', 'ftype=0', '-b', 'size=512'],
  };

  test.each(Object.entries(variants))('%s', async (_name, options) => {
    const fs = await opened(filled(...options));
    expect(fs.label).toBe('made');
    expect((await fs.list(await fs.root())).toSorted()).toEqual(['etc', 'long', 'many', 'short']);
    expect(await readText(fs, 'etc/os-release')).toBe(textOf(2000));
    expect(await readText(fs, 'long')).toBe(longLink(options));
    expect(await readText(fs, 'short')).toBe('etc');
    expect((await fs.list(await find(fs, 'many'))).toSorted()).toEqual(namesOf(600).toSorted());
    expect(await find(fs, 'many/name-600')).toMatchObject({ kind: 'file', size: 0 });
  });

  test('version 4 with its extents in a tree, as Linux has written them', async () => {
    const disk = filled('-m', 'crc=0');
    const inode = await inodeAt(disk, 'etc/os-release');
    const extent = await disk.read(inode + 100, 16);
    // The root in the inode: level 1, one key, one pointer, in the 156 bytes behind the fields of an inode of 256.
    const root = Buffer.alloc(156);
    const leafBlock = 3000;
    root.set([0, 1, 0, 1]);
    root.writeBigUInt64BE(BigInt(leafBlock), 4 + Math.floor((156 - 4) / 16) * 8);
    const leaf = Buffer.concat([Buffer.from('BMAP\0\0\0\x01', 'latin1'), Buffer.alloc(16, 0xff), extent]);
    const changed = patched(patched(disk, inode + 5, Buffer.of(3)), inode + 100, root);
    const fs = await opened(patched(changed, leafBlock * 4096, leaf));
    expect(await readText(fs, 'etc/os-release')).toBe(textOf(2000));
  });

  test('of a folder with more names than that, as many as may be are listed', async () => {
    const many = Array.from({ length: LIST_LIMIT + 5 }, (_, index) => `n${index} p--644 0 0`);
    const prototype = join(folder, 'crowd');
    writeFileSync(prototype, ['/boot', '0 0', 'd--755 0 0', ...many, '$', ''].join('\n'));
    const fs = await opened(madeDisk(64, ['mkfs.xfs', '-q', '-p', prototype]));
    expect(await fs.list(await fs.root())).toHaveLength(LIST_LIMIT);
    expect(await find(fs, `n${LIST_LIMIT + 4}`)).toMatchObject({ kind: 'other' });
  });

  test('no change of a version 4 brings out anything but a refusal', async () => {
    const disks = [filled('-m', 'crc=0'), filled('-m', 'crc=0', '-n', 'ftype=0')];
    const bounds = { rounds: 500, seed: 4, maxReads: 20_000, maxBytes: 2 ** 28 };
    expect([...(await tourChanged(openXfs, disks, bounds))]).toContain('ImageCorrupt');
  });
});

test('no change of a version 5 brings out anything but a refusal, and none makes the reader go on for ever', async () => {
  const bounds = { rounds: 1500, seed: 20_260_101, maxReads: 20_000, maxBytes: 2 ** 28 };
  const begun = performance.now();
  const codes = await tourChanged(openXfs, [fixtureDisk('xfs')], bounds);
  expect([...codes]).toEqual(expect.arrayContaining(['unopened', 'ImageCorrupt', 'ImageFeatureUnknown']));
  expect(performance.now() - begun).toBeLessThan(60_000);
}, 120_000);
