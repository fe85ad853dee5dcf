// One disk in every format that an image may come in: a guest reads the same bytes from all of them.
import { execa } from 'execa';
import { createHash, randomFillSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Image } from '@aws-sdk/client-ec2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCloud, type Cloud } from '../support/cloud.ts';
import { mbrDisk } from '../support/disk-headers.ts';
import { diskOf } from '../support/guest-disks.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

const MIB = 2 ** 20;
const DISK_MIB = 8;
/** Nothing on the disk says them. */
const SAID = [
  '--architecture',
  'x86_64',
  '--boot-mode',
  'legacy-bios',
  '--first-boot',
  'none',
  '--user',
  'me',
];

/** Formats that qemu-img writes: the name of the file, qemu-img's format, its options. */
const CONVERTED = [
  ['disk.qcow2', 'qcow2', 'compat=1.1'],
  ['sparse.vmdk', 'vmdk', 'subformat=monolithicSparse'],
  ['stream.vmdk', 'vmdk', 'subformat=streamOptimized'],
  ['dynamic.vhd', 'vpc', 'subformat=dynamic'],
  ['fixed.vhd', 'vpc', 'subformat=fixed'],
  ['disk.vhdx', 'vhdx', 'subformat=dynamic'],
  ['disk.vdi', 'vdi', 'static=off'],
] as const;
const COMPRESSED = [
  ['disk.raw.xz', 'xz', '-0'],
  ['disk.raw.zst', 'zstd', '-1'],
] as const;
/** Formats that carry a description of the image, so they are written by bonami itself. */
const EXPORTED = ['disk.ova', 'disk.tar.zst'] as const;
const FILES = [
  'disk.raw',
  ...CONVERTED.map(([file]) => file),
  ...COMPRESSED.map(([file]) => file),
  ...EXPORTED,
];

let before: Snapshot;
let cloud: Cloud;
let digest: string;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  digest = await makeFiles(cloud.home);
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

/** The disk in every format but bonami's own, in a folder; returns its digest. */
async function makeFiles(folder: string): Promise<string> {
  const disk = mbrDisk(DISK_MIB * MIB);
  // Random, but for an end of zeros: that must come out as well where a format leaves it out.
  randomFillSync(disk, MIB, (DISK_MIB - 3) * MIB);
  const raw = join(folder, 'disk.raw');
  writeFileSync(raw, disk);
  for (const [file, format, options] of CONVERTED)
    await execa('qemu-img', ['convert', '-f', 'raw', '-O', format, '-o', options, raw, join(folder, file)]);
  for (const [file, program, level] of COMPRESSED)
    await execa(program, [level, '-q', '-c', raw], { stdout: { file: join(folder, file) } });
  return createHash('sha256').update(disk).digest('hex');
}

const imageName = (file: string): string => file.replaceAll('.', '-');

test.each(FILES)('%s becomes an image', async (file) => {
  const path = join(cloud.home, file);
  if (EXPORTED.some((each) => each === file))
    await cloud.bonami('image', 'export', imageName('disk.raw'), path);
  const words = file.endsWith('.tar.zst') ? [] : SAID;
  const made = await cloud.json<Image>('image', 'import', path, '-n', imageName(file), ...words);
  expect(made.State).toBe('available');
});

test('a guest reads the same from all of them', async () => {
  const devices = FILES.map((_, index) => `/dev/sd${String.fromCodePoint('f'.charCodeAt(0) + index)}`);
  const words: string[] = [];
  for (const [index, file] of FILES.entries())
    words.push('-b', `${devices[index]}=${await cloud.snapshotOf(imageName(file), '/dev/xvda')}`);
  await cloud.run('tiny', '-n', 'web', '-t', 't3.nano', ...words, '--wait', 'ssh');
  const volumes = await cloud.volumesOf('web');
  const looks = FILES.map(
    (file, index) =>
      `echo ${file} $(head -c $((${DISK_MIB} << 20)) ${diskOf(volumes[devices[index] ?? ''] ?? '')} | sha256sum)`,
  );
  const found = (await cloud.inGuest('web', looks.join('; '))).split('\n').map((line) => line.split(' '));
  expect(found.map(([file, sum]) => [file, sum])).toEqual(FILES.map((file) => [file, digest]));
});
