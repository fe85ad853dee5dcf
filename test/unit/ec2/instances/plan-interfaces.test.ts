import type { InstanceNetworkInterfaceSpecification } from '@aws-sdk/client-ec2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type SubnetId, type VpcId } from '../../../../src/core/ids.ts';
import { findInstanceType } from '../../../../src/ec2/instance-types/instance-types.ts';
import { planInterfaces } from '../../../../src/ec2/instances/plan-interfaces.ts';
import type { RunInstancesInput } from '../../../../src/ec2/instances/plan-launch.ts';
import { recordInterfaces } from '../../../../src/ec2/instances/record-interfaces.ts';
import { createSecurityGroup } from '../../../../src/ec2/security-groups/create-security-group.ts';
import { createSubnet } from '../../../../src/ec2/subnets/create-subnet.ts';
import { modifySubnetAttribute } from '../../../../src/ec2/subnets/modify-subnet-attribute.ts';
import { transact } from '../../../../src/store/database.ts';
import { instances } from '../../../../src/store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import { vpcs } from '../../../../src/store/vpcs.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
let main: SubnetId;
let side: SubnetId;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc('10.0.0.0/16', { ipv6: true });
  main = await net.subnet(vpcId, '10.0.1.0/24');
  side = await net.subnet(vpcId, '10.0.2.0/24', net.ipv6Block(vpcId));
});
afterEach(() => net[Symbol.dispose]());

type Planned = Awaited<ReturnType<typeof planInterfaces>>;

async function plan(request: RunInstancesInput, { type = 't3.medium', count = 1 } = {}): Promise<Planned> {
  return planInterfaces(net.ctx, request, { type: findInstanceType(type), count });
}

async function planAll(
  NetworkInterfaces: InstanceNetworkInterfaceSpecification[],
  options: { readonly type?: string; readonly count?: number } = {},
): Promise<Planned> {
  return plan({ NetworkInterfaces }, options);
}

/** Plans and records, as a launch does; the interfaces by their device indexes. */
async function launched(request: RunInstancesInput, instanceType = 't3.medium'): Promise<NetworkInterface[]> {
  const planned = await plan(request, { type: instanceType });
  const { instance: other } = net.instance(main);
  const instance = { ...other, instanceId: newId('instance'), instanceType };
  transact(net.db, () => {
    instances.insert(net.db, instance);
    recordInterfaces(net.db, instance, { planned, tags: { Project: 'x' } });
  });
  return networkInterfaces
    .listBy(net.db, 'instance_id', instance.instanceId)
    .toSorted((a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0));
}

describe('an instance-level request', () => {
  test('gives one interface in the subnet, in the default group of its VPC', async () => {
    const [only, ...others] = await launched({ SubnetId: main });
    expect(others).toEqual([]);
    expect(only).toMatchObject({
      subnetId: main,
      vpcId,
      attachment: { deviceIndex: 0, deleteOnTermination: true },
    });
    expect(only?.securityGroupIds).toHaveLength(1);
    expect(tagsOf(net.db, only?.networkInterfaceId ?? '')).toEqual({ Project: 'x' });
  });

  test('leaves the default VPC unmade when it names a subnet', async () => {
    await plan({ SubnetId: main });
    expect(vpcs.listBy(net.db, 'is_default', 1)).toEqual([]);
    const [{ subnet }] = await plan({});
    expect(vpcs.listBy(net.db, 'is_default', 1).map((each) => each.vpcId)).toEqual([subnet.vpcId]);
  });

  test('may name its private address and count IPv6 addresses', async () => {
    const [only] = await launched({ SubnetId: side, PrivateIpAddress: '10.0.2.77', Ipv6AddressCount: 2 });
    expect(only?.privateIpAddress).toBe('10.0.2.77');
    expect(only?.ipv6Addresses).toHaveLength(2);
  });

  test('has an IPv6 address where the subnet gives one', async () => {
    modifySubnetAttribute(net.ctx, { SubnetId: side, AssignIpv6AddressOnCreation: { Value: true } });
    expect((await launched({ SubnetId: side }))[0]?.ipv6Addresses).toHaveLength(1);
    expect((await launched({ SubnetId: side, Ipv6AddressCount: 0 }))[0]?.ipv6Addresses).toEqual([]);
  });

  test('names groups of the VPC of its subnet only', async () => {
    const elsewhere = await net.vpc('10.9.0.0/16');
    const { GroupId = '' } = await createSecurityGroup(net.ctx, {
      GroupName: 'web',
      Description: 'x',
      VpcId: elsewhere,
    });
    await expect(plan({ SubnetId: main, SecurityGroupIds: [GroupId] })).rejects.toThrow(
      refusal('InvalidGroup.NotFound', 'different networks'),
    );
  });

  test('cannot give one address to several instances', async () => {
    await expect(plan({ SubnetId: main, PrivateIpAddress: '10.0.1.9' }, { count: 2 })).rejects.toThrow(
      refusal('InvalidParameterCombination', 'one instance only'),
    );
    await expect(plan({ SubnetId: main }, { count: 2 })).resolves.toHaveLength(1);
  });
});

