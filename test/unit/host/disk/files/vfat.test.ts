import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import type { FileSystem } from '../../../../../src/host/disk/files/file-system.ts';
import { exists, find, listFolder, readText } from '../../../../../src/host/disk/files/paths.ts';
import { openVfat } from '../../../../../src/host/disk/files/vfat.ts';
import {
  type CountedSource,
  type FatOptions,
  generator,
  makeFat,
  missingTools,
  mutate,
  scratchFolder,
  sourceIn,
  sourceOf,
  writeTree,
} from '../../../../support/file-systems.ts';

const missing = missingTools('mformat', 'mcopy');
const scratch = scratchFolder();
afterAll(scratch.remove);

let images = 0;

function makeImage(folder: string, options: FatOptions = {}): string {
  const path = join(scratch.path, `${images++}.fat`);
  makeFat(path, folder, options);
  return path;
}

async function opened(source: CountedSource): Promise<FileSystem> {
  const files = await openVfat(source);
  if (files === undefined) throw new Error('no FAT');
  return files;
}

const LONG = Array.from({ length: 30_000 }, (_, index) => `line ${index}\n`).join('');
const NAME = 'A long Name with spaces and ümläuts, of more than thirteen characters.conf';
const MANY = Array.from({ length: 80 }, (_, index) => `a file with number ${index}.txt`);
const TREE = {
  empty: '',
  'EFI/BOOT/BOOTX64.EFI': 'MZ',
  'EFI/debian/grubx64.efi': 'MZ grub',
  'loader/lower.txt': 'lower',
  [`names/${NAME}`]: 'named',
  long: LONG,
  'emptied/': '',
  ...Object.fromEntries(MANY.map((name) => [`many/${name}`, name])),
};

const LAYOUTS: readonly [string, FatOptions][] = [
  ['FAT12', { sizeMiB: 3 }],
  ['FAT16', { sizeMiB: 16, options: ['-c', '2'] }],
  ['FAT16 with clusters of 16 KiB', { sizeMiB: 100, options: ['-c', '32'] }],
  ['FAT32', { sizeMiB: 40, options: ['-F', '-c', '1'] }],
  ['FAT on sectors of 4096 bytes', { sizeMiB: 32, options: ['-M', '4096'] }],
];

describe.skipIf(missing !== '')('what mtools write is read', { timeout: 30_000 }, () => {
  const tree = writeTree(join(scratch.path, 'tree'), TREE);

  test.each(LAYOUTS)('%s', async (_name, options) => {
    const files = await opened(sourceIn(makeImage(tree, options)));
    expect(files).toMatchObject({ type: 'vfat', label: 'A LABEL', uuid: '1234-abcd' });
    await expect(readText(files, 'long', 2 ** 20)).resolves.toBe(LONG);
    await expect(readText(files, 'LONG', 10)).resolves.toBe('line 0\nlin');
    await expect(readText(files, 'empty', 10)).resolves.toBe('');
    await expect(readText(files, 'efi/boot/bootx64.efi', 10)).resolves.toBe('MZ');
    await expect(readText(files, 'EFI/Debian/../BOOT/./BootX64.efi', 10)).resolves.toBe('MZ');
    await expect(readText(files, `names/${NAME}`, 10)).resolves.toBe('named');
    await expect(readText(files, `names/${NAME.toUpperCase()}`, 10)).resolves.toBe('named');
    await expect(readText(files, 'names/ALONGN~1.CON', 10)).resolves.toBe('named');
    await expect(find(files, 'names')).resolves.toMatchObject({ node: { kind: 'folder' } });
    await expect(listFolder(files, 'names')).resolves.toEqual([NAME]);
    await expect(listFolder(files, 'emptied')).resolves.toEqual([]);
    await expect(listFolder(files, 'loader')).resolves.toEqual(['lower.txt']);
    await expect(listFolder(files, '/').then((names) => names?.toSorted())).resolves.toEqual(
      ['EFI', 'empty', 'emptied', 'loader', 'long', 'many', 'names'].toSorted(),
    );
    await expect(listFolder(files, 'many').then((names) => names?.toSorted())).resolves.toEqual(
      MANY.toSorted(),
    );
    for (const name of MANY) await expect(readText(files, `many/${name}`, 100)).resolves.toBe(name);
    await expect(exists(files, 'a label')).resolves.toBe(false);
    await expect(exists(files, 'long/file')).resolves.toBe(false);
  });

  test('deleted entries are not there', async () => {
    const path = makeImage(tree, { sizeMiB: 4 });
    const bytes = readFileSync(path);
    const place = bytes.indexOf('LOWER   TXT', 0, 'latin1');
    bytes.writeUInt8(0xe5, place);
    const files = await opened(sourceOf(bytes));
    await expect(listFolder(files, 'loader')).resolves.toEqual([]);
  });

  test('a long name that belongs to another entry is not believed', async () => {
    const bytes = readFileSync(makeImage(tree, { sizeMiB: 4 }));
    bytes.write('X', bytes.indexOf('ALONGN~1CON', 0, 'latin1'), 'latin1');
    const files = await opened(sourceOf(bytes));
    await expect(listFolder(files, 'names')).resolves.toEqual(['XLONGN~1.CON']);
  });
});

