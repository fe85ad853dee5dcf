import { describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../../src/core/cidr.ts';
import { newId, type NetworkInterfaceId } from '../../../../src/core/ids.ts';
import { addressAt6, parseCidr6 } from '../../../../src/core/ip.ts';
import { macOf } from '../../../../src/core/link-name.ts';
import {
  allocateIpv6Addresses,
  allocatePrivateAddress,
  allocatePrivateAddresses,
  freeAddressCount,
} from '../../../../src/ec2/network-interfaces/allocate-private-address.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { vpcs, type Subnet } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();

function subnet(cidrBlock: string): Subnet {
  const [vpc = lab.vpc('172.31.0.0/16', { ipv6: true })] = vpcs.list(lab.ctx.db);
  return lab.subnet(vpc, cidrBlock);
}

function take(
  { subnetId, vpcId }: Subnet,
  privateIpAddress: string,
  ...ipv6Addresses: string[]
): NetworkInterfaceId {
  const networkInterfaceId = newId('networkInterface');
  networkInterfaces.insert(lab.ctx.db, {
    networkInterfaceId,
    vpcId,
    subnetId,
    interfaceType: 'interface',
    description: '',
    privateIpAddress,
    secondaryPrivateIpAddresses: [],
    ipv6Addresses,
    macAddress: macOf(networkInterfaceId),
    securityGroupIds: [],
    sourceDestCheck: true,
    attachment: null,
  });
  return networkInterfaceId;
}

const allocate = (of: Subnet, wanted?: string): string => allocatePrivateAddress(lab.ctx.db, of, wanted);

describe('the lowest free address', () => {
  test('comes after the four that EC2 keeps', () => {
    expect(allocate(subnet('172.31.16.0/20'))).toBe('172.31.16.4');
  });

  test('is the first gap', () => {
    const of = subnet('172.31.16.0/20');
    for (const last of [4, 5, 7]) take(of, `172.31.16.${last}`);
    expect(allocate(of)).toBe('172.31.16.6');
  });

  test("does not regard another subnet's addresses", () => {
    take(subnet('172.31.0.0/20'), '172.31.0.4');
    expect(allocate(subnet('172.31.16.0/20'))).toBe('172.31.16.4');
  });

  test('is not recorded by asking for it', () => {
    const of = subnet('172.31.16.0/20');
    expect(allocate(of)).toBe(allocate(of));
  });

  test('ends before the last one, with an error that names the subnet', () => {
    const of = subnet('172.31.16.0/28');
    for (let offset = 4; offset < 14; offset++) take(of, addressAt(parseCidr(of.cidrBlock), offset));
    expect(allocate(of)).toBe('172.31.16.14');
    take(of, '172.31.16.14');
    expect(() => allocate(of)).toThrow(
      expect.objectContaining({
        code: 'InsufficientFreeAddressesInSubnet',
        message: `The subnet '${of.subnetId}' (172.31.16.0/28) has no free addresses`,
        hint: expect.stringContaining('bonami subnet ls'),
      }),
    );
  });

  test('passes by the address of a record that cannot be read', () => {
    const of = subnet('172.31.16.0/20');
    const broken = take(of, '172.31.16.4');
    lab.ctx.db.prepare("UPDATE network_interfaces SET document = '{' WHERE id = ?").run(broken);
    expect(allocate(of)).toBe('172.31.16.5');
    expect(freeAddressCount(lab.ctx.db, of)).toBe(4090);
  });
});

describe('a wanted address', () => {
  test.each(['172.31.16.4', '172.31.16.255', '172.31.31.254'])('%s is given when it is free', (wanted) => {
    expect(allocate(subnet('172.31.16.0/20'), wanted)).toBe(wanted);
  });

  test.each(['172.31.15.255', '172.31.32.0', '10.0.0.4', '172.31.16', '172.31.16.04', '', '::1'])(
    "'%s' is outside of the subnet, and the error names both",
    (wanted) => {
      expect(() => allocate(subnet('172.31.16.0/20'), wanted)).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `Address ${wanted} does not fall within the subnet's address range 172.31.16.0/20`,
        }),
      );
    },
  );

  test.each(['172.31.16.0', '172.31.16.1', '172.31.16.2', '172.31.16.3', '172.31.31.255'])(
    '%s is one that EC2 keeps, and the error names it',
    (wanted) => {
      expect(() => allocate(subnet('172.31.16.0/20'), wanted)).toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: `Address ${wanted} is reserved in 172.31.16.0/20`,
          hint: 'the first four and the last are',
        }),
      );
    },
  );

  test('that is taken is an error that names it', () => {
    const of = subnet('172.31.16.0/20');
    take(of, '172.31.16.9');
    expect(() => allocate(of, '172.31.16.9')).toThrow(
      expect.objectContaining({
        code: 'InvalidIPAddress.InUse',
        message: 'Address 172.31.16.9 is in use',
      }),
    );
  });
});

