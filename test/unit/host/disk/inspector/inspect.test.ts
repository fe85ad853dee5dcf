import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { type InspectOptions, inspect, inspectFile } from '../../../../../src/host/disk/inspector/inspect.ts';
import {
  type Qcow2Fields,
  fileWith,
  mbrDisk,
  qcow2File,
  windowOf,
} from '../../../../support/disk-headers.ts';

function codeOf(file: Buffer, options: InspectOptions = {}): string {
  try {
    inspect(windowOf(file), options);
    return 'passed';
  } catch (error) {
    // A sentence that says what is wrong with what, or it is not a refusal of ours.
    if (!(error instanceof HostError) || !/^the .+[^.]$/.test(error.message)) throw error;
    return error.code;
  }
}

describe('a good qcow2 passes', () => {
  test.each<[string, Qcow2Fields]>([
    ['version 3', {}],
    ['version 2', { version: 2 }],
    ['a short version 3 header', { headerLength: 104 }],
    ['a dirty one', { incompatible: 1n }],
    ['compressed by zstd', { incompatible: 8n, compressionType: 1 }],
    ['with subclusters, whose L1 entries cover half as much', { incompatible: 16n, l1Entries: 4 }],
    ['an L1 table with room to grow', { l1Entries: 16 }],
    [
      'known and unknown extensions',
      {
        extensions: [
          [0x6803f857, 8, 'features'],
          [0x12345678, 3, 'abc'],
        ],
      },
    ],
    ['an extension that ends with the first cluster', { extensions: [[1, 65536 - 112 - 8, '']] }],
  ])('%s', (_name, fields) => {
    expect(inspect(windowOf(qcow2File(fields)))).toEqual({ format: 'qcow2', virtualSize: 2 ** 30 });
  });
});

