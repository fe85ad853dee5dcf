// Interfaces as records: what they are made with, shown with, changed and removed.
import { beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { createNetworkInterface } from '../../../../src/ec2/network-interfaces/create-network-interface.ts';
import { deleteNetworkInterface } from '../../../../src/ec2/network-interfaces/delete-network-interface.ts';
import { describeNetworkInterfaceAttribute } from '../../../../src/ec2/network-interfaces/describe-network-interface-attribute.ts';
import { describeNetworkInterfaces } from '../../../../src/ec2/network-interfaces/describe-network-interfaces.ts';
import { modifyNetworkInterfaceAttribute } from '../../../../src/ec2/network-interfaces/modify-network-interface-attribute.ts';
import { addresses } from '../../../../src/store/addresses.ts';
import { describeInstances } from '../../../../src/ec2/instances/describe-instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
let vpc: Vpc;
let subnet: Subnet;
beforeEach(() => {
  vpc = lab.vpc('10.0.0.0/16', { ipv6: true });
  subnet = lab.subnet(vpc, '10.0.0.0/24');
});

const create = (request: object = {}) =>
  createNetworkInterface(lab.ctx, { SubnetId: subnet.subnetId, ...request }).NetworkInterface ?? {};

/** As a NAT gateway has one. */
function managed(): string {
  const { NetworkInterfaceId = '' } = create();
  const record = networkInterfaces.get(lab.ctx.db, NetworkInterfaceId);
  if (record) networkInterfaces.update(lab.ctx.db, { ...record, interfaceType: 'nat_gateway' });
  return NetworkInterfaceId;
}

function elastic(networkInterfaceId: string, privateIpAddress: string, publicIp = '203.0.113.1'): string {
  const allocationId = newId('address');
  addresses.insert(lab.ctx.db, {
    allocationId,
    publicIp,
    carrierIp: publicIp,
    reach: 'host',
    association: {
      associationId: newId('addressAssociation'),
      networkInterfaceId: networkInterfaceId as `eni-${string}`,
      privateIpAddress,
    },
  });
  return allocationId;
}

describe('a new interface', () => {
  test('has the next free address and the default group, and is available', () => {
    const made = create({
      Description: 'a test',
      TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: 'Name', Value: 'extra' }] }],
    });
    expect(made).toEqual({
      NetworkInterfaceId: expect.stringMatching(/^eni-[0-9a-f]{17}$/),
      VpcId: vpc.vpcId,
      SubnetId: subnet.subnetId,
      AvailabilityZone: 'us-east-1a',
      Description: 'a test',
      OwnerId: lab.ctx.ownerId,
      RequesterManaged: false,
      MacAddress: expect.stringMatching(/^02(:[0-9a-f]{2}){5}$/),
      PrivateIpAddress: '10.0.0.4',
      PrivateDnsName: 'ip-10-0-0-4.ec2.internal',
      PrivateIpAddresses: [
        { Primary: true, PrivateIpAddress: '10.0.0.4', PrivateDnsName: 'ip-10-0-0-4.ec2.internal' },
      ],
      Ipv6Addresses: [],
      Groups: [{ GroupId: lab.defaultGroup(vpc).groupId, GroupName: 'default' }],
      InterfaceType: 'interface',
      SourceDestCheck: true,
      Status: 'available',
      TagSet: [{ Key: 'Name', Value: 'extra' }],
    });
  });

  const listed = ({ PrivateIpAddresses = [] }: ReturnType<typeof create>): unknown[] =>
    PrivateIpAddresses.map(({ PrivateIpAddress }) => PrivateIpAddress);

  test.each([
    [{ PrivateIpAddress: '10.0.0.9' }, ['10.0.0.9']],
    [{ SecondaryPrivateIpAddressCount: 2 }, ['10.0.0.4', '10.0.0.5', '10.0.0.6']],
    [
      { PrivateIpAddress: '10.0.0.9', PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.4' }] },
      ['10.0.0.9', '10.0.0.4'],
    ],
    [{ PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.4' }] }, ['10.0.0.5', '10.0.0.4']],
    [
      {
        PrivateIpAddresses: [
          { PrivateIpAddress: '10.0.0.7' },
          { PrivateIpAddress: '10.0.0.8', Primary: true },
        ],
      },
      ['10.0.0.8', '10.0.0.7'],
    ],
    [
      {
        PrivateIpAddress: '10.0.0.8',
        PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.8', Primary: true }],
        SecondaryPrivateIpAddressCount: 1,
      },
      ['10.0.0.8', '10.0.0.4'],
    ],
  ])('by %j has %j', (request, expected) => {
    expect(listed(create(request))).toEqual(expected);
  });

  test('has IPv6 addresses when they are wanted, or its subnet gives one', () => {
    expect(create({ Ipv6AddressCount: 2 }).Ipv6Addresses).toHaveLength(2);
    const named = (subnet.ipv6?.cidrBlock ?? '').replace('/64', 'abc');
    expect(create({ Ipv6Addresses: [{ Ipv6Address: named }] }).Ipv6Address).toBe(named);
    const giving = lab.subnet(vpc, '10.0.1.0/24', { assignIpv6: true });
    expect(create({ SubnetId: giving.subnetId }).Ipv6Addresses).toHaveLength(1);
    expect(create({ SubnetId: giving.subnetId, Ipv6AddressCount: 0 }).Ipv6Addresses).toEqual([]);
  });

  test.each([
    [{ SubnetId: undefined }, 'MissingParameter'],
    [{ SubnetId: 'subnet-0123456789abcdef0' }, 'InvalidSubnetID.NotFound'],
    [{ PrivateIpAddress: '10.0.0.3' }, 'InvalidParameterValue'],
    [{ PrivateIpAddress: '10.0.1.4' }, 'InvalidParameterValue'],
    [
      { PrivateIpAddress: '10.0.0.9', PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.8', Primary: true }] },
      'InvalidParameterValue',
    ],
    [
      { PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.8' }], SecondaryPrivateIpAddressCount: 1 },
      'InvalidParameterCombination',
    ],
    [{ PrivateIpAddresses: [{}] }, 'MissingParameter'],
    [{ SecondaryPrivateIpAddressCount: -1 }, 'InvalidParameterValue'],
    [{ SecondaryPrivateIpAddressCount: 50 }, 'PrivateIpAddressLimitExceeded'],
    [{ SecondaryPrivateIpAddressCount: 1e9 }, 'InvalidParameterValue'],
    [{ Ipv6AddressCount: 1, Ipv6Addresses: [{ Ipv6Address: '::1' }] }, 'InvalidParameterCombination'],
    [{ Groups: ['sg-0123456789abcdef0'] }, 'InvalidGroup.NotFound'],
    [{ InterfaceType: 'efa' }, 'UnsupportedOperation'],
    [{ Ipv4PrefixCount: 1 }, 'UnsupportedOperation'],
    [{ Description: 'a\u0007b' }, 'InvalidParameterValue'],
    [{ TagSpecifications: [{ ResourceType: 'vpc', Tags: [] }] }, 'InvalidParameterValue'],
    [{ DryRun: true }, 'DryRunOperation'],
  ])('cannot be %j', (request, code) => {
    expect(() => create(request)).toThrow(expect.objectContaining({ code }));
    expect(networkInterfaces.list(lab.ctx.db)).toEqual([]);
  });

  test('cannot have an address that somebody has', () => {
    create({ PrivateIpAddress: '10.0.0.9' });
    expect(() => create({ PrivateIpAddress: '10.0.0.9' })).toThrow(
      expect.objectContaining({ code: 'InvalidIPAddress.InUse' }),
    );
  });

  test('cannot be in another VPC’s group', () => {
    const { groupId } = lab.group(lab.vpc('10.1.0.0/16'), 'elsewhere');
    expect(() => create({ Groups: [groupId] })).toThrow(
      expect.objectContaining({ code: 'InvalidGroup.NotFound' }),
    );
  });
});

describe('interfaces are shown', () => {
  test('with what has them, and what stands for their addresses', () => {
    const { instanceId } = lab.instance(subnet);
    const { networkInterfaceId, privateIpAddress, attachment } = lab.interfacesOf(
      instanceId,
    )[0] as NetworkInterface;
    const AllocationId = elastic(networkInterfaceId, privateIpAddress);
    const [shown] =
      describeNetworkInterfaces(lab.ctx, { NetworkInterfaceIds: [networkInterfaceId] }).NetworkInterfaces ??
      [];
    const Association = {
      AllocationId,
      AssociationId: expect.stringMatching(/^eipassoc-/),
      IpOwnerId: lab.ctx.ownerId,
      PublicDnsName: '',
      PublicIp: '203.0.113.1',
    };
    expect(shown).toMatchObject({
      Status: 'in-use',
      Association,
      PrivateIpAddresses: [{ Primary: true, Association }],
      Attachment: {
        AttachmentId: attachment?.attachmentId,
        InstanceId: instanceId,
        InstanceOwnerId: lab.ctx.ownerId,
        DeviceIndex: 0,
        NetworkCardIndex: 0,
        AttachTime: new Date(attachment?.attachTime ?? ''),
        DeleteOnTermination: true,
        Status: 'attached',
      },
    });
  });

  test('as a NAT gateway’s own', () => {
    const id = managed();
    const [shown] = describeNetworkInterfaces(lab.ctx, { NetworkInterfaceIds: [id] }).NetworkInterfaces ?? [];
    expect(shown).toMatchObject({ InterfaceType: 'nat_gateway', RequesterManaged: true, Status: 'in-use' });
    expect(shown?.Attachment).toBeUndefined();
  });

  test.each([
    ['addresses.private-ip-address', '10.0.0.5', 1],
    ['addresses.primary', 'false', 1],
    ['addresses.association.public-ip', '203.0.113.1', 1],
    ['association.public-ip', '203.0.113.1', 1],
    ['attachment.instance-id', 'i-*', 1],
    ['attachment.device-index', '0', 1],
    ['attachment.status', 'attached', 1],
    ['availability-zone', 'us-east-1a', 2],
    ['description', 'a test', 1],
    ['group-name', 'default', 2],
    ['interface-type', 'interface', 2],
    ['private-dns-name', 'ip-10-0-0-4*', 1],
    ['private-ip-address', '10.0.0.4', 1],
    ['requester-managed', 'false', 2],
    ['source-dest-check', 'true', 2],
    ['status', 'available', 1],
    ['subnet-id', 'subnet-*', 2],
    ['tag:Name', 'extra', 1],
    ['tag-key', 'Name', 1],
    ['vpc-id', 'vpc-0', 0],
  ])('by the filter %s=%s: %d', (Name, value, count) => {
    const { NetworkInterfaceId = '' } = create({
      SecondaryPrivateIpAddressCount: 1,
      Description: 'a test',
      TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: 'Name', Value: 'extra' }] }],
    });
    elastic(NetworkInterfaceId, '10.0.0.4');
    lab.instance(subnet);
    const { NetworkInterfaces } = describeNetworkInterfaces(lab.ctx, {
      Filters: [{ Name, Values: [value] }],
    });
    expect(NetworkInterfaces).toHaveLength(count);
  });

  test.each([
    ['eni-0123456789abcdef0', 'InvalidNetworkInterfaceID.NotFound'],
    ['x', 'InvalidNetworkInterfaceId.Malformed'],
  ])('not as %s', (id, code) => {
    expect(() => describeNetworkInterfaces(lab.ctx, { NetworkInterfaceIds: [id] })).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

describe('an attribute', () => {
  const modify = async (NetworkInterfaceId: string | undefined, change: object) =>
    modifyNetworkInterfaceAttribute(lab.ctx, { NetworkInterfaceId, ...change });
  const read = (NetworkInterfaceId: string | undefined, Attribute: string) =>
    describeNetworkInterfaceAttribute(lab.ctx, { NetworkInterfaceId, Attribute: Attribute as 'description' });

  test('is read and changed', async () => {
    const { NetworkInterfaceId } = create();
    const web = lab.group(vpc, 'web');
    await modify(NetworkInterfaceId, { Description: { Value: 'new' } });
    await modify(NetworkInterfaceId, { SourceDestCheck: { Value: false } });
    await modify(NetworkInterfaceId, { Groups: [web.groupId] });
    expect(read(NetworkInterfaceId, 'description')).toEqual({
      NetworkInterfaceId,
      Description: { Value: 'new' },
    });
    expect(read(NetworkInterfaceId, 'sourceDestCheck').SourceDestCheck).toEqual({ Value: false });
    expect(read(NetworkInterfaceId, 'groupSet').Groups).toEqual([{ GroupId: web.groupId, GroupName: 'web' }]);
    expect(read(NetworkInterfaceId, 'attachment')).toEqual({ NetworkInterfaceId });
    expect(() => read(NetworkInterfaceId, 'constructor')).toThrow(
      expect.objectContaining({ code: 'InvalidParameterValue' }),
    );
  });

  test('of the attachment is changed by its id', async () => {
    const [primary] = lab.interfacesOf(lab.instance(subnet).instanceId);
    const AttachmentId = primary?.attachment?.attachmentId;
    await modify(primary?.networkInterfaceId, { Attachment: { AttachmentId, DeleteOnTermination: false } });
    expect(read(primary?.networkInterfaceId, 'attachment').Attachment).toMatchObject({
      AttachmentId,
      DeleteOnTermination: false,
    });
    const wrong = { AttachmentId: 'eni-attach-0123456789abcdef0', DeleteOnTermination: true };
    await expect(modify(primary?.networkInterfaceId, { Attachment: wrong })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidAttachmentID.NotFound' }),
    );
  });

  test('of a primary interface, its groups, are the instance’s own', async () => {
    const { instanceId } = lab.instance(subnet);
    const [primary] = lab.interfacesOf(instanceId);
    const web = lab.group(vpc, 'web');
    await modify(primary?.networkInterfaceId, { Groups: ['web'] });
    expect(lab.interfacesOf(instanceId)[0]?.securityGroupIds).toEqual([web.groupId]);
    const { Reservations: [made] = [] } = await describeInstances(lab.ctx, { InstanceIds: [instanceId] });
    expect(made?.Instances?.[0]?.SecurityGroups).toEqual([{ GroupId: web.groupId, GroupName: 'web' }]);
  });

  test.each([
    [{}, 'MissingParameter'],
    [{ Description: { Value: 'x' }, SourceDestCheck: { Value: false } }, 'InvalidParameterCombination'],
    [{ Groups: [] }, 'InvalidParameterValue'],
    [{ Groups: ['nothing'] }, 'InvalidGroup.NotFound'],
    [{ Description: { Value: 'x'.repeat(256) } }, 'InvalidParameterValue'],
    [{ Description: { Value: 'x' }, DryRun: true }, 'DryRunOperation'],
  ])('does not change by %j', async (change, code) => {
    const { NetworkInterfaceId = '' } = create();
    const before = networkInterfaces.get(lab.ctx.db, NetworkInterfaceId);
    await expect(modify(NetworkInterfaceId, change)).rejects.toThrow(expect.objectContaining({ code }));
    expect(networkInterfaces.get(lab.ctx.db, NetworkInterfaceId)).toEqual(before);
  });

  test('of a NAT gateway’s interface is the gateway’s', async () => {
    await expect(modify(managed(), { SourceDestCheck: { Value: true } })).rejects.toThrow(
      expect.objectContaining({ code: 'AuthFailure' }),
    );
  });
});

describe('an interface is removed', () => {
  const remove = async (NetworkInterfaceId: string | undefined) =>
    deleteNetworkInterface(lab.ctx, { NetworkInterfaceId });

  test('with its tags and addresses; its elastic address stays allocated', async () => {
    const { NetworkInterfaceId = '', PrivateIpAddress = '' } = create({
      TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: 'a', Value: 'b' }] }],
    });
    const allocationId = elastic(NetworkInterfaceId, PrivateIpAddress);
    await remove(NetworkInterfaceId);
    expect(addresses.get(lab.ctx.db, allocationId)?.association).toBeNull();
    expect(tagsOf(lab.ctx.db, NetworkInterfaceId)).toEqual({});
    expect(create().PrivateIpAddress).toBe(PrivateIpAddress);
  });

  test('not while an instance has it, which the error names', async () => {
    const { instanceId } = lab.instance(subnet);
    await expect(remove(lab.interfacesOf(instanceId)[0]?.networkInterfaceId)).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringMatching(`is currently in use: ${instanceId}`),
      }),
    );
  });

  test('not when it is a NAT gateway’s', async () => {
    await expect(remove(managed())).rejects.toThrow(expect.objectContaining({ code: 'AuthFailure' }));
  });

  test('not when there is none', async () => {
    await expect(remove('eni-0123456789abcdef0')).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidNetworkInterfaceID.NotFound' }),
    );
  });
});
