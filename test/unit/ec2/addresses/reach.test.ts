import { describe, expect, test } from 'vitest';
import { reachOf } from '../../../../src/ec2/addresses/reach.ts';
import type { HostAddresses } from '../../../../src/host/link/host-addresses.ts';

const HOST: HostAddresses = {
  addresses: [
    { address: '127.0.0.1', prefix: 8, device: 'lo' },
    { address: '10.9.9.9', prefix: 24, device: 'lo' },
    { address: '192.168.1.10', prefix: 24, device: 'eth0' },
    { address: '192.168.1.11', prefix: 24, device: 'eth0' },
    { address: '198.51.100.1', prefix: 32, device: 'eth0' },
    { address: '10.8.0.2', prefix: 31, device: 'tun0' },
  ],
  primary: '192.168.1.10',
  gateways: ['192.168.1.1'],
  routed: [],
  neighbours: [],
};

test.each([
  ['192.168.1.11', 'own'],
  ['198.51.100.1', 'own'],
  ['10.8.0.2', 'own'],
  ['10.9.9.9', 'own'],
  ['192.168.1.240', 'lan'],
  ['192.168.2.1', 'host'],
  ['203.0.113.7', 'host'],
  ['10.8.0.3', 'host'],
  ['10.9.9.10', 'host'],
  ['198.51.100.2', 'host'],
])('%s is reached by %s', (address, reach) => {
  expect(reachOf(HOST, address)).toBe(reach);
});

describe('an address cannot be had that is', () => {
  test.each([
    ['no address', 'web'],
    ['an address with leading zeros', '192.168.01.240'],
    ['one of IPv6', 'fd00::1'],
    ['nobody’s', '0.0.0.0'],
    ['a loopback one', '127.0.0.1'],
    ['the metadata service’s', '169.254.169.254'],
    ['a multicast one', '224.0.0.1'],
    ['everybody’s', '255.255.255.255'],
    ['a network’s own', '192.168.1.0'],
    ['a network’s broadcast one', '192.168.1.255'],
    ['the router’s', '192.168.1.1'],
    ['the host’s way out', '192.168.1.10'],
  ])('%s: %s', (_what, address) => {
    expect(() => reachOf(HOST, address)).toThrow(
      expect.objectContaining({ code: 'InvalidParameterValue', message: expect.stringContaining(address) }),
    );
  });

  test('the host’s way out, for which single ports are the way', () => {
    expect(() => reachOf(HOST, '192.168.1.10')).toThrow(
      expect.objectContaining({ hint: expect.stringContaining('bonami port-forward') }),
    );
  });
});
