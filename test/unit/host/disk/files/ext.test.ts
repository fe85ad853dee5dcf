import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { openExt } from '../../../../../src/host/disk/files/ext.ts';
import type { FileSystem } from '../../../../../src/host/disk/files/file-system.ts';
import { exists, find, listFolder, readBytes, readText } from '../../../../../src/host/disk/files/paths.ts';
import {
  type CountedSource,
  EXT_UUID,
  type ExtOptions,
  type Tree,
  generator,
  debugExt,
  hashFolders,
  makeExt,
  missingTools,
  mutate,
  scratchFolder,
  sourceIn,
  sourceOf,
  writeTree,
} from '../../../../support/file-systems.ts';

const missing = missingTools('mke2fs', 'e2fsck', 'debugfs');
const scratch = scratchFolder();
afterAll(scratch.remove);

let images = 0;

function makeImage(folder: string, options: ExtOptions = {}): string {
  const path = join(scratch.path, `${images++}.ext`);
  makeExt(path, folder, options);
  return path;
}

async function opened(source: CountedSource): Promise<FileSystem> {
  const files = await openExt(source);
  if (files === undefined) throw new Error('no ext');
  return files;
}

const LONG = Array.from({ length: 60_000 }, (_, index) => `line ${index}\n`).join('');
const DEEP = 'a/b/c/d/e/f/g/h/i/j';
const SPARSE = { 5000: 'early', 400_000: 'middle', 69_999_990: 'at the end' };
const SPARSE_BYTES = 70_000_000;
/** Names so long that hashing 600 of them takes two levels in blocks of 1 KiB. */
const MANY = Array.from({ length: 600 }, (_, index) => `${index}-${'n'.repeat(220)}`);
const TREE: Tree = {
  empty: '',
  'etc/os-release': 'ID=example\n',
  'etc/medium': 'x'.repeat(150),
  'var/long': LONG,
  [`${DEEP}/file`]: 'deep',
  fast: { link: 'etc/os-release' },
  slow: { link: `${'./'.repeat(60)}etc/os-release` },
  absolute: { link: '/fast' },
  // Deep enough in the file for every level of a block map of 1 KiB blocks.
  sparse: { size: SPARSE_BYTES, pieces: SPARSE },
  ...Object.fromEntries(MANY.map((name) => [`many/${name}`, ''])),
};

