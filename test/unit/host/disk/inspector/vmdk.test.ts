import { describe, expect, test } from 'vitest';
import { inspect } from '../../../../../src/host/disk/inspector/inspect.ts';
import {
  DIRECTORY_AT_END,
  type VmdkDescriptorFields,
  type VmdkFields,
  fileWith,
  verdictOn,
  vmdkDescriptor,
  vmdkFile,
  vmdkStream,
  windowOf,
} from '../../../../support/disk-headers.ts';

const DISK = { format: 'vmdk', virtualSize: 2 ** 20 };

describe('a good VMDK passes', () => {
  const described = (fields: VmdkDescriptorFields): Buffer =>
    vmdkFile({ descriptor: vmdkDescriptor(fields) });
  test.each<[string, Buffer]>([
    ['sparse', vmdkFile()],
    ['version 2', vmdkFile({ version: 2 })],
    ['of which backup programs ask for changed blocks', vmdkFile({ version: 3 })],
    ['with zeroed grains', vmdkFile({ flags: 7 })],
    ['with one grain directory', vmdkFile({ flags: 1, secondDirectory: 0n })],
    ['with a second one that is nowhere', vmdkFile({ secondDirectory: 0n })],
    ['with grains of 4 KiB', vmdkFile({ grainSectors: 8n })],
    ['with Windows line ends', vmdkFile({ descriptor: vmdkDescriptor().replaceAll('\n', '\r\n') })],
    ['with a name in another script', described({ extents: ['RW 2048 SPARSE "диск.vmdk"'] })],
    ['without a name', described({ extents: ['RW 2048 SPARSE ""'] })],
    ['whose descriptor has a sector of its own', vmdkFile({ descriptorSectors: 1n })],
    ['with odd spaces and keys', described({ more: ['  ddb.uuid = "a=b"', 'encoding="UTF-8" '] })],
    ['rounded up to whole grains', described({ extents: ['RW 2047 SPARSE "disk.vmdk"'] })],
    ['stream-optimized, with a footer', vmdkStream()],
    ['stream-optimized, without one', vmdkStream({ directory: 129n })],
  ])('%s', (_name, file) => {
    expect(inspect(windowOf(file))).toEqual(DISK);
  });
});

describe('a VMDK header that breaks a rule', () => {
  test.each<[string, string, string, VmdkFields]>([
    ['version 0', 'ImageVersionUnknown', 'version 0; only 1 to 3', { version: 0 }],
    ['version 4', 'ImageVersionUnknown', 'version 4', { version: 4 }],
    ['an unknown feature', 'ImageFeatureUnknown', 'bits 0x8)', { flags: 11 }],
    ['the last feature', 'ImageFeatureUnknown', 'bits 0x80000000)', { flags: 0x80000003 }],
    ['line ends of another system', 'ImageCorrupt', 'transfer of text', { lineEnds: '\n \n\n' }],
    ['compression that its type does not know', 'ImageCorrupt', 'contradict', { compression: 1 }],
    ['a compression bit without compression', 'ImageCorrupt', 'contradict', { flags: 0x10003 }],
    ['an unknown compression', 'ImageFeatureUnknown', 'algorithm 2', { compression: 2 }],
    ['no size', 'ImageCorrupt', 'a disk of 0 bytes', { capacity: 0n }],
    ['more than 2 TiB', 'ImageTooLarge', 'at most', { capacity: 2n ** 32n + 1n }],
    ['petabytes', 'ImageTooLarge', '4503599627370496 bytes', { capacity: 2n ** 43n }],
    ['the largest size', 'ImageTooLarge', 'at most', { capacity: 2n ** 64n - 1n }],
    [
      'another size than its descriptor',
      'ImageCorrupt',
      '4096 sectors and its descriptor 2048',
      { capacity: 4096n },
    ],
    ['no grains', 'ImageCorrupt', 'grains have 0 sectors', { grainSectors: 0n }],
    ['grains that are no power of two', 'ImageCorrupt', 'grains have 96', { grainSectors: 96n }],
    ['grains above QEMU’s limit', 'ImageCorrupt', 'power of two', { grainSectors: 0x400000n }],
    ['grains of any size', 'ImageCorrupt', 'power of two', { grainSectors: 2n ** 63n }],
    ['no table entries', 'ImageCorrupt', '0 entries', { tableEntries: 0 }],
    ['too many table entries', 'ImageCorrupt', '513 entries', { tableEntries: 513 }],
    ['a directory in the header', 'ImageCorrupt', 'directory is said to be at sector 0', { directory: 0n }],
    ['a directory behind the end', 'ImageCorrupt', 'at sector 128,', { directory: 128n }],
    [
      'a directory at the end of numbers',
      'ImageCorrupt',
      'where it cannot be',
      { directory: 2n ** 64n - 2n },
    ],
    [
      'a second directory behind the end',
      'ImageCorrupt',
      'second grain directory',
      { secondDirectory: 128n },
    ],
    ['grains behind the end', 'ImageCorrupt', 'grains are said to begin', { overhead: 129n }],
    ['no footer for its directory', 'ImageCorrupt', 'footer is missing', { directory: DIRECTORY_AT_END }],
    [
      'no descriptor',
      'ImageHasDataFile',
      'one part of a disk',
      { descriptorSector: 0n, descriptorSectors: 0n },
    ],
    ['a descriptor elsewhere', 'ImageCorrupt', 'second sector', { descriptorSector: 2n }],
    ['a descriptor without room', 'ImageCorrupt', 'no end', { descriptorSectors: 0n }],
  ])('%s: %s', (_what, code, sentence, fields) => {
    expect(verdictOn(vmdkFile(fields))).toEqual({ code, message: expect.stringContaining(sentence) });
  });

  test('too many tables for a disk that is allowed', () => {
    const descriptor = vmdkDescriptor({ extents: ['RW 4294967296 SPARSE "x"'] });
    const file = vmdkFile({ capacity: 2n ** 32n, grainSectors: 1n, tableEntries: 64, descriptor });
    expect(verdictOn(file)).toEqual({
      code: 'ImageCorrupt',
      message: expect.stringContaining('67108864 entries'),
    });
  });

  test.each([4, 77, 511])('a VMDK that ends after %i bytes', (bytes) => {
    expect(verdictOn(vmdkFile().subarray(0, bytes)).message).toContain('header is cut off');
  });
});

