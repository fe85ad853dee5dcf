// Addresses that come to interfaces, move between them, and go.
import { beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { assignIpv6Addresses } from '../../../../src/ec2/network-interfaces/assign-ipv6-addresses.ts';
import { assignPrivateIpAddresses } from '../../../../src/ec2/network-interfaces/assign-private-ip-addresses.ts';
import { createNetworkInterface } from '../../../../src/ec2/network-interfaces/create-network-interface.ts';
import { unassignIpv6Addresses } from '../../../../src/ec2/network-interfaces/unassign-ipv6-addresses.ts';
import { unassignPrivateIpAddresses } from '../../../../src/ec2/network-interfaces/unassign-private-ip-addresses.ts';
import { addresses } from '../../../../src/store/addresses.ts';
import {
  interfaceAt,
  networkInterfaces,
  type NetworkInterface,
} from '../../../../src/store/network-interfaces.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
let vpc: Vpc;
let subnet: Subnet;
let a: string;
let b: string;
beforeEach(() => {
  vpc = lab.vpc('10.0.0.0/16', { ipv6: true });
  subnet = lab.subnet(vpc, '10.0.0.0/24');
  [a, b] = [create(), create()];
});

const create = (request: object = {}): string =>
  createNetworkInterface(lab.ctx, { SubnetId: subnet.subnetId, ...request }).NetworkInterface
    ?.NetworkInterfaceId ?? '';
const record = (id: string): NetworkInterface => networkInterfaces.get(lab.ctx.db, id) as NetworkInterface;
const assign = async (NetworkInterfaceId: string, request: object) =>
  assignPrivateIpAddresses(lab.ctx, { NetworkInterfaceId, ...request });
const secondary = (id: string): readonly string[] => record(id).secondaryPrivateIpAddresses;

test('addresses are assigned by name, and answered', async () => {
  expect(await assign(a, { PrivateIpAddresses: ['10.0.0.20', '10.0.0.21'] })).toEqual({
    NetworkInterfaceId: a,
    AssignedPrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.20' }, { PrivateIpAddress: '10.0.0.21' }],
    AssignedIpv4Prefixes: [],
  });
  expect(secondary(a)).toEqual(['10.0.0.20', '10.0.0.21']);
});

test('addresses are assigned by number', async () => {
  const { AssignedPrivateIpAddresses } = await assign(a, { SecondaryPrivateIpAddressCount: 2 });
  expect(AssignedPrivateIpAddresses?.map(({ PrivateIpAddress }) => PrivateIpAddress)).toEqual([
    '10.0.0.6',
    '10.0.0.7',
  ]);
});

test.each([
  [{}, 'MissingParameter'],
  [{ SecondaryPrivateIpAddressCount: 0 }, 'MissingParameter'],
  [{ SecondaryPrivateIpAddressCount: 1, PrivateIpAddresses: ['10.0.0.20'] }, 'InvalidParameterCombination'],
  [{ PrivateIpAddresses: ['10.0.1.20'] }, 'InvalidParameterValue'],
  [{ PrivateIpAddresses: ['10.0.0.20', '10.0.0.20'] }, 'InvalidIPAddress.InUse'],
  [{ PrivateIpAddresses: ['10.0.0.20', '10.0.0.1'] }, 'InvalidParameterValue'],
  [{ SecondaryPrivateIpAddressCount: 50 }, 'PrivateIpAddressLimitExceeded'],
])('nothing is assigned by %j', async (request, code) => {
  await expect(assign(a, request)).rejects.toThrow(expect.objectContaining({ code }));
  expect(secondary(a)).toEqual([]);
});

test('an instance’s type limits the addresses of each family', async () => {
  const [primary] = lab.interfacesOf(lab.instance(subnet, { instanceType: 't3.micro' }).instanceId);
  const id = primary?.networkInterfaceId ?? '';
  await assign(id, { SecondaryPrivateIpAddressCount: 1 });
  await expect(assign(id, { SecondaryPrivateIpAddressCount: 1 })).rejects.toThrow(
    expect.objectContaining({
      code: 'PrivateIpAddressLimitExceeded',
      message: `${id}: Number of private addresses will exceed limit: 3, of 2 with t3.micro.`,
    }),
  );
  await expect(assignIpv6Addresses(lab.ctx, { NetworkInterfaceId: id, Ipv6AddressCount: 3 })).rejects.toThrow(
    expect.objectContaining({ code: 'PrivateIpAddressLimitExceeded' }),
  );
  expect(record(id).ipv6Addresses).toEqual([]);
});

describe('an address of another interface', () => {
  const FLOATING = '10.0.0.50';
  beforeEach(async () => {
    await assign(a, { PrivateIpAddresses: [FLOATING, '10.0.0.51'] });
  });

  test('moves when that is allowed, and its elastic address with it', async () => {
    const allocationId = newId('address');
    addresses.insert(lab.ctx.db, {
      allocationId,
      publicIp: '203.0.113.1',
      carrierIp: '203.0.113.1',
      reach: 'host',
      association: {
        associationId: newId('addressAssociation'),
        networkInterfaceId: a as `eni-${string}`,
        privateIpAddress: FLOATING,
      },
    });
    await assign(b, { PrivateIpAddresses: [FLOATING], AllowReassignment: true });
    expect([secondary(a), secondary(b)]).toEqual([['10.0.0.51'], [FLOATING]]);
    expect(interfaceAt(lab.ctx.db, vpc.vpcId, FLOATING)?.networkInterfaceId).toBe(b);
    expect(addresses.get(lab.ctx.db, allocationId)?.association).toMatchObject({
      networkInterfaceId: b,
      privateIpAddress: FLOATING,
    });
  });

  test('moves together with others, and with new ones', async () => {
    await assign(b, { PrivateIpAddresses: [FLOATING, '10.0.0.51', '10.0.0.60'], AllowReassignment: true });
    expect([secondary(a), secondary(b)]).toEqual([[], [FLOATING, '10.0.0.51', '10.0.0.60']]);
  });

  test('does not move unless that is allowed', async () => {
    await expect(assign(b, { PrivateIpAddresses: ['10.0.0.60', FLOATING] })).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringContaining(`[${FLOATING}] is assigned to ${a}, but move is not allowed`),
      }),
    );
    expect(secondary(b)).toEqual([]);
  });

  test('does not move when it is the primary one', async () => {
    const { privateIpAddress } = record(a);
    await expect(
      assign(b, { PrivateIpAddresses: [FLOATING, privateIpAddress], AllowReassignment: true }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidParameterValue' }));
    expect([secondary(a), secondary(b)]).toEqual([[FLOATING, '10.0.0.51'], []]);
  });

  test('does not move to another subnet', async () => {
    const far = create({ SubnetId: lab.subnet(vpc, '10.0.9.0/24').subnetId });
    await expect(assign(far, { PrivateIpAddresses: [FLOATING], AllowReassignment: true })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidParameterValue' }),
    );
    expect(secondary(a)).toContain(FLOATING);
  });

  test('does not move where there is no place: all stays as it was', async () => {
    const [full] = lab.interfacesOf(lab.instance(subnet).instanceId);
    const moves = { PrivateIpAddresses: [FLOATING, '10.0.0.51'], AllowReassignment: true };
    await expect(assign(full?.networkInterfaceId ?? '', moves)).rejects.toThrow(
      expect.objectContaining({ code: 'PrivateIpAddressLimitExceeded' }),
    );
    expect(secondary(a)).toEqual([FLOATING, '10.0.0.51']);
  });

  test('that is here already stays, as EC2 has it', async () => {
    await assign(a, { PrivateIpAddresses: [FLOATING], AllowReassignment: true });
    expect(secondary(a)).toEqual([FLOATING, '10.0.0.51']);
  });
});