describe('each rule for qcow2 refuses in its own words', () => {
  test.each<[string, string, Qcow2Fields]>([
    ['a backing file', 'ImageHasBackingFile', { backingOffset: 112n, backingSize: 11 }],
    [
      'a backing file in version 2',
      'ImageHasBackingFile',
      { version: 2, backingOffset: 72n, backingSize: 11 },
    ],
    ['an offset of a backing file without a size', 'ImageHasBackingFile', { backingOffset: 112n }],
    ['a size of a backing file without an offset', 'ImageHasBackingFile', { backingSize: 11 }],
    ['the data file bit', 'ImageHasDataFile', { incompatible: 4n }],
    ['the data file bit among harmless ones', 'ImageHasDataFile', { incompatible: 0b10101n }],
    [
      'a data file extension without its bit',
      'ImageHasDataFile',
      { extensions: [[0x44415441, 8, '/etc/pwd']] },
    ],
    ['the raw data file bit', 'ImageHasDataFile', { autoclear: 2n }],
    ['encryption', 'ImageEncrypted', { cryptMethod: 1 }],
    ['LUKS encryption', 'ImageEncrypted', { cryptMethod: 2 }],
    ['an encryption extension', 'ImageEncrypted', { extensions: [[0x0537be77, 16, '']] }],
    [
      'a forbidden extension behind a harmless one',
      'ImageHasDataFile',
      {
        extensions: [
          [1, 5, 'hello'],
          [0x44415441, 1, 'x'],
        ],
      },
    ],
    ['an extension that runs out of the cluster', 'ImageCorrupt', { extensions: [[1, 65536 - 112 - 7, '']] }],
    ['an extension as long as a number can say', 'ImageCorrupt', { extensions: [[1, 0xffffffff, '']] }],
    ['the corrupt bit', 'ImageMarkedCorrupt', { incompatible: 2n }],
    ['an unknown feature', 'ImageFeatureUnknown', { incompatible: 32n }],
    ['the last feature bit', 'ImageFeatureUnknown', { incompatible: 2n ** 63n }],
    ['an unknown compression', 'ImageFeatureUnknown', { incompatible: 8n, compressionType: 2 }],
    ['compression that contradicts its bit', 'ImageCorrupt', { compressionType: 1 }],
    ['version 4', 'ImageVersionUnknown', { version: 4 }],
    ['version 0', 'ImageVersionUnknown', { version: 0 }],
    ['clusters too small', 'ImageCorrupt', { clusterBits: 8 }],
    ['clusters too large', 'ImageCorrupt', { clusterBits: 22 }],
    ['clusters too large for any number', 'ImageCorrupt', { clusterBits: 0xffffffff }],
    [
      'clusters too small for subclusters',
      'ImageCorrupt',
      { clusterBits: 13, incompatible: 16n, l1Entries: 1e5 },
    ],
    ['no size', 'ImageCorrupt', { virtualSize: 0n }],
    ['more than 2 TiB', 'ImageTooLarge', { virtualSize: 2n ** 41n + 1n }],
    ['the largest size that can be written', 'ImageTooLarge', { virtualSize: 2n ** 64n - 1n }],
    ['an L1 table too short for its size', 'ImageCorrupt', { l1Entries: 1 }],
    ['an L1 table without subclusters in mind', 'ImageCorrupt', { incompatible: 16n, l1Entries: 2 }],
    ['an L1 table too long for the file', 'ImageCorrupt', { l1Entries: 8193 }],
    ['an L1 table of 32 GiB', 'ImageCorrupt', { l1Entries: 0xffffffff }],
    ['an L1 table in the header', 'ImageCorrupt', { l1Offset: 0n }],
    ['an L1 table between clusters', 'ImageCorrupt', { l1Offset: 3n * 65536n + 8n }],
    ['an L1 table behind the end', 'ImageCorrupt', { l1Offset: 4n * 65536n }],
    ['an L1 table at the end of numbers', 'ImageCorrupt', { l1Offset: 2n ** 64n - 65536n }],
    ['no reference counts', 'ImageCorrupt', { refcountClusters: 0 }],
    ['reference counts behind the end', 'ImageCorrupt', { refcountOffset: 2n ** 40n }],
    ['too many reference counts', 'ImageCorrupt', { refcountClusters: 0xffffffff }],
    ['reference counts too wide', 'ImageCorrupt', { refcountOrder: 7 }],
    ['internal snapshots', 'ImageHasSnapshots', { snapshots: 1 }],
    ['a header longer than its cluster', 'ImageCorrupt', { headerLength: 65544 }],
    ['a header too short for its version', 'ImageCorrupt', { headerLength: 96 }],
    ['a header of odd length', 'ImageCorrupt', { headerLength: 107 }],
  ])('%s: %s', (_what, code, fields) => {
    expect(codeOf(qcow2File(fields))).toBe(code);
  });

  test.each([4, 7, 8, 71, 72, 103])('a qcow2 that ends after %i bytes', (bytes) => {
    expect(codeOf(qcow2File().subarray(0, bytes))).toBe('ImageCorrupt');
  });
});

describe('a file is exactly one thing', () => {
  const ambiguous: [string, Buffer][] = [
    ['qcow2 and ISO', qcow2File()],
    ['qcow2 and VHD', qcow2File()],
    ['VHDX and VHD', fileWith({ 0: 'vhdxfile', [(1 << 17) - 512]: 'conectix' })],
    ['qcow2 and VDI', qcow2File()],
  ];
  ambiguous[0]?.[1].write('CD001', 0x8001, 'latin1');
  ambiguous[1]?.[1].write('conectix', 4 * 65536 - 512, 'latin1');
  ambiguous[3]?.[1].write('\x7f\x10\xda\xbe', 0x40, 'latin1');

  test.each(ambiguous)('%s', (_name, file) => {
    expect(codeOf(file)).toBe('ImageFormatAmbiguous');
    expect(codeOf(file, { format: 'raw' })).toBe('ImageFormatAmbiguous');
  });

  test('a disk that starts like qcow2 is judged as qcow2, whatever the user says it is', () => {
    const disguised = mbrDisk(4 * 65536);
    qcow2File({ backingOffset: 112n, backingSize: 11 }).copy(disguised, 0, 0, 400);
    expect(codeOf(disguised)).toBe('ImageHasBackingFile');
    expect(codeOf(disguised, { format: 'raw' })).toBe('ImageFormatMismatch');
    expect(codeOf(mbrDisk(), { format: 'qcow2' })).toBe('ImageFormatMismatch');
  });

  test('an ISO with a partition table is an ISO', () => {
    const hybrid = mbrDisk();
    hybrid.write('CD001', 0x8001, 'latin1');
    expect(codeOf(hybrid)).toBe('ImageFormatRefused');
    expect(codeOf(hybrid, { format: 'raw' })).toBe('ImageFormatMismatch');
  });
});

