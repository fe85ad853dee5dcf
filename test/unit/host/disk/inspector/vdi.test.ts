import { describe, expect, test } from 'vitest';
import { inspect } from '../../../../../src/host/disk/inspector/inspect.ts';
import { type VdiFields, codeOf, verdictOn, vdiFile, windowOf } from '../../../../support/disk-headers.ts';

const DISK = { format: 'vdi', virtualSize: 4 << 20 };

describe('a good VDI passes', () => {
  test.each<[string, VdiFields]>([
    ['dynamic', {}],
    ['dynamic and empty', { allocated: 0 }],
    ['fixed', { type: 2 }],
    ['of an odd size, which QEMU rounds up', { size: (4n << 20n) - 100n }],
  ])('%s', (_name, fields) => {
    expect(inspect(windowOf(vdiFile(fields)))).toEqual(DISK);
  });
});

describe('a VDI that breaks a rule', () => {
  test.each<[string, string, string, VdiFields]>([
    ['version 1.0', 'ImageVersionUnknown', 'version 1.0; only 1.1', { version: 0x10000 }],
    ['version 65535.65535', 'ImageVersionUnknown', 'version 65535.65535', { version: 0xffffffff }],
    ['an undo disk', 'ImageHasBackingFile', 'backing file', { type: 3 }],
    ['a differencing disk', 'ImageHasBackingFile', 'backing file', { type: 4 }],
    ['no type', 'ImageFeatureUnknown', 'unknown type 0', { type: 0 }],
    ['the id of a parent', 'ImageHasBackingFile', 'backing file', { linkId: 'x' }],
    ["the id of a parent's state", 'ImageHasBackingFile', 'backing file', { parentId: 'x' }],
    ['sectors of 4 KiB', 'ImageFeatureUnknown', 'sectors of 4096', { sectorBytes: 4096 }],
    ['blocks of 2 MiB', 'ImageFeatureUnknown', 'blocks of 2097152', { blockBytes: 2 << 20 }],
    ['no blocks', 'ImageFeatureUnknown', 'blocks of 0', { blockBytes: 0 }],
    ['extra bytes', 'ImageFeatureUnknown', 'and 512;', { blockExtra: 512 }],
    ['no size', 'ImageCorrupt', 'a disk of 0 bytes', { size: 0n }],
    ['more than 2 TiB', 'ImageTooLarge', 'at most', { size: 2n ** 41n + 1n }],
    ['petabytes', 'ImageTooLarge', '4503599627370496 bytes', { size: 2n ** 52n }],
    ['the largest size', 'ImageTooLarge', 'at most', { size: 2n ** 64n - 1n }],
    ['too few blocks', 'ImageCorrupt', 'map has 3 blocks', { blocks: 3 }],
    ['too many blocks', 'ImageCorrupt', 'map has 4294967295 blocks', { blocks: 0xffffffff }],
    ['more blocks in use than there are', 'ImageCorrupt', 'holds 5 blocks of 4', { allocated: 5 }],
    ['blocks behind the end', 'ImageCorrupt', 'behind its own end', { allocated: 2 }],
    ['a map in the header', 'ImageCorrupt', 'map at byte 0', { mapOffset: 0 }],
    ['a map between sectors', 'ImageCorrupt', 'map at byte 520', { mapOffset: 520 }],
    ['a map behind its data', 'ImageCorrupt', 'do not fit', { mapOffset: 1024 }],
    ['data between sectors', 'ImageCorrupt', 'data at byte 1028', { dataOffset: 1028 }],
    ['data behind the end', 'ImageCorrupt', 'behind its own end', { dataOffset: 0xfffffe00 }],
  ])('%s: %s', (_what, code, sentence, fields) => {
    expect(verdictOn(vdiFile(fields))).toEqual({ code, message: expect.stringContaining(sentence) });
  });

  test('a map that its file has no room for', () => {
    const file = vdiFile({ size: 2n ** 41n, blocks: 2 ** 21, allocated: 0, dataOffset: 16 << 20 });
    expect(verdictOn(file)).toEqual({
      code: 'ImageCorrupt',
      message: expect.stringContaining('behind its own end'),
    });
  });

  test.each([0x44, 0x1c8, 511])('a VDI that ends after %i bytes', (bytes) => {
    expect(verdictOn(vdiFile().subarray(0, bytes)).message).toContain('header is cut off');
  });

  test('larger than allowed', () => {
    expect(codeOf(vdiFile(), { maxVirtualSize: (4 << 20) - 1 })).toBe('ImageTooLarge');
  });
});
