import { describe, expect, test } from 'vitest';
import {
  addressAt,
  containsAddress,
  formatCidr,
  formatIpv4,
  netmask,
  networkOf,
  overlaps,
  parseCidr,
  parseIpv4,
  sizeOf,
  subBlock,
} from '../../../src/core/cidr.ts';

describe('an IPv4 address', () => {
  test.each([
    ['0.0.0.0', 0],
    ['0.0.0.1', 1],
    ['1.2.3.4', 0x01020304],
    ['127.255.255.255', 0x7fffffff],
    ['128.0.0.0', 0x80000000],
    ['255.255.255.255', 0xffffffff],
  ])('%s is %d, and is printed as it was written', (text, value) => {
    expect(parseIpv4(text)).toBe(value);
    expect(formatIpv4(value)).toBe(text);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.',
    '1.2.3.256',
    '1.2.3.1000',
    '01.2.3.4',
    '1.2.3.00',
    '1.2.3.-4',
    '+1.2.3.4',
    '0x1.2.3.4',
    '1e1.2.3.4',
    ' 1.2.3.4',
    '1.2.3.4\n',
    '1.2.3.٤',
    '::1',
  ])('%j is none', (text) => {
    expect(parseIpv4(text)).toBeUndefined();
  });
});

describe('a block', () => {
  test.each(['0.0.0.0/0', '128.0.0.0/1', '172.31.0.0/16', '172.31.255.240/28', '255.255.255.255/32'])(
    '%s is printed as it was written',
    (text) => {
      expect(formatCidr(parseCidr(text))).toBe(text);
    },
  );

  test.each([
    '',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/008',
    '10.0.0.0/8 ',
    '10.0.0/8',
    '010.0.0.0/8',
    '/8',
    'fd00::/8',
  ])('%j is malformed, and the error says which', (text) => {
    expect(() => parseCidr(text)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `'${text}' is not an IPv4 CIDR block`,
        hint: expect.stringContaining('172.31.0.0/16'),
      }),
    );
  });

  test.each(['10.0.0.1/8', '172.31.0.128/24', '128.0.0.0/0', '255.255.255.255/31'])(
    '%s has host bits set, and the error says which',
    (text) => {
      expect(() => parseCidr(text)).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `The CIDR block '${text}' has host bits set`,
        }),
      );
    },
  );

  test.each([
    ['0.0.0.0/0', 2 ** 32, '0.0.0.0'],
    ['128.0.0.0/1', 2 ** 31, '128.0.0.0'],
    ['172.31.16.0/20', 4096, '255.255.240.0'],
    ['10.0.0.0/31', 2, '255.255.255.254'],
    ['10.0.0.7/32', 1, '255.255.255.255'],
  ])('%s has %d addresses and the netmask %s', (text, size, mask) => {
    expect(sizeOf(parseCidr(text))).toBe(size);
    expect(netmask(parseCidr(text))).toBe(mask);
  });

  test('counts its addresses from the network address on', () => {
    const block = parseCidr('172.31.16.0/20');
    expect(addressAt(block, 0)).toBe('172.31.16.0');
    expect(addressAt(block, 256)).toBe('172.31.17.0');
    expect(addressAt(block, 4095)).toBe('172.31.31.255');
  });

  test.each([
    ['172.31.15.255', false],
    ['172.31.16.0', true],
    ['172.31.31.255', true],
    ['172.31.32.0', false],
  ])('172.31.16.0/20 and %s: contained is %s', (address, contained) => {
    expect(containsAddress(parseCidr('172.31.16.0/20'), parseIpv4(address) ?? Number.NaN)).toBe(contained);
  });

  test.each([
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.0.0.0/8', '10.255.255.255/32', true],
    ['0.0.0.0/0', '192.168.0.0/24', true],
    ['10.0.0.0/25', '10.0.0.128/25', false],
    ['10.0.0.0/8', '11.0.0.0/8', false],
  ])('%s and %s: overlapping is %3$s, whichever comes first', (a, b, expected) => {
    expect(overlaps(parseCidr(a), parseCidr(b))).toBe(expected);
    expect(overlaps(parseCidr(b), parseCidr(a))).toBe(expected);
  });

  test('is divided into sub-blocks that follow each other', () => {
    const block = parseCidr('172.31.0.0/16');
    expect([0, 1, 15].map((index) => formatCidr(subBlock(block, 20, index)))).toEqual([
      '172.31.0.0/20',
      '172.31.16.0/20',
      '172.31.240.0/20',
    ]);
    expect(subBlock(block, 16, 0)).toEqual(block);
  });

  test.each([
    ['172.31.16.1/20', '172.31.16.0/20'],
    ['172.31.31.255/20', '172.31.16.0/20'],
    ['172.31.16.0/20', '172.31.16.0/20'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['255.255.255.255/1', '128.0.0.0/1'],
    ['10.0.0.7/32', '10.0.0.7/32'],
    ['10.0.0.7', '10.0.0.7/32'],
  ])('of %s is %s', (text, network) => {
    expect(networkOf(text)).toBe(network);
    expect(formatCidr(parseCidr(networkOf(text)))).toBe(network);
  });
});