describe('other formats are refused by name', () => {
  test.each<[string, Readonly<Record<number, string>>]>([
    ['qcow (version 1)', { 0: 'QFI\xfb\0\0\0\x01' }],
    ['vmdk', { 0: 'KDMV' }],
    ['vmdk', { 0: 'COWD' }],
    ['vmdk', { 0: '# Disk DescriptorFile\nversion=1\nRW 1 FLAT "/etc/shadow" 0\n' }],
    ['vmdk', { 0: '# anything\n \nversion=1\nRW 1 FLAT "/etc/shadow" 0\n' }],
    ['vhd', { 0: 'conectix' }],
    ['vhd', { [(1 << 17) - 512]: 'conectix' }],
    ['vhdx', { 0: 'vhdxfile' }],
    ['vdi', { 0: '<<< a VDI >>>\n', 0x40: '\x7f\x10\xda\xbe' }],
    ['qed', { 0: 'QED\0' }],
    ['parallels', { 0: 'WithoutFreeSpace' }],
    ['parallels', { 0: 'WithouFreSpacExt' }],
    ['bochs', { 0: 'Bochs Virtual HD Image' }],
    ['cloop', { 0: '#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0' }],
    ['dmg', { [(1 << 17) - 512]: 'koly' }],
    ['luks', { 0: 'LUKS\xba\xbe' }],
    ['luks', { 0x4000: 'SKUL\xba\xbe' }],
    ['iso', { 0x8001: 'CD001' }],
    ['gzip', { 0: '\x1f\x8b\x08' }],
    ['xz', { 0: '\xfd7zXZ\0' }],
    ['zstd', { 0: '\x28\xb5\x2f\xfd' }],
    ['bzip2', { 0: 'BZh91AY&SY' }],
    ['zip', { 0: 'PK\x03\x04' }],
    ['tar', { 257: 'ustar' }],
  ])('%s', (name, places) => {
    const file = fileWith(places);
    expect(codeOf(file)).toBe('ImageFormatRefused');
    expect(() => inspect(windowOf(file))).toThrow(name);
    expect(codeOf(file, { format: 'raw' })).toBe('ImageFormatMismatch');
  });
});

