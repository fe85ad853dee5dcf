import { describe, expect, test } from 'vitest';
import { inspect } from '../../../../../src/host/disk/inspector/inspect.ts';
import {
  VHD_GEOMETRY_BYTES,
  type VhdFooterFields,
  type VhdHeaderFields,
  codeOf,
  mbrDisk,
  verdictOn,
  vhdDynamic,
  vhdFixed,
  vhdFooter,
  windowOf,
} from '../../../../support/disk-headers.ts';

const DISK = { format: 'vpc', virtualSize: VHD_GEOMETRY_BYTES };
const LARGEST_GEOMETRY = { cylinders: 65535, heads: 16, sectors: 255 };

describe('a good VHD passes', () => {
  test.each<[string, Buffer]>([
    ['fixed', vhdFixed()],
    ['dynamic', vhdDynamic()],
    ['dynamic, with larger blocks', vhdDynamic({}, { blockBytes: 32 << 20, tableEntries: 1 })],
    ['dynamic, with a table that has room to grow', vhdDynamic({}, { tableEntries: 100 })],
  ])('%s', (_name, file) => {
    expect(inspect(windowOf(file))).toEqual(DISK);
    expect(inspect(windowOf(file), { format: 'vpc' })).toEqual(DISK);
  });

  test('and a fixed one is never raw, whatever is on it', () => {
    expect(inspect(windowOf(mbrDisk(VHD_GEOMETRY_BYTES)))).toMatchObject({ format: 'raw' });
    expect(inspect(windowOf(vhdFixed()))).toMatchObject({ format: 'vpc' });
    expect(codeOf(vhdFixed(), { format: 'raw' })).toBe('ImageFormatMismatch');
  });
});

describe('its size is what QEMU takes for it', () => {
  // 1 MiB more than its geometry has, as programs make it that round the geometry down.
  const bytes = VHD_GEOMETRY_BYTES + 2 ** 20;
  const disk = (fields: VhdFooterFields): Buffer => vhdFixed({ size: BigInt(bytes), ...fields }, bytes);

  test.each(['win ', 'qem2', 'd2v ', 'tap\0', 'CTXS'])('the size, of %j', (creator) => {
    expect(inspect(windowOf(disk({ creator })))).toEqual({ format: 'vpc', virtualSize: bytes });
  });

  test.each(['vpc ', 'qemu'])('the geometry, of %j', (creator) => {
    expect(inspect(windowOf(disk({ creator })))).toEqual(DISK);
  });

  test.each(['vpc ', 'qemu', 'vbox', '\0\0\0\0'])('the size, of %j with the largest geometry', (creator) => {
    const file = disk({ creator, ...LARGEST_GEOMETRY });
    expect(inspect(windowOf(file))).toEqual({ format: 'vpc', virtualSize: bytes });
  });

  test.each(['vs  ', 'vbox', 'wa\0\0', 'd2v\0', '\x1b[2J'])(
    'either, of %j, when they are the same',
    (creator) => {
      expect(inspect(windowOf(vhdFixed({ creator })))).toEqual(DISK);
      expect(verdictOn(disk({ creator }))).toEqual({
        code: 'ImageFormatAmbiguous',
        message: expect.stringContaining(
          `${bytes} bytes by its size and ${VHD_GEOMETRY_BYTES} by its geometry`,
        ),
      });
    },
  );
});

describe('a VHD footer that breaks a rule', () => {
  test.each<[string, string, string, VhdFooterFields]>([
    ['a wrong checksum', 'ImageCorrupt', 'checksum of its footer', { checksumError: 1 }],
    ['version 2', 'ImageVersionUnknown', 'version 0x20000', { version: 0x20000 }],
    ['a differencing disk', 'ImageHasBackingFile', 'backing file', { type: 4 }],
    ['no type', 'ImageFeatureUnknown', 'unknown type 0', { type: 0 }],
    ['a deprecated type', 'ImageFeatureUnknown', 'unknown type 6', { type: 6 }],
    ['half a sector', 'ImageCorrupt', 'whole sectors', { size: BigInt(VHD_GEOMETRY_BYTES) - 100n }],
    ['no size', 'ImageCorrupt', 'a disk of 0 bytes', { size: 0n }],
    ['no geometry', 'ImageCorrupt', 'a disk of 0 bytes', { creator: 'vpc ', heads: 0 }],
    ['more than 2040 GiB', 'ImageTooLarge', 'a VHD holds at most', { size: 2n ** 41n }],
    ['petabytes', 'ImageTooLarge', '4503599627370496 bytes', { size: 2n ** 52n }],
    ['the largest size', 'ImageTooLarge', 'at most', { size: 2n ** 64n - 512n }],
    ['a geometry beyond its size', 'ImageCorrupt', 'its geometry makes', { creator: 'vpc ', cylinders: 9 }],
    ['a size beyond its file', 'ImageCorrupt', 'in front of its footer', { size: 2n ** 30n }],
    ['a size below its file', 'ImageCorrupt', 'in front of its footer', { size: 2n ** 20n }],
    ['the type of a growing disk', 'ImageCorrupt', 'copy at its beginning', { type: 3 }],
  ])('%s: %s', (_what, code, sentence, fields) => {
    expect(verdictOn(vhdFixed(fields))).toEqual({ code, message: expect.stringContaining(sentence) });
  });

  test('on a disk larger than allowed', () => {
    expect(codeOf(vhdFixed(), { maxVirtualSize: VHD_GEOMETRY_BYTES })).toBe('passed');
    expect(codeOf(vhdFixed(), { maxVirtualSize: VHD_GEOMETRY_BYTES - 1 })).toBe('ImageTooLarge');
  });

  test('in front of a fixed disk, where QEMU would find another', () => {
    const file = vhdFixed();
    vhdFooter({ type: 3, headerOffset: 512n }).copy(file);
    expect(verdictOn(file).message).toContain('begins like a growing disk');
  });
});