describe.skipIf(missing !== '')('what mke2fs writes is read', { timeout: 30_000 }, () => {
  const tree = writeTree(join(scratch.path, 'tree'), TREE);

  test.each<[string, ExtOptions]>([
    ['ext2 with blocks of 1 KiB', { type: 'ext2', options: ['-b', '1024'] }],
    ['ext2 of revision 0', { type: 'ext2', options: ['-r', '0', '-b', '4096', '-O', 'none'] }],
    ['ext3', { type: 'ext3', sizeMiB: 32 }],
    ['ext4', {}],
    ['ext4 with blocks of 1 KiB', { options: ['-b', '1024'] }],
    ['ext4 with blocks of 2 KiB and inodes of 128 bytes', { options: ['-b', '2048', '-I', '128'] }],
    [
      'ext4 with 32-bit descriptors and without extents',
      { options: ['-O', '^64bit,^extent,^metadata_csum'] },
    ],
    ['ext4 with inline data', { options: ['-O', 'inline_data', '-I', '256'] }],
    ['ext4 with inline data in inodes of 1 KiB', { options: ['-O', 'inline_data', '-I', '1024'] }],
    [
      'ext4 with its group descriptors spread',
      { options: ['-O', 'meta_bg,^resize_inode', '-b', '1024', '-g', '256'] },
    ],
    [
      'ext4 with spread descriptors and two backups',
      {
        options: [
          '-O',
          'meta_bg,^resize_inode,sparse_super2',
          '-b',
          '1024',
          '-g',
          '256',
          '-E',
          'num_backup_sb=2',
        ],
      },
    ],
    ['ext4 with clusters', { options: ['-O', 'bigalloc', '-C', '16384'], sizeMiB: 64 }],
    ['ext4 with large blocks', { options: ['-b', '65536', '-F'], sizeMiB: 128 }],
    ['ext4 with case folding and encryption', { options: ['-O', 'casefold,encrypt'] }],
    ['ext4 without file types', { options: ['-O', '^filetype'] }],
  ])('%s', async (_name, options) => {
    const source = sourceIn(makeImage(tree, options));
    const files = await opened(source);
    expect(files).toMatchObject({ type: 'ext', label: 'a label', uuid: EXT_UUID });

    await expect(readText(files, 'etc/os-release', 100)).resolves.toBe('ID=example\n');
    await expect(readText(files, 'etc/medium', 1000)).resolves.toBe('x'.repeat(150));
    await expect(readText(files, 'empty', 100)).resolves.toBe('');
    await expect(readText(files, 'var/long', 2 ** 20)).resolves.toBe(LONG);
    await expect(readText(files, 'var/long', 9)).resolves.toBe('line 0\nli');
    await expect(readText(files, `/${DEEP}/file`, 100)).resolves.toBe('deep');
    await expect(readText(files, `/${DEEP}/none`, 100)).resolves.toBeUndefined();
    await expect(find(files, 'absolute')).resolves.toMatchObject({ path: '/etc/os-release' });
    await expect(find(files, 'slow')).resolves.toMatchObject({ path: '/etc/os-release', node: { size: 11 } });

    const sparse = await readBytes(files, 'sparse', SPARSE_BYTES);
    expect(sparse?.equals(sparseBytes())).toBe(true);
    await expect(listFolder(files, 'many').then((names) => names?.toSorted())).resolves.toEqual(
      MANY.toSorted(),
    );
    await expect(find(files, `many/${MANY[555]}`)).resolves.toMatchObject({
      node: { kind: 'file', size: 0 },
    });
    const root = await listFolder(files, '/');
    expect(root?.toSorted()).toEqual(
      ['a', 'absolute', 'empty', 'etc', 'fast', 'lost+found', 'many', 'slow', 'sparse', 'var'].toSorted(),
    );
  });

  test.each(['1024', '4096'])('hashed folders in blocks of %s bytes', async (blockSize) => {
    const path = makeImage(tree, { options: ['-b', blockSize] });
    hashFolders(path);
    const files = await opened(sourceIn(path));
    await expect(listFolder(files, 'many').then((names) => names?.toSorted())).resolves.toEqual(
      MANY.toSorted(),
    );
    for (const name of MANY) await expect(exists(files, `many/${name}`)).resolves.toBe(true);
    await expect(exists(files, 'many/none')).resolves.toBe(false);
  });

  test('a large folder is listed up to a limit', async () => {
    // The tool needs minutes for as many files, so that a file is turned into their folder.
    const folder = writeTree(join(scratch.path, 'large'), { large: folderBlocks(11_000) });
    const path = makeImage(folder, { options: ['-b', '4096'] });
    debugExt(path, 'set_inode_field /large mode 040755');
    const files = await opened(sourceIn(path));
    await expect(listFolder(files, 'large')).resolves.toHaveLength(10_000);
    await expect(exists(files, 'large/name-10999')).resolves.toBe(true);
    await expect(exists(files, 'large/name-11000')).resolves.toBe(false);
  });
});

function sparseBytes(): Buffer {
  const bytes = Buffer.alloc(SPARSE_BYTES);
  for (const [offset, text] of Object.entries(SPARSE)) bytes.write(text, Number(offset));
  return bytes;
}

/** Blocks of 4 KiB with 128 entries of 32 bytes each. */
function folderBlocks(entries: number): Buffer {
  const bytes = Buffer.alloc(Math.ceil(entries / 128) * 4096);
  for (let index = 0; index < bytes.length / 32; index++) {
    bytes.writeUInt32LE(index < entries ? 2 : 0, 32 * index);
    bytes.writeUInt16LE(32, 32 * index + 4);
    bytes.writeUInt8(10, 32 * index + 6);
    bytes.write(`name-${String(index).padStart(5, '0')}`, 32 * index + 8);
  }
  return bytes;
}