describe('a VMDK descriptor that breaks a rule', () => {
  test.each<[string, string, string, VmdkDescriptorFields]>([
    ['a parent', 'ImageHasBackingFile', 'backing file', { parentCid: '12345678' }],
    [
      'the name of a parent',
      'ImageHasBackingFile',
      'backing file',
      { more: ['parentFileNameHint="/etc/shadow"'] },
    ],
    [
      'that name in a comment, where QEMU finds it',
      'ImageHasBackingFile',
      'backing file',
      { more: ['# parentFileNameHint="/etc/shadow"'] },
    ],
    [
      'that name in a value',
      'ImageHasBackingFile',
      'backing file',
      { more: ['ddb.comment = "parentFileNameHint=./x"'] },
    ],
    ['a flat type', 'ImageHasDataFile', "type 'monolithicFlat'", { createType: 'monolithicFlat' }],
    [
      'a split type',
      'ImageHasDataFile',
      "type 'twoGbMaxExtentSparse'",
      { createType: 'twoGbMaxExtentSparse' },
    ],
    ['a device', 'ImageHasDataFile', "type 'fullDevice'", { createType: 'fullDevice' }],
    ['a type to confuse terminals', 'ImageHasDataFile', 'an unknown type', { createType: '\x1b[2J' }],
    ['no extent', 'ImageCorrupt', 'names no extent', { extents: [] }],
    [
      'two extents',
      'ImageHasDataFile',
      'consists of 2 extents',
      { extents: ['RW 1024 SPARSE "a"', 'RW 1024 SPARSE "b"'] },
    ],
    ['a flat extent', 'ImageHasDataFile', 'not a sparse one', { extents: ['RW 2048 FLAT "/etc/shadow" 0'] }],
    ['an ESX extent', 'ImageHasDataFile', 'not a sparse one', { extents: ['RW 2048 VMFS "a"'] }],
    ['an extent of nothing', 'ImageHasDataFile', 'not a sparse one', { extents: ['RW 2048 ZERO'] }],
    [
      'an extent that nobody may read',
      'ImageHasDataFile',
      'not a sparse',
      { extents: ['NOACCESS 2048 SPARSE "a"'] },
    ],
    ['an absolute path', 'ImageHasDataFile', 'a path', { extents: ['RW 2048 SPARSE "/etc/shadow"'] }],
    ['a path to its neighbour', 'ImageHasDataFile', 'a path', { extents: ['RW 2048 SPARSE "../a.vmdk"'] }],
    ['a protocol', 'ImageHasDataFile', 'a protocol', { extents: ['RW 2048 SPARSE "nbd:unix"'] }],
    ['JSON for a name', 'ImageHasDataFile', 'a protocol', { extents: ['RW 2048 SPARSE "json:{}"'] }],
    ['a size that is no number', 'ImageHasDataFile', 'not a sparse', { extents: ['RW -1 SPARSE "a"'] }],
    ['a line that says nothing', 'ImageCorrupt', 'says nothing', { more: ['RWX 1 SPARSE "a"'] }],
    ['a value given twice', 'ImageCorrupt', "'PARENTCID' twice", { more: ['PARENTCID=ffffffff'] }],
    ['text without an end', 'ImageCorrupt', 'no end', { more: ['#'.repeat(10240)] }],
    ['a size of 0', 'ImageCorrupt', 'its descriptor 0', { extents: ['RW 0 SPARSE "a"'] }],
  ])('%s: %s', (_what, code, sentence, fields) => {
    const file = vmdkFile({ descriptor: vmdkDescriptor(fields) });
    expect(verdictOn(file)).toEqual({ code, message: expect.stringContaining(sentence) });
  });

  test.each([
    ['parentCID', 'parentCID=ffffffff\n'],
    ['createType', 'createType="monolithicSparse"\n'],
  ])('no %s', (key, line) => {
    const file = vmdkFile({ descriptor: vmdkDescriptor().replace(line, '') });
    expect(verdictOn(file)).toEqual({
      code: 'ImageCorrupt',
      message: expect.stringContaining(`no '${key}'`),
    });
  });

  test('without a size in the header, QEMU would obey it', () => {
    const descriptor = vmdkDescriptor({
      createType: 'monolithicFlat',
      extents: ['RW 2048 FLAT "/etc/shadow" 0'],
    });
    expect(verdictOn(vmdkFile({ capacity: 0n, descriptor })).code).toBe('ImageHasDataFile');
  });
});