describe('an address goes', () => {
  const unassign = async (...PrivateIpAddresses: string[]) =>
    unassignPrivateIpAddresses(lab.ctx, { NetworkInterfaceId: a, PrivateIpAddresses });

  test('and can be given again', async () => {
    await assign(a, { PrivateIpAddresses: ['10.0.0.20', '10.0.0.21'] });
    await unassign('10.0.0.20');
    expect(secondary(a)).toEqual(['10.0.0.21']);
    await assign(b, { PrivateIpAddresses: ['10.0.0.20'] });
  });

  test('but the primary one stays, and one that is not there is named', async () => {
    await assign(a, { PrivateIpAddresses: ['10.0.0.20'] });
    for (const address of [record(a).privateIpAddress, '10.0.0.99'])
      await expect(unassign('10.0.0.20', address)).rejects.toThrow(
        expect.objectContaining({
          code: 'InvalidParameterValue',
          message: expect.stringContaining(`[${address}]`),
        }),
      );
    expect(secondary(a)).toEqual(['10.0.0.20']);
    await expect(unassign()).rejects.toThrow(expect.objectContaining({ code: 'MissingParameter' }));
  });
});

describe('IPv6 addresses', () => {
  const assign6 = async (request: object) =>
    assignIpv6Addresses(lab.ctx, { NetworkInterfaceId: a, ...request });

  test('come and go', async () => {
    const { AssignedIpv6Addresses = [] } = await assign6({ Ipv6AddressCount: 2 });
    expect(record(a).ipv6Addresses).toEqual(AssignedIpv6Addresses);
    const [first = ''] = AssignedIpv6Addresses;
    expect(
      await unassignIpv6Addresses(lab.ctx, { NetworkInterfaceId: a, Ipv6Addresses: [first.toUpperCase()] }),
    ).toMatchObject({ UnassignedIpv6Addresses: [first] });
    expect(record(a).ipv6Addresses).toEqual(AssignedIpv6Addresses.slice(1));
  });

  test.each([
    [{}, 'MissingParameter'],
    [{ Ipv6AddressCount: 1, Ipv6Addresses: ['::1'] }, 'InvalidParameterCombination'],
    [{ Ipv6Addresses: ['::1'] }, 'InvalidParameterValue'],
  ])('do not come by %j', async (request, code) => {
    await expect(assign6(request)).rejects.toThrow(expect.objectContaining({ code }));
  });

  test('cannot go when they are not there', async () => {
    await expect(
      unassignIpv6Addresses(lab.ctx, { NetworkInterfaceId: a, Ipv6Addresses: ['::1'] }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidParameterValue' }));
    await expect(unassignIpv6Addresses(lab.ctx, { NetworkInterfaceId: a })).rejects.toThrow(
      expect.objectContaining({ code: 'MissingParameter' }),
    );
  });
});