describe.skipIf(missing !== '')('what makes no sense is refused', () => {
  const image =
    missing === ''
      ? readFileSync(makeImage(writeTree(join(scratch.path, 'one'), { 'etc/file': 'text' })))
      : Buffer.alloc(0);

  function changed(change: (superblock: Buffer) => void): CountedSource {
    const copy = Buffer.from(image);
    change(copy.subarray(1024, 2048));
    return sourceOf(copy);
  }

  test.each<[string, (superblock: Buffer) => void]>([
    ['blocks of 128 KiB', (bytes) => bytes.writeUInt32LE(7, 24)],
    ['blocks of any number', (bytes) => bytes.writeUInt32LE(0xffffffff, 24)],
    ['no inodes in a group', (bytes) => bytes.writeUInt32LE(0, 40)],
    ['no blocks in a group', (bytes) => bytes.writeUInt32LE(0, 32)],
    ['inodes of no size', (bytes) => bytes.writeUInt16LE(0, 88)],
    ['inodes larger than blocks', (bytes) => bytes.writeUInt16LE(32768, 88)],
    ['inodes of an odd size', (bytes) => bytes.writeUInt16LE(200, 88)],
    ['descriptors of no size', (bytes) => bytes.writeUInt16LE(0, 254)],
    ['an unknown feature', (bytes) => bytes.writeUInt32LE(0x80000000, 96)],
    ['compression', (bytes) => bytes.writeUInt32LE(0x1, 96)],
  ])('%s', async (_what, change) => {
    await expect(openExt(changed(change))).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test('another magic, a device for journals and nothing at all are no ext', async () => {
    await expect(openExt(changed((bytes) => bytes.writeUInt16LE(0, 56)))).resolves.toBeUndefined();
    await expect(openExt(changed((bytes) => bytes.writeUInt32LE(8, 96)))).resolves.toBeUndefined();
    for (const size of [0, 1024, 2047, 1 << 20])
      await expect(openExt(sourceOf(Buffer.alloc(size)))).resolves.toBeUndefined();
  });

  test('a file system that is cut off is read as far as it goes', async () => {
    const files = await opened(sourceOf(image.subarray(0, 4096)));
    await expect(files.root()).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });
});

async function walkAll(files: FileSystem): Promise<void> {
  for (const path of ['etc/file', 'slow', 'loop', 'many/name-7', 'var/long'])
    await survived(readBytes(files, path, 100_000));
  for (const path of ['/', 'etc', 'many']) await survived(listFolder(files, path));
}

async function survived(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof HostError) || error.code !== 'ImageCorrupt') throw error;
  });
}

describe.skipIf(missing !== '')('no mutation brings out a crash or costs much', { timeout: 60_000 }, () => {
  const tree = writeTree(join(scratch.path, 'mutated'), {
    'etc/file': 'text',
    'var/long': LONG.slice(0, 90_000),
    slow: { link: `${'./'.repeat(60)}etc/file` },
    loop: { link: 'loop' },
    ...Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`many/name-${index}`, ''])),
  });

  test.each<[string, ExtOptions]>([
    ['ext2', { type: 'ext2', options: ['-b', '1024', '-N', '400'], sizeMiB: 1 }],
    ['ext4', { options: ['-b', '1024', '-N', '400', '-O', '^has_journal'], sizeMiB: 1 }],
    [
      'ext4 with inline data',
      { options: ['-b', '1024', '-N', '400', '-O', '^has_journal,inline_data', '-I', '256'], sizeMiB: 1 },
    ],
  ])('%s', async (_name, options) => {
    const bytes = readFileSync(makeImage(tree, options));
    const structures = usedRanges(bytes);
    const random = generator(20_260_103);
    const begun = performance.now();
    for (let round = 0; round < 1200; round++) {
      const range = structures[Math.floor(random() * structures.length)] ?? [1024, 2048];
      const undo = mutate(bytes, random, range);
      const source = sourceOf(bytes);
      const files = await openExt(source).catch((error: unknown) => {
        if (!(error instanceof HostError) || error.code !== 'ImageCorrupt') throw error;
        return undefined;
      });
      if (files) await walkAll(files);
      expect(source.cost.reads).toBeLessThan(300_000);
      undo();
    }
    expect(performance.now() - begun).toBeLessThan(30_000);
  });
});

/** Blocks of 1 KiB that are not zeros; the superblock thrice as often as others. */
function usedRanges(bytes: Buffer): (readonly [number, number])[] {
  const used: (readonly [number, number])[] = [
    [1024, 1400],
    [1024, 1400],
  ];
  for (let place = 1024; place < bytes.length; place += 1024)
    if (bytes.subarray(place, place + 1024).some((byte) => byte !== 0)) used.push([place, place + 1024]);
  return used;
}
