import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addressAt, parseCidr } from '../../../../src/core/cidr.ts';
import { type NetworkInterfaceId, newId } from '../../../../src/core/ids.ts';
import { macOf } from '../../../../src/core/link-name.ts';
import {
  allocateAddress,
  freeAddressCount,
} from '../../../../src/ec2/network-interfaces/allocate-address.ts';
import { networkInterfaces, type Subnet, subnets, vpcs } from '../../../../src/store/network.ts';
import { type TestContext, testContext } from '../../../support/context.ts';

const VPC = newId('vpc');

let home: TestContext;
beforeEach(() => {
  home = testContext();
  vpcs.insert(home.ctx.db, {
    vpcId: VPC,
    cidrBlock: '172.31.0.0/16',
    isDefault: true,
    internetGatewayId: null,
  });
});
afterEach(() => home.cleanup());

function subnet(cidrBlock: string): Subnet {
  const made: Subnet = {
    subnetId: newId('subnet'),
    vpcId: VPC,
    cidrBlock,
    availabilityZone: 'us-east-1a',
    defaultForAz: true,
  };
  subnets.insert(home.ctx.db, made);
  return made;
}

function take({ subnetId }: Subnet, privateIpAddress: string): NetworkInterfaceId {
  const networkInterfaceId = newId('networkInterface');
  networkInterfaces.insert(home.ctx.db, {
    networkInterfaceId,
    vpcId: VPC,
    subnetId,
    description: '',
    privateIpAddress,
    macAddress: macOf(networkInterfaceId),
    securityGroupIds: [],
    attachment: null,
  });
  return networkInterfaceId;
}

const allocate = (of: Subnet, wanted?: string): string => allocateAddress(home.ctx.db, of, wanted);

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
    home.ctx.db.prepare("UPDATE network_interfaces SET document = '{' WHERE id = ?").run(broken);
    expect(allocate(of)).toBe('172.31.16.5');
    expect(freeAddressCount(home.ctx.db, of)).toBe(4090);
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
  expect(freeAddressCount(home.ctx.db, of)).toBe(free);
  take(of, '172.31.16.4');
  expect(freeAddressCount(home.ctx.db, of)).toBe(free - 1);
});

test("another subnet's addresses are not counted", () => {
  take(subnet('172.31.0.0/20'), '172.31.0.4');
  expect(freeAddressCount(home.ctx.db, subnet('172.31.16.0/20'))).toBe(4091);
});