describe('a footer', () => {
  test.each<[string, VmdkFields]>([
    ['another size', { capacity: 4096n }],
    ['petabytes', { capacity: 2n ** 43n }],
    ['other grains', { grainSectors: 64n }],
    ['other tables', { tableEntries: 256 }],
    ['another compression', { compression: 0 }],
    ['other features', { flags: 0x30003 }],
    ['another version', { version: 1 }],
  ])('with %s than the header is refused', (_what, footer) => {
    expect(verdictOn(vmdkStream({}, footer))).toEqual({
      code: 'ImageCorrupt',
      message: expect.stringContaining('header and its footer contradict'),
    });
  });

  test('says where the directory is, inside the file', () => {
    expect(verdictOn(vmdkStream({}, { directory: 2n ** 40n })).message).toContain('where it cannot be');
    expect(verdictOn(vmdkStream({}, { directory: DIRECTORY_AT_END })).message).toContain('does not say');
  });

  test('is three sectors at the very end', () => {
    const file = vmdkStream();
    for (const cut of [1, 512, 1536]) {
      const message = verdictOn(file.subarray(0, file.length - cut)).message;
      expect(message).toContain('footer is missing');
    }
    for (const place of [file.length - 1536 + 8, file.length - 1536 + 12, file.length - 512]) {
      const marked = Buffer.from(file);
      marked.writeUInt32LE(1, place);
      expect(verdictOn(marked).message).toContain('footer is missing');
    }
  });

  test('belongs to stream-optimized disks alone', () => {
    const file = vmdkStream({ flags: 1, compression: 0, descriptor: vmdkDescriptor() });
    expect(inspect(windowOf(file))).toEqual(DISK);
    expect(verdictOn(vmdkStream({ descriptor: vmdkDescriptor() })).message).toContain('contradict');
  });
});

describe('a VMDK that is not one sparse file is refused by name', () => {
  test.each<[string, Record<number, string>]>([
    ["ESX' old kind", { 0: 'COWD' }],
    ['only a text', { 0: '# Disk DescriptorFile\nversion=1\nRW 1 FLAT "/etc/shadow" 0\n' }],
    ['only a text', { 0: '# anything\n \nversion=1\nRW 1 FLAT "/etc/shadow" 0\n' }],
  ])('%s', (sentence, places) => {
    const file = fileWith(places);
    const refusal = { code: 'ImageFormatRefused', message: expect.stringContaining(sentence) };
    expect(verdictOn(file)).toEqual(refusal);
    expect(verdictOn(file, { format: 'vmdk' })).toEqual(refusal);
    expect(verdictOn(file, { format: 'raw' }).code).toBe('ImageFormatMismatch');
  });
});
