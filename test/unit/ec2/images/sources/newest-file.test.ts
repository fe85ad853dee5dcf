import { describe, expect, test } from 'vitest';
import { naturalOrder, newestFile } from '../../../../../src/ec2/images/sources/newest-file.ts';

describe('naturalOrder', () => {
  test.each([
    ['1.9', '1.10'],
    ['a-1.9.x', 'a-1.10.x'],
    ['3.23', '3.23.4'],
    ['20251110.1', '20260917.1'],
    ['2023.9.20251110', '2023.12.20260917'],
    ['9', '12345678901234567890'],
    ['12345678901234567890', '12345678901234567891'],
    ['r0', 'r1'],
    ['a', 'b'],
    ['', 'a'],
    ['latest', 'latest-2'],
  ])('%s comes before %s', (earlier, later) => {
    expect(naturalOrder(earlier, later)).toBeLessThan(0);
    expect(naturalOrder(later, earlier)).toBeGreaterThan(0);
  });

  test.each([
    ['1.9', '1.9'],
    ['1.09', '1.9'],
    ['', ''],
  ])('%s is as new as %s', (one, other) => expect(naturalOrder(one, other)).toBe(0));
});

describe('newestFile', () => {
  const pattern = String.raw`disk-(?<version>[0-9.]+)\.qcow2`;

  test('finds the newest in a listing, and what its groups stand for', () => {
    const page = ['1.9', '1.10', '1.2']
      .map((version) => `<a href="disk-${version}.qcow2">disk-${version.slice(0, 1)}..&gt;</a> 2026-01-01`)
      .join('\n');
    expect(newestFile(page, pattern)).toEqual({ file: 'disk-1.10.qcow2', words: { version: '1.10' } });
  });

  test('finds it in checksum files', () => {
    const hex = 'a'.repeat(64);
    for (const line of [`${hex}  disk-2.qcow2`, `${hex} *disk-2.qcow2`, `SHA256 (disk-2.qcow2) = ${hex}`])
      expect(newestFile(line, pattern)?.file).toBe('disk-2.qcow2');
  });

  test('takes no part of a longer name', () => {
    const names = [
      'my-disk-9.qcow2',
      'disk-9.qcow2.sha256',
      'disk-9.qcow2-old',
      'xdisk-9.qcow2',
      '%2Fdisk-9.qcow2',
    ];
    expect(newestFile([...names, 'disk-1.qcow2'].join(' '), pattern)?.file).toBe('disk-1.qcow2');
    expect(newestFile(names.join(' '), pattern)).toBeUndefined();
    expect(newestFile('See disk-3.qcow2.', pattern)?.file).toBe('disk-3.qcow2');
  });

  test('never leaves the folder, whatever a pattern lets through', () => {
    expect(newestFile('href="disk-../../x.qcow2"', String.raw`disk-[^"]+\.qcow2`)).toBeUndefined();
    expect(newestFile('', pattern)).toBeUndefined();
  });
});