describe('described interfaces', () => {
  test('are ordered by device index and have their own subnets, groups, addresses and descriptions', async () => {
    const group = await createSecurityGroup(net.ctx, { GroupName: 'web', Description: 'x', VpcId: vpcId });
    const [primary, second] = await launched({
      NetworkInterfaces: [
        {
          DeviceIndex: 3,
          SubnetId: side,
          Groups: [group.GroupId ?? ''],
          Description: 'back',
          DeleteOnTermination: false,
        },
        {
          DeviceIndex: 0,
          SubnetId: main,
          PrivateIpAddresses: [
            { PrivateIpAddress: '10.0.1.10', Primary: true },
            { PrivateIpAddress: '10.0.1.11' },
          ],
        },
      ],
    });
    expect(primary).toMatchObject({
      privateIpAddress: '10.0.1.10',
      secondaryPrivateIpAddresses: ['10.0.1.11'],
    });
    expect(second).toMatchObject({
      subnetId: side,
      description: 'back',
      securityGroupIds: [group.GroupId],
      attachment: { deviceIndex: 3, deleteOnTermination: false },
    });
  });

  test('that are there already keep what they have and outlive the instance', async () => {
    const present = net.networkInterface(main, { description: 'mine', ipv6Addresses: [] });
    const [only] = await launched({
      NetworkInterfaces: [{ DeviceIndex: 0, NetworkInterfaceId: present.networkInterfaceId }],
    });
    expect(only).toMatchObject({ ...present, attachment: { deviceIndex: 0, deleteOnTermination: false } });
    expect(tagsOf(net.db, present.networkInterfaceId)).toEqual({});
  });

  test('may be counted in secondary addresses up to what the type has places for', async () => {
    const NetworkInterfaces = [{ DeviceIndex: 0, SubnetId: main, SecondaryPrivateIpAddressCount: 1 }];
    const [only] = await launched({ NetworkInterfaces }, 't3.micro');
    expect(only?.secondaryPrivateIpAddresses).toHaveLength(1);
    const more = [{ DeviceIndex: 0, SubnetId: main, SecondaryPrivateIpAddressCount: 2 }];
    await expect(launched({ NetworkInterfaces: more }, 't3.micro')).rejects.toThrow(
      refusal('PrivateIpAddressLimitExceeded'),
    );
  });

  test.each<[string, RunInstancesInput, string]>([
    ['a subnet', { SubnetId: 'subnet-00000000' }, 'instance-level subnet ID'],
    ['groups', { SecurityGroupIds: ['default'] }, 'instance-level security groups'],
    ['group names', { SecurityGroups: ['default'] }, 'instance-level security groups'],
    ['an address', { PrivateIpAddress: '10.0.1.9' }, 'instance-level private address'],
    ['IPv6 addresses', { Ipv6AddressCount: 1 }, 'instance-level IPv6 addresses'],
  ])('exclude %s at instance level', async (_what, request, sentence) => {
    const NetworkInterfaces = [{ DeviceIndex: 0, SubnetId: main }];
    await expect(plan({ NetworkInterfaces, ...request })).rejects.toThrow(
      refusal('InvalidParameterCombination', sentence),
    );
  });

  test.each<[string, InstanceNetworkInterfaceSpecification]>([
    ['subnet', { SubnetId: 'subnet-00000000' }],
    ['set of security groups', { Groups: ['default'] }],
    ['private address', { PrivateIpAddress: '10.0.1.9' }],
    ['private address', { SecondaryPrivateIpAddressCount: 1 }],
    ['set of IPv6 addresses', { Ipv6AddressCount: 1 }],
    ['description', { Description: 'x' }],
  ])('cannot be given a %s when they are there already', async (what, more) => {
    const { networkInterfaceId: NetworkInterfaceId } = net.networkInterface(main);
    await expect(planAll([{ DeviceIndex: 0, NetworkInterfaceId, ...more }])).rejects.toThrow(
      refusal('InvalidParameterCombination', `both a network interface ID and a ${what}`),
    );
  });

  test('need a device index each, one of them 0, none of them twice', async () => {
    await expect(planAll([{ SubnetId: main }])).rejects.toThrow(
      refusal('InvalidParameterValue', 'requires a device index'),
    );
    await expect(planAll([{ DeviceIndex: 1, SubnetId: main }])).rejects.toThrow(
      refusal('InvalidParameterCombination', 'device index 0'),
    );
    await expect(planAll([{ DeviceIndex: -1, SubnetId: main }])).rejects.toThrow(
      refusal('InvalidParameterValue'),
    );
    await expect(
      planAll([
        { DeviceIndex: 0, SubnetId: main },
        { DeviceIndex: 1, SubnetId: main },
        { DeviceIndex: 1, SubnetId: side },
      ]),
    ).rejects.toThrow(refusal('InvalidParameterValue', 'more than one'));
  });

  test('that an instance has, or a NAT gateway, or nobody, are refused', async () => {
    const { networkInterface } = net.instance(main);
    const gateway = net.networkInterface(main, { interfaceType: 'nat_gateway' });
    for (const [NetworkInterfaceId, code] of [
      [networkInterface.networkInterfaceId, 'InvalidNetworkInterface.InUse'],
      [gateway.networkInterfaceId, 'AuthFailure'],
      [newId('networkInterface'), 'InvalidNetworkInterfaceID.NotFound'],
      ['eni-?', 'InvalidNetworkInterfaceId.Malformed'],
    ] as const)
      await expect(planAll([{ DeviceIndex: 0, NetworkInterfaceId }])).rejects.toThrow(refusal(code));
  });

  test('cannot be one twice, nor one for several instances', async () => {
    const { networkInterfaceId: NetworkInterfaceId } = net.networkInterface(main);
    await expect(
      planAll([
        { DeviceIndex: 0, NetworkInterfaceId },
        { DeviceIndex: 1, NetworkInterfaceId },
      ]),
    ).rejects.toThrow(refusal('InvalidNetworkInterface.InUse', 'twice'));
    await expect(planAll([{ DeviceIndex: 0, NetworkInterfaceId }], { count: 2 })).rejects.toThrow(
      refusal('InvalidParameterCombination', 'one instance only'),
    );
  });

  test('are in one VPC and one zone', async () => {
    const elsewhere = await net.subnet(await net.vpc('10.9.0.0/16'), '10.9.1.0/24');
    const { Subnet: far } = await createSubnet(net.ctx, {
      VpcId: vpcId,
      CidrBlock: '10.0.3.0/24',
      AvailabilityZone: 'us-east-1b',
    });
    for (const [SubnetId, what] of [
      [elsewhere, 'same VPC'],
      [far?.SubnetId ?? '', 'same availability zone'],
    ] as const)
      await expect(
        planAll([
          { DeviceIndex: 0, SubnetId: main },
          { DeviceIndex: 1, SubnetId },
        ]),
      ).rejects.toThrow(refusal('InvalidParameterCombination', what));
  });

  test('are no more than the type has', async () => {
    const three = [0, 1, 2].map((DeviceIndex) => ({ DeviceIndex, SubnetId: main }));
    await expect(planAll(three, { type: 't3.micro' })).rejects.toThrow(
      refusal('AttachmentLimitExceeded', 'Interface count 3 exceeds the limit for t3.micro'),
    );
    await expect(planAll(three, { type: 't3.medium' })).resolves.toHaveLength(3);
  });

  test.each<[InstanceNetworkInterfaceSpecification, string]>([
    [{ InterfaceType: 'efa' }, 'UnsupportedOperation'],
    [{ Ipv4PrefixCount: 1 }, 'UnsupportedOperation'],
    [{ AssociatePublicIpAddress: true }, 'UnsupportedOperation'],
    [{ NetworkCardIndex: 1 }, 'InvalidParameterValue'],
    [{ Description: 'a\nb' }, 'InvalidParameterValue'],
  ])('with %j are refused', async (more, code) => {
    await expect(planAll([{ DeviceIndex: 0, SubnetId: main, ...more }])).rejects.toThrow(refusal(code));
  });
});

test('what was taken between plan and record is refused, and nothing is recorded', async () => {
  const present = net.networkInterface(main);
  const planned = await planAll([
    { DeviceIndex: 0, SubnetId: main },
    { DeviceIndex: 1, NetworkInterfaceId: present.networkInterfaceId },
  ]);
  const { instance } = net.instance(main);
  networkInterfaces.update(net.db, { ...present, attachment: net.attachment(instance, 1) });
  const before = networkInterfaces.list(net.db);
  const launching = { ...instance, instanceId: newId('instance') };
  expect(() =>
    transact(net.db, () => {
      instances.insert(net.db, launching);
      recordInterfaces(net.db, launching, { planned, tags: {} });
    }),
  ).toThrow(refusal('InvalidNetworkInterface.InUse'));
  expect(networkInterfaces.list(net.db)).toEqual(before);
});