describe('a raw disk', () => {
  test.each<[string, Buffer]>([
    ['with an MBR', mbrDisk()],
    ['with a GPT', fileWith({ 512: 'EFI PART' })],
    ['with a GPT on sectors of 4096 bytes', fileWith({ 4096: 'EFI PART' })],
    ['with ext4', fileWith({ 1080: '\x53\xef' })],
    ['with XFS', fileWith({ 0: 'XFSB' })],
    ['with btrfs', fileWith({ 65600: '_BHRfS_M' })],
    ['with FAT', fileWith({ 82: 'FAT32   ' })],
    ['with LVM', fileWith({ 512: 'LABELONE' })],
  ])('%s passes', (_name, file) => {
    expect(inspect(windowOf(file))).toEqual({ format: 'raw', virtualSize: file.length });
  });

  test('without anything known on it passes only when the user says that it is raw', () => {
    for (const unknown of [Buffer.alloc(4096), Buffer.from('hello'), fileWith({ 510: '\x55\xaa' })]) {
      expect(codeOf(unknown)).toBe('ImageFormatUnknown');
      expect(codeOf(unknown, { format: 'raw' })).toBe('passed');
    }
  });

  test('counts whole sectors, as QEMU does', () => {
    expect(inspect(windowOf(mbrDisk(1 << 20).subarray(0, 1_000_001)))).toMatchObject({
      virtualSize: 1_000_448,
    });
  });

  test('is not empty and not larger than allowed', () => {
    expect(codeOf(Buffer.alloc(0), { format: 'raw' })).toBe('ImageCorrupt');
    expect(codeOf(Buffer.alloc(0))).toBe('ImageFormatUnknown');
    expect(codeOf(mbrDisk(), { maxVirtualSize: 4096 })).toBe('ImageTooLarge');
  });

  test('whose boot sector has impossible partitions is not recognised', () => {
    const nonsense = mbrDisk();
    nonsense.writeUInt8(0x17, 462);
    expect(codeOf(nonsense)).toBe('ImageFormatUnknown');
  });
});

test('no mutation of a header brings out anything but a verdict', () => {
  const random = generator(20_260_101);
  const pick = (below: number): number => Math.floor(random() * below);
  const seeds = [
    qcow2File(),
    qcow2File({ version: 2 }),
    qcow2File({ extensions: [[0x6803f857, 48, 'x'.repeat(48)]] }),
    mbrDisk(4 * 65536),
    fileWith({ 0: '# c\nversion=1\n' }),
  ];
  const verdicts = new Set<string>();
  const begun = performance.now();
  for (let round = 0; round < 6000; round++) {
    const seed = seeds[pick(seeds.length)] ?? qcow2File();
    const file = Buffer.from(seed.subarray(0, random() < 0.1 ? pick(1024) : 4096 + pick(seed.length)));
    for (let change = pick(4); change >= 0 && file.length > 0; change--) {
      const offset = pick(Math.min(file.length, random() < 0.8 ? 200 : file.length));
      const values = [0, 1, 0x7f, 0x80, 0xff, pick(256)];
      file.fill(values[pick(values.length)] ?? 0, offset, Math.min(file.length, offset + 1 + pick(8)));
    }
    const options = [{}, { format: 'raw' as const }, { format: 'qcow2' as const }][pick(3)] ?? {};
    verdicts.add(codeOf(file, options));
  }
  // Milliseconds of honest work; a loop that follows the file's numbers would take for ever.
  expect(performance.now() - begun).toBeLessThan(10_000);
  expect([...verdicts]).toEqual(expect.arrayContaining(['passed', 'ImageCorrupt', 'ImageHasBackingFile']));
});

/** mulberry32: small, seeded, good enough to vary bytes. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('inspectFile', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-inspect-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('sees the head and the tail of a file larger than its window', async () => {
    const path = join(folder, 'fixed.vhd');
    writeFileSync(path, mbrDisk(3 << 20));
    await expect(inspectFile(path)).resolves.toEqual({ format: 'raw', virtualSize: 3 << 20 });
    writeFileSync(path, fileWith({ 0: 'x', [512]: 'conectix' }, 1024).subarray(512), { flag: 'a' });
    await expect(inspectFile(path)).rejects.toMatchObject({ code: 'ImageFormatRefused' });
  });

  test('knows a sparse file by its size alone', async () => {
    const path = join(folder, 'huge.raw');
    writeFileSync(path, mbrDisk());
    truncateSync(path, 3 * 2 ** 40);
    await expect(inspectFile(path)).rejects.toMatchObject({ code: 'ImageTooLarge' });
  });

  test('refuses what is not a regular file, and what is not there', async () => {
    for (const path of [folder, '/dev/zero', join(folder, 'missing')])
      await expect(inspectFile(path)).rejects.toMatchObject({ code: 'FileUnreadable' });
  });
});
