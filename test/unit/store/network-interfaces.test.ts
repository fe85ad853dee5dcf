// The addresses of interfaces, which are in a VPC once, whoever has them.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type SubnetId, type VpcId } from '../../../src/core/ids.ts';
import { transact } from '../../../src/store/database.ts';
import {
  addressesIn,
  addressesOf,
  interfaceAt,
  networkInterfaces,
  type NetworkInterface,
} from '../../../src/store/network-interfaces.ts';
import { NetworkRecords, refusal } from '../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
let subnetId: SubnetId;
let first: NetworkInterface;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
  subnetId = await net.subnet(vpcId);
  first = net.networkInterface(subnetId, {
    privateIpAddress: '10.0.1.10',
    secondaryPrivateIpAddresses: ['10.0.1.11', '10.0.1.12'],
    ipv6Addresses: ['fd00::10'],
  });
});
afterEach(() => net[Symbol.dispose]());

const ownerOf = (address: string): string | undefined =>
  interfaceAt(net.db, vpcId, address)?.networkInterfaceId;
const held = (): readonly string[] => [...addressesIn(net.db, subnetId)].toSorted();

/** What a refused change must leave as it was. */
const everything = (): unknown => [
  networkInterfaces.list(net.db),
  net.db.prepare('SELECT * FROM interface_addresses ORDER BY address').all(),
];

test('what is taken is named: the MAC address, or the place in the instance', async () => {
  const { instanceId } = net.instance(subnetId).instance;
  const attachment = {
    attachmentId: newId('networkInterfaceAttachment'),
    instanceId,
    deviceIndex: 1,
    attachTime: new Date(0).toISOString(),
    deleteOnTermination: true,
  };
  const { macAddress } = first;
  expect(() => net.networkInterface(subnetId, { privateIpAddress: '10.0.1.30', macAddress })).toThrow(
    refusal('InvalidParameterValue', macAddress),
  );
  networkInterfaces.update(net.db, { ...first, attachment });
  expect(() => net.networkInterface(subnetId, { privateIpAddress: '10.0.1.30', attachment })).toThrow(
    refusal('InvalidParameterValue', 'device index 1'),
  );
});

describe('the addresses of an interface', () => {
  test('are all of them, the primary one first', () => {
    expect(addressesOf(first)).toEqual(['10.0.1.10', '10.0.1.11', '10.0.1.12', 'fd00::10']);
    expect(held()).toEqual(addressesOf(first));
  });

  test('each lead to it', () => {
    for (const address of addressesOf(first)) expect(ownerOf(address)).toBe(first.networkInterfaceId);
    expect(interfaceAt(net.db, vpcId, '10.0.1.12')).toEqual(first);
    expect(ownerOf('10.0.1.13')).toBeUndefined();
  });

  test('follow it when they change, and what it gave up is free', () => {
    const changed = {
      ...first,
      privateIpAddress: '10.0.1.20',
      secondaryPrivateIpAddresses: ['10.0.1.12'],
      ipv6Addresses: [],
    };
    networkInterfaces.update(net.db, changed);
    expect(held()).toEqual(['10.0.1.12', '10.0.1.20']);
    expect(interfaceAt(net.db, vpcId, '10.0.1.20')).toEqual(changed);
    const other = net.networkInterface(subnetId, { privateIpAddress: '10.0.1.10' });
    expect(ownerOf('10.0.1.10')).toBe(other.networkInterfaceId);
  });

  test('may change places', () => {
    networkInterfaces.update(net.db, {
      ...first,
      privateIpAddress: '10.0.1.11',
      secondaryPrivateIpAddresses: ['10.0.1.10', '10.0.1.12'],
    });
    expect(held()).toEqual(addressesOf(first));
  });

  test('go with it', () => {
    networkInterfaces.remove(net.db, first.networkInterfaceId);
    expect(held()).toEqual([]);
    expect(ownerOf('10.0.1.10')).toBeUndefined();
  });

  test('are of one VPC: another has the same', async () => {
    const otherVpc = await net.vpc('10.0.0.0/16');
    const other = net.networkInterface(await net.subnet(otherVpc), { privateIpAddress: '10.0.1.10' });
    expect(interfaceAt(net.db, otherVpc, '10.0.1.10')).toEqual(other);
    expect(ownerOf('10.0.1.10')).toBe(first.networkInterfaceId);
    expect(held()).toEqual(addressesOf(first));
  });
});

