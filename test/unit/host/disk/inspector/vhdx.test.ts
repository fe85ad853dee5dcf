import { describe, expect, test } from 'vitest';
import { crc32c } from '../../../../../src/host/disk/crc32c.ts';
import { inspect, placeToRead } from '../../../../../src/host/disk/inspector/inspect.ts';
import {
  PARENT_LOCATOR,
  VHDX_REGIONS,
  type VhdxFields,
  type VhdxItem,
  type VhdxItemFields,
  type VhdxRegion,
  codeOf,
  verdictOn,
  vhdxFile,
  vhdxItems,
  windowOf,
} from '../../../../support/disk-headers.ts';

const MIB = 2 ** 20;
const DISK = { format: 'vhdx', virtualSize: 64 * MIB };
const UNKNOWN = '01234567-89AB-CDEF-0123-456789ABCDEF';
const [BAT, METADATA] = VHDX_REGIONS as [VhdxRegion, VhdxRegion];

/** The good items with one more, or one changed. */
function items(id: string, change: Partial<VhdxItem>): readonly VhdxItem[] {
  const good = vhdxItems();
  if (!good.some((item) => item.id === id)) return [...good, { id, data: Buffer.alloc(8), ...change }];
  return good.map((item) => (item.id === id ? { ...item, ...change } : item));
}

