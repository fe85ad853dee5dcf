import { BlockList, isIPv6 } from 'node:net';
import { describe, expect, test } from 'vitest';
import { formatIpv4 } from '../../../src/core/cidr.ts';
import {
  addressAt6,
  blockContains,
  blocksOverlap,
  canonicalAddress,
  canonicalBlock,
  contains6,
  familyOf,
  formatIpv6,
  parseCidr6,
  parseIpv6,
  prefixOf,
} from '../../../src/core/ip.ts';
import { generator } from '../../support/random.ts';

/** The text that node has for an address: a URL's host is printed by the rules of RFC 5952 (WHATWG URL, "IPv6 serializer"). */
const nodes = (text: string): string => new URL(`http://[${text}]/`).hostname.slice(1, -1);

/** Addresses with runs of zeros at every place: half of their groups are zero, some are short. */
function* someAddresses(seed: number, count: number): Generator<bigint> {
  const random = generator(seed);
  for (let index = 0; index < count; index++) {
    let value = 0n;
    for (let group = 0; group < 8; group++) {
      const size = [0, 0, 0x10, 0x10000][Math.floor(random() * 4)] ?? 0;
      value = (value << 16n) + BigInt(Math.floor(random() * size));
    }
    yield value;
  }
}

/** Another way to write the same address. */
function written(value: bigint, random: () => number): string {
  const groups = Array.from({ length: 8 }, (_, index) => {
    const text = ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16);
    const padded = random() < 0.3 ? text.padStart(4, '0') : text;
    return random() < 0.3 ? padded.toUpperCase() : padded;
  });
  if (random() < 0.3) groups.splice(6, 2, formatIpv4(Number(value & 0xffff_ffffn)));
  const zero = groups.findIndex((group) => /^0+$/.test(group));
  if (zero < 0 || random() < 0.5) return groups.join(':');
  return `${groups.slice(0, zero).join(':')}::${groups.slice(zero + 1).join(':')}`;
}

describe('an IPv6 address', () => {
  test.each([
    ['::', 0n],
    ['::1', 1n],
    ['1::', 1n << 112n],
    ['fd00:1234:5678:100::a', (0xfd00_1234_5678_0100n << 64n) + 10n],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', (1n << 128n) - 1n],
  ])('%s is %d, and is printed as it was written', (text, value) => {
    expect(parseIpv6(text)).toBe(value);
    expect(formatIpv6(value)).toBe(text);
  });

  test.each([
    // RFC 5952, sections 4.1 to 4.3, in their order.
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'],
    ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::ABCD', '2001:db8::abcd'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['0:0:1::', '0:0:1::'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
  ])('%s is printed as %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
    expect(nodes(text)).toBe(canonical);
  });

  test.each([
    '',
    ':',
    ':::',
    '::1::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2:3:4:5:6:7:8',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '::1/128',
    '[::1]',
    ' ::1',
    '::1\n',
    '::256.0.0.1',
    '::1.2.3',
    '::1.2.3.4:5',
    '::01.2.3.4',
    '10.0.0.1',
    '::-1',
    '::0x1',
  ])('%j is none', (text) => {
    expect(parseIpv6(text)).toBeUndefined();
  });

  test('is printed as node prints it, whatever it is, and read back as itself', () => {
    for (const value of someAddresses(1, 3000)) {
      const text = formatIpv6(value);
      expect(text).toBe(nodes(text));
      expect(parseIpv6(text)).toBe(value);
    }
  });

  test('is read in every way in which it can be written', () => {
    const random = generator(2);
    for (const value of someAddresses(3, 3000)) {
      const text = written(value, random);
      expect([text, isIPv6(text)]).toEqual([text, true]);
      expect([text, parseIpv6(text)]).toEqual([text, value]);
      expect(formatIpv6(value)).toBe(nodes(text));
    }
  });

  test('is one exactly where node has one', () => {
    const random = generator(4);
    const characters = '0019af:::.g';
    for (let index = 0; index < 20_000; index++) {
      const text = Array.from(
        { length: Math.floor(random() * 12) },
        () => characters[Math.floor(random() * characters.length)],
      ).join('');
      expect([text, parseIpv6(text) !== undefined]).toEqual([text, isIPv6(text)]);
    }
  });
});