test.each([
  ['172.31.16.0/20', 4091],
  ['172.31.16.0/28', 11],
])('of %s, %d addresses are free until one is taken', (cidrBlock, free) => {
  const of = subnet(cidrBlock);
  expect(freeAddressCount(lab.ctx.db, of)).toBe(free);
  take(of, '172.31.16.4');
  expect(freeAddressCount(lab.ctx.db, of)).toBe(free - 1);
});

test("another subnet's addresses are not counted", () => {
  take(subnet('172.31.0.0/20'), '172.31.0.4');
  expect(freeAddressCount(lab.ctx.db, subnet('172.31.16.0/20'))).toBe(4091);
});

test('IPv6 addresses take no place of IPv4 ones', () => {
  const of = subnet('172.31.16.0/28');
  take(of, '172.31.16.4', ...allocateIpv6Addresses(lab.ctx.db, of, [undefined]));
  expect(freeAddressCount(lab.ctx.db, of)).toBe(10);
});

describe('several at once', () => {
  const several = (of: Subnet, ...wanted: (string | undefined)[]): readonly string[] =>
    allocatePrivateAddresses(lab.ctx.db, of, wanted);

  test('are different ones, and what is named is given to nobody else', () => {
    const of = subnet('172.31.16.0/20');
    expect(several(of, undefined, undefined, '172.31.16.4')).toEqual([
      '172.31.16.5',
      '172.31.16.6',
      '172.31.16.4',
    ]);
  });

  test('cannot name one twice', () => {
    expect(() => several(subnet('172.31.16.0/20'), '172.31.16.9', '172.31.16.9')).toThrow(
      expect.objectContaining({ code: 'InvalidIPAddress.InUse' }),
    );
  });

  test('are none when there is too little room for all', () => {
    const of = subnet('172.31.16.0/28');
    expect(several(of, ...Array.from({ length: 11 }, () => undefined))).toHaveLength(11);
    expect(() => several(of, ...Array.from({ length: 12 }, () => undefined))).toThrow(
      expect.objectContaining({ code: 'InsufficientFreeAddressesInSubnet' }),
    );
  });
});

describe('an IPv6 address', () => {
  const allocate6 = (of: Subnet, wanted?: string): string =>
    allocateIpv6Addresses(lab.ctx.db, of, [wanted])[0] ?? '';
  const at = (of: Subnet, offset: bigint): string => addressAt6(parseCidr6(of.ipv6?.cidrBlock ?? ''), offset);

  test('is the lowest free one after the four that EC2 keeps', () => {
    const of = subnet('172.31.16.0/20');
    expect(allocate6(of)).toBe(at(of, 4n));
    take(of, '172.31.16.4', at(of, 4n));
    expect(allocate6(of)).toBe(at(of, 5n));
  });

  test('may be wanted in any notation, and is kept in one', () => {
    const of = subnet('172.31.16.0/20');
    const loud = at(of, 0xabn).toUpperCase();
    expect(allocate6(of, loud)).toBe(at(of, 0xabn));
    take(of, '172.31.16.4', at(of, 0xabn));
    expect(() => allocate6(of, loud)).toThrow(expect.objectContaining({ code: 'InvalidIPAddress.InUse' }));
  });

  test.each(['fd00::4', '172.31.16.4', 'x'])("cannot be '%s', which is not of the subnet", (wanted) => {
    expect(() => allocate6(subnet('172.31.16.0/20'), wanted)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringContaining(`Address ${wanted} does not fall within`),
      }),
    );
  });

  test.each([0n, 3n, 2n ** 64n - 1n])('cannot be the reserved one at %d', (offset) => {
    const of = subnet('172.31.16.0/20');
    expect(() => allocate6(of, at(of, offset))).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringContaining('is reserved'),
      }),
    );
  });

  test('needs a subnet that has IPv6', () => {
    const of = lab.subnet(lab.vpc('10.0.0.0/16'), '10.0.0.0/24');
    expect(() => allocate6(of)).toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: `The subnet '${of.subnetId}' does not have an IPv6 CIDR block`,
      }),
    );
  });
});