describe('a growing VHD that breaks a rule', () => {
  const MAX = 0xff000000n * 512n;
  test.each<[string, string, string, VhdHeaderFields, VhdFooterFields]>([
    ['a differencing disk', 'ImageHasBackingFile', 'backing file', {}, { type: 4 }],
    ['the id of a parent', 'ImageHasBackingFile', 'backing file', { parentId: 'x' }, {}],
    ['the name of a parent', 'ImageHasBackingFile', 'backing file', { parentName: '/etc/shadow' }, {}],
    ['the place of a parent', 'ImageHasBackingFile', 'backing file', { parentPlace: 'W2ku' }, {}],
    ['a header in its footer', 'ImageCorrupt', 'header is said to be at byte 0', {}, { headerOffset: 0n }],
    ['no header', 'ImageCorrupt', 'where it cannot be', {}, { headerOffset: 2n ** 64n - 1n }],
    ['a header behind the end', 'ImageCorrupt', 'where it cannot be', {}, { headerOffset: 2n ** 20n }],
    ['a header elsewhere', 'ImageCorrupt', 'not where its footer says', {}, { headerOffset: 1024n }],
    ['another header', 'ImageCorrupt', 'not where its footer says', { magic: 'cxdense!' }, {}],
    ['a wrong checksum', 'ImageCorrupt', 'checksum of its header', { checksumError: 1 }, {}],
    ['version 2', 'ImageVersionUnknown', 'version 0x20000', { version: 0x20000 }, {}],
    ['no blocks', 'ImageCorrupt', 'blocks have 0 bytes', { blockBytes: 0 }, {}],
    ['blocks of a sector', 'ImageCorrupt', 'blocks have 512 bytes', { blockBytes: 512 }, {}],
    ['blocks of 2 GiB', 'ImageCorrupt', 'power of two', { blockBytes: 2 ** 31 }, {}],
    ['blocks that are no power of two', 'ImageCorrupt', 'power of two', { blockBytes: 3 << 20 }, {}],
    ['a table too short for its size', 'ImageCorrupt', 'table of 1 blocks', { tableEntries: 1 }, {}],
    ['no table', 'ImageCorrupt', 'table of 0 blocks', { tableEntries: 0 }, {}],
    ['a table of petabytes', 'ImageCorrupt', 'table of 4294967295 blocks', { tableEntries: 0xffffffff }, {}],
    [
      'a table that fills memory',
      'ImageCorrupt',
      'does not fit its size',
      { tableEntries: (32 << 18) + 1, blockBytes: 4096 },
      {},
    ],
    ['a table in its footer', 'ImageCorrupt', 'block table is said', { tableOffset: 0n }, {}],
    ['a table behind the end', 'ImageCorrupt', 'block table is said', { tableOffset: 2n ** 40n }, {}],
    ['a table at the end of numbers', 'ImageCorrupt', 'cannot be', { tableOffset: 2n ** 64n - 8n }, {}],
    ['a table in the last footer', 'ImageCorrupt', 'block table is said', { tableOffset: 2048n - 4n }, {}],
    ['petabytes', 'ImageTooLarge', 'at most', {}, { size: 2n ** 52n }],
    [
      'a table that its file has no room for',
      'ImageCorrupt',
      'block table',
      { tableEntries: 1044480 },
      { size: MAX },
    ],
  ])('%s: %s', (_what, code, sentence, header, footer) => {
    expect(verdictOn(vhdDynamic(footer, header))).toEqual({
      code,
      message: expect.stringContaining(sentence),
    });
  });

  test('two footers that differ', () => {
    const file = vhdDynamic();
    vhdFooter({ type: 3, headerOffset: 512n, size: 2n ** 20n }).copy(file);
    expect(verdictOn(file).message).toContain('contradict each other');
  });

  test('its end cut off', () => {
    for (const bytes of [8, 511, 512 + 1024, 2047])
      expect(verdictOn(vhdDynamic().subarray(0, bytes))).toEqual({
        code: 'ImageCorrupt',
        message: expect.stringMatching(/footer is missing/),
      });
  });
});