describe('an address that somebody has', () => {
  test.each([
    ['a primary one', { privateIpAddress: '10.0.1.10' }, '10.0.1.10'],
    ['of another subnet', { privateIpAddress: '10.0.2.10' }, '10.0.2.10'],
    ['a secondary one', { privateIpAddress: '10.0.1.12' }, '10.0.1.12'],
    ['among secondary ones', { secondaryPrivateIpAddresses: ['10.0.1.40', '10.0.1.10'] }, '10.0.1.10'],
    ['of IPv6', { ipv6Addresses: ['fd00::10'] }, 'fd00::10'],
    ['its own, twice', { secondaryPrivateIpAddresses: ['10.0.1.30'] }, '10.0.1.30'],
  ])('is refused: %s', async (_which, fields, address) => {
    const otherSubnet = await net.subnet(vpcId, '10.0.2.0/24');
    net.networkInterface(otherSubnet, { privateIpAddress: '10.0.2.10' });
    const before = everything();
    const insert = (): unknown =>
      transact(net.db, () => net.networkInterface(subnetId, { privateIpAddress: '10.0.1.30', ...fields }));
    expect(insert).toThrow(refusal('InvalidIPAddress.InUse', `The address ${address} is in use`));
    expect(everything()).toEqual(before);

    const other = net.networkInterface(subnetId, { privateIpAddress: '10.0.1.30' });
    const between = everything();
    const update = (): unknown =>
      transact(net.db, () => networkInterfaces.update(net.db, { ...other, ...fields }));
    expect(update).toThrow(refusal('InvalidIPAddress.InUse', address));
    expect(everything()).toEqual(between);
  });

  test('is refused to the other of two writers, and the first one keeps it', () => {
    const other = net.networkInterface(subnetId, { privateIpAddress: '10.0.1.30' });
    networkInterfaces.update(net.db, { ...first, secondaryPrivateIpAddresses: ['10.0.1.31'] });
    expect(() =>
      transact(net.db, () =>
        networkInterfaces.update(net.db, { ...other, secondaryPrivateIpAddresses: ['10.0.1.31'] }),
      ),
    ).toThrow(refusal('InvalidIPAddress.InUse'));
    expect(ownerOf('10.0.1.31')).toBe(first.networkInterfaceId);
  });
});

describe('an interface', () => {
  test('that is not recorded cannot be changed', () => {
    const missing = { ...first, networkInterfaceId: newId('networkInterface') };
    expect(() => transact(net.db, () => networkInterfaces.update(net.db, missing))).toThrow(
      expect.objectContaining({ code: 'RecordMissing' }),
    );
    expect(ownerOf('10.0.1.10')).toBe(first.networkInterfaceId);
  });

  test('has a device index of its instance alone, and the error names both', () => {
    const { instance } = net.instance(subnetId);
    const attachment = net.attachment(instance, 0);
    expect(() => transact(net.db, () => networkInterfaces.update(net.db, { ...first, attachment }))).toThrow(
      refusal(
        'InvalidParameterValue',
        `The instance '${instance.instanceId}' already has an interface at device index 0`,
      ),
    );
    expect(networkInterfaces.get(net.db, first.networkInterfaceId)).toEqual(first);
    networkInterfaces.update(net.db, { ...first, attachment: net.attachment(instance, 1) });
    expect(networkInterfaces.listBy(net.db, 'instance_id', instance.instanceId)).toHaveLength(2);
  });
});
