import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inspect, inspectFile } from '../../../../../src/host/disk/inspector/inspect.ts';
import { DISK_FORMATS, type DiskFormat } from '../../../../../src/host/disk/qemu-img.ts';
import {
  type Qcow2Fields,
  codeOf,
  fileWith,
  mbrDisk,
  qcow2File,
  vdiFile,
  verdictOn,
  vhdDynamic,
  vhdFixed,
  vhdFooter,
  vhdxFile,
  vmdkFile,
  windowOf,
} from '../../../../support/disk-headers.ts';

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
    ['half a sector', 'ImageCorrupt', { virtualSize: 2n ** 30n - 256n }],
    ['petabytes', 'ImageTooLarge', { virtualSize: 2n ** 52n }],
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

/** The file with other formats' marks on it. */
function withMarks(file: Buffer, marks: Readonly<Record<number, string>>): Buffer {
  for (const [offset, mark] of Object.entries(marks)) file.write(mark, Number(offset), 'latin1');
  return file;
}

describe('a file is exactly one thing', () => {
  const VDI_MARK = { 0x40: '\x7f\x10\xda\xbe' };
  const ISO_MARK = { 0x8001: 'CD001' };
  const endingAsVhd = (file: Buffer): Buffer => Buffer.concat([file, vhdFooter()]);

  test.each<[string, string, Buffer]>([
    ['qcow2', 'iso', withMarks(qcow2File(), ISO_MARK)],
    ['qcow2', 'VHD', endingAsVhd(qcow2File())],
    ['qcow2', 'VDI', withMarks(qcow2File(), VDI_MARK)],
    ['qcow2', 'tar', withMarks(qcow2File(), { 257: 'ustar' })],
    ['VMDK', 'VHD', endingAsVhd(vmdkFile())],
    ['VMDK', 'VDI', withMarks(vmdkFile(), VDI_MARK)],
    ['VMDK', 'iso', withMarks(vmdkFile(), ISO_MARK)],
    ['VHD', 'VHDX', endingAsVhd(vhdxFile())],
    ['VHD', 'VDI', endingAsVhd(vdiFile())],
    ['VHD', 'VDI', withMarks(vhdDynamic(), VDI_MARK)],
    ['VHD', 'luks', withMarks(vhdFixed(), { 0: 'LUKS\xba\xbe' })],
    ['qcow2', 'VHD', withMarks(vhdFixed(), { 0: 'QFI\xfb\0\0\0\x03' })],
    ['VHDX', 'VDI', withMarks(vhdxFile(), VDI_MARK)],
    ['VDI', 'tar', vdiFile({ description: `${'x'.repeat(257 - 0x54)}ustar` })],
    ['VDI', 'dmg', Buffer.concat([vdiFile(), Buffer.from('koly'.padEnd(512, '\0'))])],
  ])('%s and %s', (one, another, file) => {
    const { code, message } = verdictOn(file);
    expect(code).toBe('ImageFormatAmbiguous');
    expect(message).toContain(`the file is ${one} and ${another}`);
    for (const format of ['raw', 'qcow2', 'vmdk', 'vpc', 'vhdx', 'vdi'] as const)
      expect(codeOf(file, { format })).toBe('ImageFormatAmbiguous');
  });

  test.each<[string, DiskFormat, Buffer]>([
    ['qcow2', 'qcow2', qcow2File()],
    ['VMDK', 'vmdk', vmdkFile()],
    ['VHD', 'vpc', vhdDynamic()],
    ['VHDX', 'vhdx', vhdxFile()],
    ['VDI', 'vdi', vdiFile()],
  ])('%s is nothing else, whatever the user says it is', (name, own, file) => {
    expect(inspect(windowOf(file), { format: own })).toEqual(inspect(windowOf(file)));
    for (const format of DISK_FORMATS.filter((other) => other !== own))
      expect(verdictOn(file, { format })).toEqual({
        code: 'ImageFormatMismatch',
        message: `the file is ${name}, not ${format}, as you say it is`,
      });
    expect(codeOf(mbrDisk(), { format: own })).toBe('ImageFormatMismatch');
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
    expect(() => inspect(windowOf(file))).toThrow('imports qcow2, raw, VMDK, VHD, VHDX and VDI disk images');
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

describe('inspectFile', () => {
  let folder: string;
  beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-inspect-'))));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('sees the head and the tail of a file larger than its window', async () => {
    const path = join(folder, 'fixed.vhd');
    writeFileSync(path, mbrDisk(3 << 20));
    await expect(inspectFile(path)).resolves.toEqual({ format: 'raw', virtualSize: 3 << 20 });
    appendFileSync(path, vhdFooter({ size: 3n << 20n }));
    await expect(inspectFile(path)).resolves.toEqual({ format: 'vpc', virtualSize: 3 << 20 });
  });

  test('reads what a format keeps behind its window', async () => {
    const path = join(folder, 'behind.vhdx');
    writeFileSync(path, vhdxFile());
    await expect(inspectFile(path)).resolves.toEqual({ format: 'vhdx', virtualSize: 64 << 20 });
    truncateSync(path, 3 << 20);
    await expect(inspectFile(path)).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test('names the file in every refusal', async () => {
    const path = join(folder, 'named.img');
    for (const [file, message] of [
      [vmdkFile({ version: 9 }), `'${path}': the VMDK image has version 9; only 1 to 3 are known`],
      [Buffer.alloc(4096), `'${path}' is neither qcow2, VMDK, VHD, VHDX or VDI nor a raw disk`],
    ] as const) {
      writeFileSync(path, file);
      await expect(inspectFile(path)).rejects.toThrow(message);
    }
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