describe.skipIf(missing !== '')('what is no FAT', () => {
  const image =
    missing === '' ? readFileSync(makeImage(writeTree(join(scratch.path, 'none'), {}))) : Buffer.alloc(0);

  test.each<[string, number, number]>([
    ['no signature', 510, 0],
    ['sectors of 768 bytes', 12, 3],
    ['no sectors per cluster', 13, 0],
    ['three sectors per cluster', 13, 3],
    ['no table', 16, 0],
    ['a medium that no drive has', 21, 0x17],
  ])('%s', async (_what, offset, value) => {
    const copy = Buffer.from(image);
    copy.writeUInt8(value, offset);
    await expect(openVfat(sourceOf(copy))).resolves.toBeUndefined();
  });

  test('nothing', async () => {
    for (const size of [0, 511, 512, 65536])
      await expect(openVfat(sourceOf(Buffer.alloc(size)))).resolves.toBeUndefined();
  });
});

describe.skipIf(missing !== '')('no mutation brings out a crash or costs much', { timeout: 60_000 }, () => {
  const tree = writeTree(join(scratch.path, 'mutated'), {
    'EFI/BOOT/BOOTX64.EFI': LONG.slice(0, 20_000),
    'EFI/a rather long name/file': 'text',
    ...Object.fromEntries(MANY.slice(0, 60).map((name) => [`many/${name}`, ''])),
  });

  test.each<[string, FatOptions]>([
    ['FAT12', { sizeMiB: 1 }],
    ['FAT16', { sizeMiB: 5, options: ['-c', '1'] }],
    ['FAT32', { sizeMiB: 36, options: ['-F', '-c', '1'] }],
  ])('%s', async (_name, options) => {
    const bytes = readFileSync(makeImage(tree, options));
    const used = usedRanges(bytes);
    const random = generator(20_260_104);
    const begun = performance.now();
    for (let round = 0; round < 1500; round++) {
      const undo = mutate(bytes, random, used[Math.floor(random() * used.length)] ?? [0, 512]);
      const source = sourceOf(bytes);
      await survived(readAll(source));
      expect(source.cost.reads).toBeLessThan(200_000);
      undo();
    }
    expect(performance.now() - begun).toBeLessThan(30_000);
  });

  async function readAll(source: CountedSource): Promise<void> {
    const files = await openVfat(source);
    if (files === undefined) return;
    for (const path of ['efi/boot/bootx64.efi', 'EFI/A rather long name/FILE', `many/${MANY[50]}`])
      await survived(readText(files, path, 100_000));
    for (const path of ['/', 'EFI', 'many']) await survived(listFolder(files, path));
  }

  test('a folder that is a ring of clusters ends', async () => {
    const bytes = readFileSync(makeImage(tree, { sizeMiB: 36, options: ['-F', '-c', '1'] }));
    const root = 2;
    const table = bytes.readUInt16LE(14) * 512;
    bytes.writeUInt32LE(root, table + 4 * root);
    // No end marks inside either.
    const place = table + 2 * bytes.readUInt32LE(36) * 512;
    bytes.fill(0xe5, place, place + 512);
    const source = sourceOf(bytes);
    const files = await opened(source);
    await expect(listFolder(files, '/')).resolves.toEqual([]);
    expect(source.cost.bytes).toBeLessThan(10 * 2 ** 20);
  });
});

async function survived(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof HostError) || error.code !== 'ImageCorrupt') throw error;
  });
}

function usedRanges(bytes: Buffer): (readonly [number, number])[] {
  const used: (readonly [number, number])[] = [[0, 100]];
  for (let place = 0; place < bytes.length; place += 512)
    if (bytes.subarray(place, place + 512).some((byte) => byte !== 0)) used.push([place, place + 512]);
  return used;
}
