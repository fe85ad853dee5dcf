import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type SubnetId } from '../../../../src/core/ids.ts';
import { ec2Instance } from '../../../../src/ec2/instances/ec2-instance.ts';
import { INSTANCE_FILTERS } from '../../../../src/ec2/instances/instance-filters.ts';
import { filterTests } from '../../../../src/ec2/filters.ts';
import { createSecurityGroup } from '../../../../src/ec2/security-groups/create-security-group.ts';
import type { Instance } from '../../../../src/store/instances.ts';
import { instances } from '../../../../src/store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import { putTags } from '../../../../src/store/tags.ts';
import { NetworkRecords } from '../../../support/network-records.ts';

let net: NetworkRecords;
let subnet: SubnetId;
let instance: Instance;
let primary: NetworkInterface;
let second: NetworkInterface;
let groupId: string;
beforeEach(async () => {
  net = new NetworkRecords();
  const vpcId = await net.vpc('10.0.0.0/16', { ipv6: true });
  subnet = await net.subnet(vpcId, '10.0.1.0/24', net.ipv6Block(vpcId));
  const web = await createSecurityGroup(net.ctx, { GroupName: 'web', Description: 'x', VpcId: vpcId });
  groupId = web.GroupId ?? '';
  ({ instance, networkInterface: primary } = net.instance(subnet));
  primary = {
    ...primary,
    ipv6Addresses: [`${net.ipv6Block(vpcId).split('/')[0]}9`],
    securityGroupIds: [groupId as `sg-${string}`],
    sourceDestCheck: false,
  };
  networkInterfaces.update(net.db, primary);
  second = net.networkInterface(subnet, {
    attachment: net.attachment(instance, 1),
    secondaryPrivateIpAddresses: ['10.0.1.99'],
    description: 'back',
  });
  net.address('203.0.113.7', {
    associationId: newId('addressAssociation'),
    networkInterfaceId: primary.networkInterfaceId,
    privateIpAddress: primary.privateIpAddress,
  });
  net.address('203.0.113.8', {
    associationId: newId('addressAssociation'),
    networkInterfaceId: second.networkInterfaceId,
    privateIpAddress: '10.0.1.99',
  });
  putTags(net.db, instance.instanceId, { Name: 'web' });
});
afterEach(() => net[Symbol.dispose]());

describe('an instance as it is shown', () => {
  test('has what its primary interface has', () => {
    expect(ec2Instance(net.ctx, instance)).toMatchObject({
      PrivateIpAddress: primary.privateIpAddress,
      PublicIpAddress: '203.0.113.7',
      Ipv6Address: primary.ipv6Addresses[0],
      SourceDestCheck: false,
      SecurityGroups: [{ GroupId: groupId, GroupName: 'web' }],
      VpcId: instance.vpcId,
      SubnetId: subnet,
    });
  });

  test('has all its interfaces, by device index, with their public addresses', () => {
    const shown = ec2Instance(net.ctx, instance).NetworkInterfaces ?? [];
    expect(shown.map(({ Attachment }) => Attachment?.DeviceIndex)).toEqual([0, 1]);
    expect(shown[0]).toMatchObject({ Association: { PublicIp: '203.0.113.7' }, SourceDestCheck: false });
    expect(shown[1]).toMatchObject({
      NetworkInterfaceId: second.networkInterfaceId,
      Description: 'back',
      Status: 'in-use',
      SourceDestCheck: true,
      PrivateIpAddresses: [
        { Primary: true, PrivateIpAddress: second.privateIpAddress },
        { Primary: false, PrivateIpAddress: '10.0.1.99', Association: { PublicIp: '203.0.113.8' } },
      ],
    });
    expect(shown[1]?.Association).toBeUndefined();
  });

  test('has no network once it is terminated', () => {
    const gone: Instance = { ...instance, state: 'terminated' };
    instances.update(net.db, gone);
    const shown = ec2Instance(net.ctx, gone);
    expect(shown.NetworkInterfaces).toEqual([]);
    expect(shown.SecurityGroups).toEqual([]);
    for (const key of ['VpcId', 'SubnetId', 'PrivateIpAddress', 'PublicIpAddress', 'Ipv6Address'])
      expect(shown).not.toHaveProperty(key);
  });
});

describe('filters of instances', () => {
  const yes: readonly [string, () => string][] = [
    ['ip-address', () => '203.0.113.7'],
    ['ipv6-address', () => primary.ipv6Addresses[0] ?? ''],
    ['private-ip-address', () => primary.privateIpAddress],
    ['instance.group-id', () => groupId],
    ['instance.group-name', () => 'web'],
    ['vpc-id', () => instance.vpcId],
    ['subnet-id', () => subnet],
    ['source-dest-check', () => 'false'],
    ['network-interface.addresses.private-ip-address', () => '10.0.1.99'],
    ['network-interface.addresses.association.public-ip', () => '203.0.113.8'],
    ['network-interface.association.public-ip', () => '203.0.113.7'],
    ['network-interface.attachment.device-index', () => '1'],
    ['network-interface.description', () => 'ba*'],
    ['network-interface.group-name', () => 'w?b'],
    ['network-interface.mac-address', () => second.macAddress],
    ['network-interface.network-interface-id', () => second.networkInterfaceId],
    ['tag:Name', () => 'web'],
    ['tag-key', () => 'Name'],
  ];

  test.each(yes)('%s', (Name, value) => {
    const shown = { reservationId: instance.reservationId, shown: ec2Instance(net.ctx, instance) };
    const passes = (...Values: string[]): boolean =>
      filterTests([{ Name, Values }], INSTANCE_FILTERS).every((test) => test(shown));
    expect(passes(value())).toBe(true);
    expect(passes('nothing', value())).toBe(true);
    expect(passes('nothing')).toBe(false);
  });

  test('what an instance does not have matches nothing, not even everything', () => {
    const { instance: plain } = net.instance(subnet);
    const shown = { reservationId: plain.reservationId, shown: ec2Instance(net.ctx, plain) };
    const [test] = filterTests([{ Name: 'ip-address', Values: ['*'] }], INSTANCE_FILTERS);
    expect(test?.(shown)).toBe(false);
  });
});
