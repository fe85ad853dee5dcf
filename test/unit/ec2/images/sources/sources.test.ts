import { describe, expect, test } from 'vitest';
import { checksumFor } from '../../../../../src/ec2/images/sources/checksum-file.ts';
import { isPublicAddress } from '../../../../../src/core/public-address.ts';

describe('isPublicAddress', () => {
  test.each([
    '1.1.1.1',
    '146.75.118.132',
    '172.15.255.255',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a04:4e42::644',
  ])('%s is', (address) => expect(isPublicAddress(address)).toBe(true));
  test.each([
    '0.0.0.0',
    '10.1.2.3',
    '100.64.0.1',
    '127.0.0.1',
    '127.255.255.254',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.0.10',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::ffff:169.254.169.254',
    '::ffff:1.1.1.1',
    '::a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2001::1',
    '2001:db8::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'ff02::1',
    'localhost',
    '1.1.1',
    '',
  ])('%s is not', (address) => expect(isPublicAddress(address)).toBe(false));
});

describe('checksumFor', () => {
  const [a, b] = ['a'.repeat(128), 'B'.repeat(128)];
  const wanted = { file: 'disk.qcow2', algorithm: 'sha512' } as const;

  test('reads text and binary lines, and gives lower case', () => {
    expect(checksumFor(`${a}  other.qcow2\n${b}  disk.qcow2\n`, wanted)).toBe('b'.repeat(128));
    expect(checksumFor(`${a} *disk.qcow2\r\n`, wanted)).toBe(a);
    expect(checksumFor(`${a}  ./disk.qcow2`, wanted)).toBe(a);
  });

  test('never takes another file, another algorithm, or one of two answers', () => {
    expect(
      checksumFor(`${a}  xdisk.qcow2\n${a}  disk.qcow2.asc\n${a}  sub/disk.qcow2`, wanted),
    ).toBeUndefined();
    expect(checksumFor(`${'a'.repeat(64)}  disk.qcow2`, wanted)).toBeUndefined();
    expect(checksumFor(`${a}  disk.qcow2\n${b}  disk.qcow2`, wanted)).toBeUndefined();
    expect(checksumFor('', wanted)).toBeUndefined();
  });
});