describe('an IPv6 block', () => {
  test.each([
    ['::/0', '::/0'],
    ['FD00:0::/8', 'fd00::/8'],
    ['fd00:1234:5678:100:0:0:0:0/56', 'fd00:1234:5678:100::/56'],
    ['2001:db8::1/128', '2001:db8::1/128'],
    ['8000::/1', '8000::/1'],
    ['10.0.0.0/8', '10.0.0.0/8'],
  ])('%s is printed as %s', (text, canonical) => {
    expect(canonicalBlock(text)).toBe(canonical);
    expect(canonicalBlock(canonical)).toBe(canonical);
  });

  test.each([
    'fd00::',
    'fd00::/',
    'fd00::/129',
    'fd00::/-1',
    'fd00::/8/8',
    'fd00::/0008',
    'fd00::/8 ',
    'fd00::%lo/64',
    ':/64',
    '::1.2.3/64',
  ])('%j is malformed, and the error says which', (text) => {
    expect(() => canonicalBlock(text)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `'${text}' is not an IPv6 CIDR block`,
        hint: expect.stringContaining('/56'),
      }),
    );
  });

  test.each(['fd00::1/64', 'fd00:0:0:1::/63', '::1/0', 'ffff::/15', '::1/127'])(
    '%s has host bits set, and the error says which',
    (text) => {
      expect(() => canonicalBlock(text)).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `The CIDR block '${text}' has host bits set`,
        }),
      );
    },
  );

  test('that looks like IPv4 is judged as one', () => {
    expect(() => canonicalBlock('10.0.0.1/8')).toThrow('has host bits set');
    expect(() => canonicalBlock('10.0.0.0/64')).toThrow('is not an IPv4 CIDR block');
  });

  test('counts its addresses from the network address on', () => {
    const block = parseCidr6('fd00:0:0:1::/64');
    expect(addressAt6(block, 0n)).toBe('fd00:0:0:1::');
    expect(addressAt6(block, 1n)).toBe('fd00:0:0:1::1');
    expect(addressAt6(block, 0x1_0000n)).toBe('fd00::1:0:0:1:0');
    expect(addressAt6(block, (1n << 64n) - 1n)).toBe('fd00::1:ffff:ffff:ffff:ffff');
  });

  test('has a prefix', () => {
    expect(['::/0', 'fd00::/56', '10.0.0.0/8'].map(prefixOf)).toEqual([0, 56, 8]);
  });
});

describe('families', () => {
  test.each([
    ['10.0.0.0/8', 4],
    ['10.0.0.1', 4],
    ['::', 6],
    ['::ffff:10.0.0.1', 6],
    ['fd00::/8', 6],
  ])('%s is of family %d', (text, family) => {
    expect(familyOf(text)).toBe(family);
  });

  test('share no address, even where the text or the number is the same', () => {
    expect(blockContains('0.0.0.0/0', '::1')).toBe(false);
    expect(blockContains('::/0', '10.0.0.1')).toBe(false);
    expect(blocksOverlap('0.0.0.0/0', '::/0')).toBe(false);
  });
});

test.each([
  ['10.0.0.0/8', '10.255.255.255', true],
  ['10.0.0.0/8', '11.0.0.0', false],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['255.255.255.255/32', '255.255.255.255', true],
  ['fd00::/64', 'fd00::ffff:ffff:ffff:ffff', true],
  ['fd00::/64', 'fd00:0:0:1::', false],
  ['::/0', 'ffff::', true],
  ['fd00::1/128', 'fd00::1', true],
  ['fd00::1/128', 'fd00::', false],
  // What is no address is in no block, not even in the whole.
  ['0.0.0.0/0', 'web', false],
  ['::/0', 'fe80::1%lo', false],
])('%s and %s: contained is %s', (block, address, contained) => {
  expect(blockContains(block, address)).toBe(contained);
});

test.each([
  ['fd00::/56', 'fd00:0:0:ff::/64', true],
  ['fd00::/56', 'fd00:0:0:100::/64', false],
  ['::/0', 'fd00::1/128', true],
  ['fd00::/64', 'fd00::/64', true],
  ['10.0.0.0/25', '10.0.0.128/25', false],
  ['10.0.0.0/8', '10.1.0.0/16', true],
  ['0.0.0.0/0', '255.255.255.255/32', true],
])('%s and %s: overlapping is %s, whichever comes first', (a, b, expected) => {
  expect(blocksOverlap(a, b)).toBe(expected);
  expect(blocksOverlap(b, a)).toBe(expected);
});

describe('blocks and addresses that are near each other', () => {
  /** Mostly in the same narrow place, so that every answer happens often. */
  function near(seed: number): () => { readonly value: bigint; readonly block: string } {
    const random = generator(seed);
    return () => {
      const value = (0xfd00n << 112n) + BigInt(Math.floor(random() * 64)) * (1n << 60n);
      const prefix = 58 + Math.floor(random() * 8);
      const network = (value >> BigInt(128 - prefix)) << BigInt(128 - prefix);
      return { value, block: `${formatIpv6(network)}/${prefix}` };
    };
  }

  test('contain each other where node says so', () => {
    const next = near(5);
    const seen = new Set<boolean>();
    for (let index = 0; index < 2000; index++) {
      const [{ block }, { value }] = [next(), next()];
      const [network = '', prefix = ''] = block.split('/');
      const list = new BlockList();
      list.addSubnet(network, Number(prefix), 'ipv6');
      const contained = list.check(formatIpv6(value), 'ipv6');
      expect([block, value, blockContains(block, formatIpv6(value))]).toEqual([block, value, contained]);
      expect(contains6(parseCidr6(block), value)).toBe(contained);
      seen.add(contained);
    }
    expect(seen.size).toBe(2);
  });

  test('overlap exactly where one has the ends of the other', () => {
    const next = near(6);
    const seen = new Set<boolean>();
    for (let index = 0; index < 2000; index++) {
      const [a, b] = [next().block, next().block];
      const [one, other] = [parseCidr6(a), parseCidr6(b)];
      const last = ({ network, prefix }: typeof one): bigint => network + (1n << BigInt(128 - prefix)) - 1n;
      const overlapping = one.network <= last(other) && other.network <= last(one);
      expect([a, b, blocksOverlap(a, b)]).toEqual([a, b, overlapping]);
      seen.add(overlapping);
    }
    expect(seen.size).toBe(2);
  });
});
