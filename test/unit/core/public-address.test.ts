import { describe, expect, test } from 'vitest';
import { isPublicAddress, mayConnect } from '../../../src/core/public-address.ts';

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

describe('mayConnect', () => {
  test.each([
    ['example.org', '1.1.1.1', []],
    ['mirror.lan', '192.168.1.5', ['mirror.lan']],
    ['mirror.lan', '10.0.0.5', ['other.lan', 'MIRROR.lan']],
    ['mirror.lan', 'fd12::5', ['mirror.lan']],
    ['10.0.0.5', '10.0.0.5', ['10.0.0.5']],
    ['[fd12::5]', 'fd12::5', ['fd12::5']],
    ['localhost', '127.0.0.1', ['localhost']],
    ['localhost', '::1', ['localhost']],
    ['test.localhost', '127.0.0.1', ['test.localhost']],
    ['127.0.0.1', '127.0.0.1', ['127.0.0.1']],
  ])('%s may be %s when %j are allowed', (name, address, allowed) =>
    expect(mayConnect(name, address, allowed)).toBe(true),
  );
  test.each([
    ['mirror.lan', '192.168.1.5', []],
    ['mirror.lan', '192.168.1.5', ['lan', 'xmirror.lan', 'mirror.lan.evil', '192.168.1.5', '*']],
    ['sub.mirror.lan', '192.168.1.5', ['mirror.lan']],
    ['mirror.lan', '127.0.0.1', ['mirror.lan', 'localhost']],
    ['localhost.evil', '127.0.0.1', ['localhost.evil']],
    ['mirror.lan', '::1', ['mirror.lan']],
    ['mirror.lan', '169.254.169.254', ['mirror.lan']],
    ['169.254.169.254', '169.254.169.254', ['169.254.169.254']],
    ['metadata', 'fd00:ec2::254', ['metadata']],
    ['metadata', '100.100.100.200', ['metadata']],
    ['mirror.lan', '0.0.0.0', ['mirror.lan']],
    ['mirror.lan', '224.0.0.1', ['mirror.lan']],
    ['mirror.lan', 'fe80::1', ['mirror.lan']],
    ['mirror.lan', 'fe80::1%eth0', ['mirror.lan']],
    ['mirror.lan', '::ffff:10.0.0.5', ['mirror.lan']],
    ['localhost', '10.0.0.5x', ['localhost']],
  ])('%s may not be %s when %j are allowed', (name, address, allowed) =>
    expect(mayConnect(name, address, allowed)).toBe(false),
  );
});