test('CRC-32C is the one of RFC 3720', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

describe('a good VHDX passes', () => {
  test.each<[string, VhdxFields]>([
    ['plain', {}],
    ['with blocks of 1 MiB', { items: vhdxItems({ blockBytes: MIB }) }],
    ['with blocks of 256 MiB', { items: vhdxItems({ blockBytes: 256 * MIB }) }],
    ['fixed', { items: vhdxItems({ parameterFlags: 1 }) }],
    ['whose first header is the newer', { headers: [{ sequence: 9n }, {}] }],
    ['whose second header is damaged', { headers: [{}, { checksumError: 1 }] }],
    ['whose first header is damaged', { headers: [{ checksumError: 1 }, {}] }],
    ['whose headers are the same', { headers: [{ sequence: 8n }, {}] }],
    ['whose older header had a log', { headers: [{ logId: 'x' }, {}] }],
    ['without room for a log', { headers: [{}, { logLength: 0 }] }],
    [
      'with an unknown region that may be ignored',
      {
        regions: [BAT, METADATA, { id: UNKNOWN, offset: BigInt(MIB), length: MIB }],
        headers: [{}, { logLength: 0 }],
      },
    ],
    ['with unknown metadata that may be ignored', { items: items(UNKNOWN, {}) }],
  ])('%s', (_name, fields) => {
    expect(inspect(windowOf(vhdxFile(fields)))).toEqual(DISK);
  });
});

describe('a VHDX that breaks a rule', () => {
  test.each<[string, string, string, VhdxFields]>([
    [
      'two damaged headers',
      'ImageCorrupt',
      'neither of its two headers',
      { headers: [{ checksumError: 1 }, { checksumError: 1 }] },
    ],
    [
      'no headers',
      'ImageCorrupt',
      'neither of its two headers',
      { headers: [{ signature: 'tail' }, { signature: 'tail' }] },
    ],
    [
      'headers of version 2',
      'ImageCorrupt',
      'neither of its two headers',
      { headers: [{ version: 2 }, { version: 0 }] },
    ],
    [
      'headers that are equally new',
      'ImageCorrupt',
      'equally new',
      { headers: [{ sequence: 8n, logId: 'x' }, {}] },
    ],
    ['a log', 'ImageDirty', 'its log holds changes', { headers: [{}, { logId: 'x' }] }],
    [
      'a log in the newer, first header',
      'ImageDirty',
      'its log',
      { headers: [{ sequence: 9n, logId: 'x' }, {}] },
    ],
    [
      'a log in the only good header',
      'ImageDirty',
      'its log',
      { headers: [{ logId: 'x' }, { checksumError: 1 }] },
    ],
    [
      'a log of another version',
      'ImageFeatureUnknown',
      'unknown version',
      { headers: [{}, { logVersion: 1 }] },
    ],
    ['a log in the headers', 'ImageCorrupt', 'its log is said', { headers: [{}, { logOffset: 0n }] }],
    [
      'a log between MiBs',
      'ImageCorrupt',
      'its log is said',
      { headers: [{}, { logOffset: 2n ** 20n + 512n }] },
    ],
    ['no region table', 'ImageCorrupt', 'region table is not intact', { regionSignature: 'none' }],
    ['a damaged region table', 'ImageCorrupt', 'region table is not intact', { regionChecksumError: 1 }],
    ['too many regions', 'ImageCorrupt', '2048 entries', { regionCount: 2048 }],
    ['regions without number', 'ImageCorrupt', '4294967295 entries', { regionCount: 0xffffffff }],
    ['no regions', 'ImageCorrupt', 'no metadata', { regions: [] }],
    ['no metadata', 'ImageCorrupt', 'no metadata', { regions: [BAT] }],
    ['no block table', 'ImageCorrupt', 'no block tables', { regions: [METADATA] }],
    [
      'two block tables',
      'ImageCorrupt',
      'two block tables',
      { regions: [BAT, { ...BAT, offset: BigInt(MIB) }, METADATA], headers: [{}, { logLength: 0 }] },
    ],
    [
      'two metadata regions',
      'ImageCorrupt',
      'two metadata',
      { regions: [{ ...METADATA, offset: BigInt(MIB) }, METADATA], headers: [{}, { logLength: 0 }] },
    ],
    [
      'a region that must be known',
      'ImageFeatureUnknown',
      UNKNOWN,
      { regions: [BAT, METADATA, { id: UNKNOWN, offset: BigInt(MIB), length: MIB, flags: 1 }] },
    ],
    ['a region in the headers', 'ImageCorrupt', 'at byte 0', { regions: [BAT, { ...METADATA, offset: 0n }] }],
    [
      'a region between MiBs',
      'ImageCorrupt',
      'where it cannot be',
      { regions: [BAT, { ...METADATA, offset: BigInt(3 * MIB) + 512n }] },
    ],
    [
      'a region of half a MiB',
      'ImageCorrupt',
      'where it cannot be',
      { regions: [BAT, { ...METADATA, length: MIB / 2 }] },
    ],
    [
      'an empty region',
      'ImageCorrupt',
      'a region of 0 bytes',
      { regions: [BAT, { ...METADATA, length: 0 }] },
    ],
    [
      'a region behind the end',
      'ImageCorrupt',
      'where it cannot be',
      { regions: [BAT, { ...METADATA, offset: BigInt(4 * MIB) }] },
    ],
    [
      'a region that ends behind the end',
      'ImageCorrupt',
      'where it cannot be',
      { regions: [BAT, { ...METADATA, length: 2 * MIB }] },
    ],
    [
      'a region at the end of numbers',
      'ImageCorrupt',
      'where it cannot be',
      { regions: [BAT, { ...METADATA, offset: 2n ** 64n - BigInt(MIB) }] },
    ],
    [
      'regions in one place',
      'ImageCorrupt',
      'overlap',
      { regions: [{ ...BAT, offset: METADATA.offset }, METADATA] },
    ],
    [
      'a region in the log',
      'ImageCorrupt',
      'overlap',
      { headers: [{}, { logOffset: 2n ** 20n, logLength: 2 * MIB }] },
    ],
    [
      'no metadata in their region',
      'ImageCorrupt',
      'not where its region table says',
      { metadataSignature: 'metadatA' },
    ],
    ['too many items', 'ImageCorrupt', '2048 entries', { itemCount: 2048 }],
    ['items of zeros', 'ImageCorrupt', 'lack an item', { items: [] }],
    ['a parent locator', 'ImageHasBackingFile', 'backing file', { items: items(PARENT_LOCATOR, {}) }],
    ['an item that must be known', 'ImageFeatureUnknown', UNKNOWN, { items: items(UNKNOWN, { flags: 4 }) }],
    [
      'an item twice',
      'ImageCorrupt',
      'an item twice',
      { items: [...vhdxItems(), ...vhdxItems().slice(1, 2)] },
    ],
    [
      'a short item',
      'ImageCorrupt',
      'item of 4 bytes',
      { items: items('2FA54224-CD1B-4876-B211-5DBED83BF4B8', { length: 4 }) },
    ],
    [
      'an endless item',
      'ImageCorrupt',
      'where it cannot be',
      { items: items('2FA54224-CD1B-4876-B211-5DBED83BF4B8', { length: 0xffffffff }) },
    ],
    [
      'an item in the table',
      'ImageCorrupt',
      'where it cannot be',
      { items: items('2FA54224-CD1B-4876-B211-5DBED83BF4B8', { offset: 32 }) },
    ],
    [
      'an item behind its region',
      'ImageCorrupt',
      'where it cannot be',
      { items: items('2FA54224-CD1B-4876-B211-5DBED83BF4B8', { offset: MIB - 4 }) },
    ],
    [
      'an item far away',
      'ImageCorrupt',
      'where it cannot be',
      { items: items('2FA54224-CD1B-4876-B211-5DBED83BF4B8', { offset: 0xffffffff }) },
    ],
  ])('%s: %s', (_what, code, sentence, fields) => {
    expect(verdictOn(vhdxFile(fields))).toEqual({ code, message: expect.stringContaining(sentence) });
  });

  test.each<[string, string, string, VhdxItemFields]>([
    ['a parent', 'ImageHasBackingFile', 'backing file', { parameterFlags: 2 }],
    ['no size', 'ImageCorrupt', 'a disk of 0 bytes', { size: 0n }],
    ['half a sector', 'ImageCorrupt', 'whole sectors', { size: 2n ** 26n + 1n }],
    ['more than 2 TiB', 'ImageTooLarge', 'at most', { size: 2n ** 41n + 512n }],
    ['petabytes', 'ImageTooLarge', '4503599627370496 bytes', { size: 2n ** 52n }],
    ['the largest size', 'ImageTooLarge', 'at most', { size: 2n ** 64n - 512n }],
    [
      'a table too short for its size',
      'ImageCorrupt',
      'its size needs',
      { size: 2n ** 41n, blockBytes: MIB },
    ],
    ['no blocks', 'ImageCorrupt', 'blocks have 0 bytes', { blockBytes: 0 }],
    ['blocks of half a MiB', 'ImageCorrupt', 'blocks have 524288', { blockBytes: MIB / 2 }],
    ['blocks of 512 MiB', 'ImageCorrupt', 'power of two', { blockBytes: 512 * MIB }],
    ['blocks that are no power of two', 'ImageCorrupt', 'power of two', { blockBytes: 3 * MIB }],
    ['sectors that QEMU does not read', 'ImageFeatureUnknown', 'sectors of 4096', { sectorBytes: 4096 }],
    ['sectors of 1 KiB', 'ImageCorrupt', 'sectors have 1024', { sectorBytes: 1024 }],
    ['no sectors', 'ImageCorrupt', 'sectors have 0', { sectorBytes: 0 }],
  ])('%s: %s', (_what, code, sentence, fields) => {
    const file = vhdxFile({ items: vhdxItems(fields) });
    expect(verdictOn(file)).toEqual({ code, message: expect.stringContaining(sentence) });
  });

  test.each(vhdxItems().map(({ id }) => id))('no item %s', (id) => {
    const file = vhdxFile({ items: vhdxItems().filter((item) => item.id !== id) });
    expect(verdictOn(file)).toEqual({ code: 'ImageCorrupt', message: expect.stringContaining(id) });
  });

  test('region tables that differ', () => {
    const file = vhdxFile();
    file.writeUInt8(1, 256 * 1024 + 100);
    expect(verdictOn(file).message).toContain('two region tables differ');
  });

  test.each([8, 64 * 1024, 256 * 1024, MIB, 3 * MIB, 4 * MIB - 1])('an end after %i bytes', (bytes) => {
    expect(codeOf(vhdxFile().subarray(0, bytes))).toBe('ImageCorrupt');
  });
});

describe('the metadata are read where the file says, within bounds', () => {
  const place = (region: Partial<VhdxRegion>, file: VhdxFields = {}): unknown =>
    placeToRead(windowOf(vhdxFile({ ...file, regions: [BAT, { ...METADATA, ...region }] })));

  test('inside the file and no more than a MiB', () => {
    expect(place({})).toEqual({ offset: 3 * MIB, length: MIB });
    expect(place({ offset: BigInt(2 * MIB), length: 2 * MIB })).toEqual({ offset: 2 * MIB, length: MIB });
  });

  test.each<[string, Partial<VhdxRegion>]>([
    ['behind the end', { offset: BigInt(4 * MIB) }],
    ['across the end', { offset: BigInt(4 * MIB) - 1n }],
    ['at the end of numbers', { offset: 2n ** 64n - 1n }],
  ])('never %s', (_what, region) => {
    expect(place(region)).toBeUndefined();
  });

  test('and nowhere for a file that may be two things', () => {
    const file = vhdxFile();
    file.write('conectix', file.length - 512, 'latin1');
    expect(placeToRead(windowOf(file))).toBeUndefined();
    expect(codeOf(file)).toBe('ImageFormatAmbiguous');
  });

  test('other formats have no such place', () => {
    expect(placeToRead(windowOf(Buffer.alloc(4 * MIB)))).toBeUndefined();
  });
});
