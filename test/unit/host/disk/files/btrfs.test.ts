import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBtrfs } from '../../../../../src/host/disk/files/btrfs.ts';
import { type FileSystem, LIST_LIMIT } from '../../../../../src/host/disk/files/file-system.ts';
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

const SUPERBLOCK = 64 * 1024;
/** Of the fixtures: with mixed block groups a node is as long as a sector. */
const NODE_BYTES = 4096;
const HEADER_BYTES = 101;
const ITEM_BYTES = 25;

const INODE_ITEM = 1;
const DIR_ITEM = 84;
const EXTENT_DATA = 108;
const ROOT_ITEM = 132;
const CHUNK_ITEM = 228;
const ROOT_TREE = 1n;
const CHUNK_TREE = 3n;
const FIRST_SUBVOLUME = 5n;

async function opened(disk: Disk): Promise<FileSystem> {
  const fs = await openBtrfs(disk);
  if (!fs) throw new Error('no btrfs');
  return fs;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

interface ItemName {
  readonly tree: bigint;
  readonly objectid: bigint;
  readonly type: number;
}

/** With all items of this name (also those of former versions of their leaves) changed, from their data's first byte on. */
function withItems(
  disk: Disk,
  { tree, objectid, type }: ItemName,
  changes: Readonly<Record<number, Buffer>>,
): Disk {
  let changed = disk;
  for (const [number, leaf] of disk.blocks) {
    const count = leaf.readUInt32LE(96);
    const isLeaf = leaf.readUInt8(100) === 0 && HEADER_BYTES + count * ITEM_BYTES <= NODE_BYTES;
    if (!isLeaf || leaf.readBigUInt64LE(88) !== tree) continue;
    for (let at = HEADER_BYTES; at < HEADER_BYTES + count * ITEM_BYTES; at += ITEM_BYTES) {
      if (leaf.readBigUInt64LE(at) !== objectid || leaf.readUInt8(at + 8) !== type) continue;
      const data = number * NODE_BYTES + HEADER_BYTES + leaf.readUInt32LE(at + 17);
      for (const [offset, bytes] of Object.entries(changes))
        changed = patched(changed, data + Number(offset), bytes);
    }
  }
  expect(changed).not.toBe(disk);
  return changed;
}

/** Where the nodes are that are read for these files. */
async function nodesRead(disk: Disk, paths: readonly string[]): Promise<readonly number[]> {
  const offsets = new Set<number>();
  const watched: Disk['read'] = async (offset, length) => {
    if (offset !== SUPERBLOCK) offsets.add(offset);
    return disk.read(offset, length);
  };
  const fs = await opened({ ...disk, read: watched });
  for (const path of paths) await find(fs, path);
  return [...offsets];
}

describe('a file system that Linux wrote', () => {
  const disk = fixtureDisk('btrfs');
  let fs: FileSystem;
  beforeAll(async () => (fs = await opened(disk)));

  test('has its label and uuid', () => {
    expect(fs).toMatchObject({
      type: 'btrfs',
      label: 'kernel',
      uuid: '01234567-89ab-cdef-0123-456789abcdef',
    });
  });

  test('lists its root', async () => {
    const root = await fs.root();
    expect(root).toMatchObject({ kind: 'folder', size: 0 });
    const files = [
      'zlib',
      'lzo',
      'zstd',
      'small-zlib',
      'small-lzo',
      'small-zstd',
      'plain',
      'sparse',
      'reserved',
    ];
    const others = ['etc', 'many', 'link', 'pipe', 'volume', 'snapshot'];
    expect((await fs.list(root)).toSorted()).toEqual([...files, ...others].toSorted());
  });

  test('files are files, links are links, the rest is neither and holds nothing', async () => {
    expect(await readText(fs, 'etc/os-release')).toBe(textOf(20));
    expect((await read(fs, 'etc/os-release', 10)).toString()).toBe('line 1: th');
    expect(await readText(fs, 'plain')).toBe(textOf(4000));
    expect((await read(fs, 'plain', 50_000)).toString()).toBe(textOf(4000).slice(0, 50_000));
    expect(await find(fs, 'link')).toMatchObject({ kind: 'link', size: 14 });
    expect(await readText(fs, 'link')).toBe('etc/os-release');
    expect(await find(fs, 'pipe')).toMatchObject({ kind: 'other', size: 0 });
    expect(await read(fs, 'pipe')).toHaveLength(0);
    expect(await read(fs, 'etc')).toHaveLength(0);
    expect(await read(fs, 'plain', 0)).toHaveLength(0);
  });

  test('nothing is found in what is no folder, nor what a folder does not have', async () => {
    expect(await fs.list(await find(fs, 'link'))).toEqual([]);
    expect(await fs.lookup(await find(fs, 'etc/os-release'), 'x')).toBeUndefined();
    expect(await fs.lookup(await fs.root(), 'missing')).toBeUndefined();
    expect(await fs.lookup(await fs.root(), '..')).toBeUndefined();
  });

  test.each(['zlib', 'lzo', 'zstd'])('what %s compressed is what it was', async (kind) => {
    const text = textOf(5000);
    // Something was written into the midst of one: parts of an extent stay on both sides.
    const expected = kind === 'zstd' ? `${text.slice(0, 40_960)}in the midst${text.slice(40_972)}` : text;
    expect(await readText(fs, kind)).toBe(expected);
    expect((await read(fs, kind, 130_000)).toString()).toBe(expected.slice(0, 130_000));
    expect(await readText(fs, `small-${kind}`)).toBe(textOf(60));
  });

  test('a folder of many names has them all', async () => {
    const many = await find(fs, 'many');
    expect((await fs.list(many)).toSorted()).toEqual(namesOf(400).toSorted());
    for (const name of namesOf(400)) expect(await fs.lookup(many, name)).toMatchObject({ kind: 'file' });
    expect(await fs.lookup(many, 'name-401')).toBeUndefined();
  });

  test('holes and what was only reserved read as zeros', async () => {
    const sparse = await find(fs, 'sparse');
    expect(sparse.size).toBe(40 * 2 ** 30);
    const content = await fs.content(sparse, 500_000);
    expect(content.subarray(0, 409_600).every((byte) => byte === 0)).toBe(true);
    expect(content.toString('latin1', 409_600, 409_600 + textOf(3).length)).toBe(textOf(3));
    expect(await readText(fs, 'reserved')).toBe(textOf(3) + '\0'.repeat(100 * 1024 - textOf(3).length));
  });

  test('subvolumes are folders; in a snapshot those of the original are empty', async () => {
    expect(await readText(fs, 'volume/file')).toBe(textOf(5));
    expect(await readText(fs, 'volume/inner/file')).toBe(textOf(6));
    expect(await readText(fs, 'snapshot/file')).toBe(textOf(5));
    const inner = await find(fs, 'snapshot/inner');
    expect(inner.kind).toBe('folder');
    expect(await fs.list(inner)).toEqual([]);
    expect(await fs.lookup(inner, 'file')).toBeUndefined();
  });

  test.each<[string, Readonly<Record<number, Buffer>>, string]>([
    ['two disks', { 136: u64(2n) }, 'ImageNeedsOtherDisks'],
    ['another disk than its chunks name', { 201: u64(2n) }, 'ImageCorrupt'],
    ['an unknown feature', { 195: Buffer.of(0x80) }, 'ImageFeatureUnknown'],
    ['sectors of no size', { 144: Buffer.alloc(4) }, 'ImageCorrupt'],
    ['sectors of three bytes', { 144: Buffer.of(3, 0) }, 'ImageCorrupt'],
    ['nodes of 2^31 bytes', { 148: Buffer.of(0, 0, 0, 0x80) }, 'ImageCorrupt'],
    ['more chunks than it has room for', { 160: Buffer.of(1, 8) }, 'ImageCorrupt'],
    ['chunks that are cut off', { 160: Buffer.of(20, 0) }, 'ImageCorrupt'],
    ['no chunks', { 160: Buffer.of(0, 0) }, 'ImageCorrupt'],
    ['something else than chunks', { [811 + 8]: Buffer.of(1) }, 'ImageCorrupt'],
    ['a chunk of 65,535 stripes', { [811 + 17 + 44]: Buffer.of(255, 255) }, 'ImageCorrupt'],
    ['a tree of 8 levels', { 199: Buffer.of(8) }, 'ImageCorrupt'],
    ['a tree of another level', { 199: Buffer.of(1) }, 'ImageCorrupt'],
    ['a tree nowhere', { 88: u64(2n ** 62n) }, 'ImageCorrupt'],
  ])('%s: refused', async (_what, changes, code) => {
    const entries = Object.entries(changes);
    const changed = entries.reduce((now, [at, bytes]) => patched(now, SUPERBLOCK + Number(at), bytes), disk);
    await expect(openBtrfs(changed)).rejects.toMatchObject({ name: 'HostError', code });
  });

  const chunks: ItemName = { tree: CHUNK_TREE, objectid: 256n, type: CHUNK_ITEM };

  test.each<[string, Readonly<Record<number, Buffer>>]>([
    ['RAID 5', { 24: u64(0x85n) }],
    ['RAID 6', { 24: u64(0x105n) }],
    ['RAID 0 over two disks', { 24: u64(0xdn), 44: Buffer.of(2, 0) }],
    ['no stripes', { 44: Buffer.of(0, 0) }],
    ['more stripes than there are', { 44: Buffer.of(255, 255) }],
    ['a stripe on another disk', { 48: u64(2n) }],
    ['endless length', { 0: u64(2n ** 64n - 1n) }],
  ])('chunks of %s: refused', async (_what, changes) => {
    await expect(openBtrfs(withItems(disk, chunks, changes))).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test.each<[string, Readonly<Record<number, Buffer>>]>([
    ['RAID 0 over one disk', { 24: u64(0xdn) }],
    ['RAID 1, whose copies are equal', { 24: u64(0x15n) }],
    ['RAID 10 over one disk', { 24: u64(0x45n), 46: Buffer.of(1, 0) }],
  ])('chunks of %s are as good as others', async (_what, changes) => {
    expect(await readText(await opened(withItems(disk, chunks, changes)), 'zstd')).toContain('in the midst');
  });

  const item = async (path: string, type: number): Promise<ItemName> => {
    const { number } = (await find(fs, path)).ref as { number: bigint };
    return { tree: FIRST_SUBVOLUME, objectid: number, type };
  };

  test.each<[string, string, number, Readonly<Record<number, Buffer>>, string]>([
    ['an endless file', 'plain', INODE_ITEM, { 16: u64(2n ** 63n) }, 'ImageCorrupt'],
    ['an extent that was longer than any', 'zstd', EXTENT_DATA, { 8: u64(2n ** 40n) }, 'ImageCorrupt'],
    ['an unknown compression', 'zstd', EXTENT_DATA, { 16: Buffer.of(4) }, 'ImageFeatureUnknown'],
    ['another compression', 'zstd', EXTENT_DATA, { 16: Buffer.of(1) }, 'ImageCorrupt'],
    ['lzo data that is none', 'zlib', EXTENT_DATA, { 16: Buffer.of(2) }, 'ImageCorrupt'],
    ['zstd data that is none', 'small-lzo', EXTENT_DATA, { 16: Buffer.of(3) }, 'ImageCorrupt'],
    ['encryption', 'plain', EXTENT_DATA, { 17: Buffer.of(1) }, 'ImageCorrupt'],
    ['another encoding', 'plain', EXTENT_DATA, { 18: Buffer.of(1) }, 'ImageCorrupt'],
    ['an extent of no kind', 'plain', EXTENT_DATA, { 20: Buffer.of(3) }, 'ImageCorrupt'],
    [
      'a long extent that stands in its item',
      'plain',
      EXTENT_DATA,
      { 8: u64(2n ** 40n), 20: Buffer.of(0) },
      'ImageCorrupt',
    ],
    ['an extent nowhere', 'plain', EXTENT_DATA, { 21: u64(2n ** 60n) }, 'ImageCorrupt'],
    ['an extent at the end of numbers', 'plain', EXTENT_DATA, { 21: u64(2n ** 64n - 1n) }, 'ImageCorrupt'],
    ['a compressed extent of 1 GiB', 'zstd', EXTENT_DATA, { 29: u64(2n ** 30n) }, 'ImageCorrupt'],
    ['a part behind its extent', 'plain', EXTENT_DATA, { 37: u64(2n ** 20n) }, 'ImageCorrupt'],
    ['a part behind its compressed extent', 'lzo', EXTENT_DATA, { 37: u64(2n ** 20n) }, 'ImageCorrupt'],
    ['a part of nothing', 'plain', EXTENT_DATA, { 45: u64(0n) }, 'ImageCorrupt'],
    ['a part that ends in a sector', 'plain', EXTENT_DATA, { 45: u64(4097n) }, 'ImageCorrupt'],
    ['parts that overlap', 'zstd', EXTENT_DATA, { 37: u64(0n), 45: u64(2n ** 17n) }, 'ImageCorrupt'],
  ])('%s: refused', async (_what, path, type, changes, code) => {
    const changed = await opened(withItems(disk, await item(path, type), changes));
    await expect(read(changed, path)).rejects.toMatchObject({ name: 'HostError', code });
  });

  test.each<[string, string, string, number, Readonly<Record<number, Buffer>>]>([
    ['a name with a slash', 'etc/os-release', 'etc', DIR_ITEM, { 30: Buffer.from('../etc') }],
    ['a name of no bytes', 'etc/os-release', 'etc', DIR_ITEM, { 27: Buffer.of(0, 0) }],
    ['a name that runs out of its item', 'etc/os-release', 'etc', DIR_ITEM, { 27: Buffer.of(250, 0) }],
    ['an entry for what is no file', 'etc/os-release', 'etc', DIR_ITEM, { 8: Buffer.of(108) }],
    ['an entry for no inode', 'etc/os-release', 'etc', DIR_ITEM, { 0: u64(99_999n) }],
  ])('%s: refused', async (_what, path, folder, type, changes) => {
    const changed = await opened(withItems(disk, await item(folder, type), changes));
    await expect(find(changed, path)).rejects.toMatchObject({ name: 'HostError', code: 'ImageCorrupt' });
  });

  test.each<[string, Readonly<Record<number, Buffer>>]>([
    ['of too many levels', { 238: Buffer.of(8) }],
    ['of another level', { 238: Buffer.of(1) }],
    ['nowhere', { 176: u64(2n ** 50n) }],
    ['without a top', { 168: u64(2n ** 50n) }],
  ])('a subvolume %s: refused', async (_what, changes) => {
    for (const objectid of [256n, 257n]) {
      const changed = await opened(withItems(disk, { tree: ROOT_TREE, objectid, type: ROOT_ITEM }, changes));
      const path = objectid === 256n ? 'volume' : 'volume/inner';
      await expect(find(changed, path)).rejects.toMatchObject({ name: 'HostError', code: 'ImageCorrupt' });
    }
  });

  test.each<[string, number, (node: Buffer) => Buffer]>([
    ['of more items than it has room for', 96, () => Buffer.alloc(4, 0xff)],
    ['of another place', 48, () => u64(4096n)],
    ['of another level', 100, (node) => Buffer.of(node.readUInt8(100) + 1)],
    ['whose keys are not in order', HEADER_BYTES, () => Buffer.alloc(17, 0xff)],
  ])('each node %s: refused', async (_what, at, bytes) => {
    const paths = ['etc/os-release', 'volume/inner/file', 'many/name-400'];
    const offsets = await nodesRead(disk, paths);
    expect(offsets.length).toBeGreaterThan(6);
    for (const offset of offsets) {
      const changed = patched(disk, offset + at, bytes(await disk.read(offset, NODE_BYTES)));
      await expect(nodesRead(changed, paths)).rejects.toMatchObject({ code: 'ImageCorrupt' });
    }
  });

  test('a node that points to itself, or to its neighbour: refused', async () => {
    let seen = 0;
    for (const offset of await nodesRead(disk, ['many/name-400'])) {
      const node = await disk.read(offset, NODE_BYTES);
      if (node.readUInt8(100) === 0) continue;
      seen++;
      const pointers = Array.from(
        { length: node.readUInt32LE(96) },
        (_, index) => HEADER_BYTES + index * 33 + 17,
      );
      const to = (address: Buffer): Disk =>
        pointers.reduce((changed, at) => patched(changed, offset + at, address), disk);
      const first = node.subarray(HEADER_BYTES + 17, HEADER_BYTES + 25);
      for (const changed of [to(node.subarray(48, 56)), to(first)])
        await expect(nodesRead(changed, ['many/name-400'])).rejects.toMatchObject({ code: 'ImageCorrupt' });
    }
    expect(seen).toBeGreaterThan(0);
  });
});

describe('the root is where a distribution keeps it', () => {
  test.each([
    ['btrfs-fedora', 'in a subvolume that is mounted by its name', 1],
    ['btrfs-opensuse-by-path', 'in a snapshot', 2],
    ['btrfs-opensuse', 'in the default subvolume', 2],
  ])('%s: %s', async (name, _where, lines) => {
    const fs = await opened(fixtureDisk(name));
    expect(await fs.list(await fs.root())).toEqual(['etc']);
    expect(await readText(fs, 'etc/os-release')).toBe(textOf(lines));
  });
});

test('what is no btrfs is none', async () => {
  expect(await openBtrfs(diskOf(0, new Map()))).toBeUndefined();
  expect(await openBtrfs(diskOf(SUPERBLOCK + 100, new Map()))).toBeUndefined();
  expect(await openBtrfs(diskOf(2 ** 20, new Map()))).toBeUndefined();
  const onlyMagic = patched(diskOf(2 ** 20, new Map()), SUPERBLOCK + 64, Buffer.from('_BHRfS_M'));
  await expect(openBtrfs(onlyMagic)).rejects.toMatchObject({ code: 'ImageCorrupt' });
});

describe.skipIf(!hasProgram('mkfs.btrfs'))('what mkfs.btrfs fills (needs btrfs-progs)', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bonami-btrfs-'));
    mkdirSync(join(folder, 'tree/etc'), { recursive: true });
    writeFileSync(join(folder, 'tree/etc/os-release'), textOf(2000));
    symlinkSync('/some/where', join(folder, 'tree/link'));
    mkdirSync(join(folder, 'tree/many'));
    for (const name of namesOf(600)) writeFileSync(join(folder, 'tree/many', name), name);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ['nodes of 16 KiB', ['-n', '16384']],
    ['nodes of 4 KiB', ['-n', '4096', '-m', 'single']],
    ['nodes of 64 KiB, and extents for holes', ['-n', '65536', '-O', '^no-holes']],
    ['RAID 0 over its only disk', ['-d', 'raid0', '-m', 'raid0']],
    ['two copies of all', ['-d', 'dup', '-m', 'dup']],
    ['another checksum', ['--csum', 'blake2']],
  ])(
    '%s',
    async (_name, options) => {
      const fs = await opened(
        madeDisk(160, ['mkfs.btrfs', '-q', '-L', 'made', ...options, '--rootdir', join(folder, 'tree')]),
      );
      expect(fs.label).toBe('made');
      expect((await fs.list(await fs.root())).toSorted()).toEqual(['etc', 'link', 'many']);
      expect(await readText(fs, 'etc/os-release')).toBe(textOf(2000));
      expect(await readText(fs, 'link')).toBe('/some/where');
      expect((await fs.list(await find(fs, 'many'))).toSorted()).toEqual(namesOf(600).toSorted());
      expect(await readText(fs, 'many/name-600')).toBe('name-600');
    },
    30_000,
  );

  test('of a folder with more names than that, as many as may be are listed', async () => {
    const crowd = join(folder, 'crowd');
    mkdirSync(crowd);
    for (const name of namesOf(LIST_LIMIT + 5)) writeFileSync(join(crowd, name), '');
    const fs = await opened(madeDisk(160, ['mkfs.btrfs', '-q', '--rootdir', crowd]));
    expect(await fs.list(await fs.root())).toHaveLength(LIST_LIMIT);
    expect(await find(fs, `name-${LIST_LIMIT + 5}`)).toMatchObject({ kind: 'file' });
  }, 60_000);
});

test('no change brings out anything but a refusal, and none makes the reader go on for ever', async () => {
  const disks = ['btrfs', 'btrfs', 'btrfs-fedora', 'btrfs-opensuse'].map(fixtureDisk);
  const bounds = { rounds: 2000, seed: 20_260_101, maxReads: 20_000, maxBytes: 2 ** 28 };
  const begun = performance.now();
  const codes = await tourChanged(openBtrfs, disks, bounds);
  expect([...codes]).toEqual(expect.arrayContaining(['unopened', 'ImageCorrupt', 'ImageFeatureUnknown']));
  expect(performance.now() - begun).toBeLessThan(60_000);
}, 120_000);
