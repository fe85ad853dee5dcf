import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId, type SubnetId, type VpcId } from '../../../../src/core/ids.ts';
import { createNatGateway } from '../../../../src/ec2/nat-gateways/create-nat-gateway.ts';
import { associateSubnetCidrBlock } from '../../../../src/ec2/subnets/associate-subnet-cidr-block.ts';
import { createSubnet } from '../../../../src/ec2/subnets/create-subnet.ts';
import { deleteSubnet } from '../../../../src/ec2/subnets/delete-subnet.ts';
import { describeSubnets } from '../../../../src/ec2/subnets/describe-subnets.ts';
import { disassociateSubnetCidrBlock } from '../../../../src/ec2/subnets/disassociate-subnet-cidr-block.ts';
import { modifySubnetAttribute } from '../../../../src/ec2/subnets/modify-subnet-attribute.ts';
import { freeIpv6SubnetBlock } from '../../../../src/ec2/subnets/subnet-blocks.ts';
import { internetGateways } from '../../../../src/store/gateways.ts';
import { subnets } from '../../../../src/store/vpcs.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc('10.0.0.0/16', { ipv6: true });
});
afterEach(() => net[Symbol.dispose]());

describe('a new subnet', () => {
  test('is in the first zone, uses the main route table and the default ACL', async () => {
    const { Subnet } = await createSubnet(net.ctx, {
      VpcId: vpcId,
      CidrBlock: '10.0.7.9/24',
      TagSpecifications: [{ ResourceType: 'subnet', Tags: [{ Key: 'Name', Value: 'web' }] }],
    });
    expect(Subnet).toMatchObject({
      CidrBlock: '10.0.7.0/24',
      AvailabilityZone: 'us-east-1a',
      AvailableIpAddressCount: 251,
      DefaultForAz: false,
      MapPublicIpOnLaunch: false,
      AssignIpv6AddressOnCreation: false,
      Ipv6CidrBlockAssociationSet: [],
      State: 'available',
      SubnetArn: `arn:aws:ec2:us-east-1:000000000000:subnet/${Subnet?.SubnetId}`,
      Tags: [{ Key: 'Name', Value: 'web' }],
    });
    const record = net.subnetRecord(Subnet?.SubnetId as SubnetId);
    expect(record.routeTable).toBeNull();
    expect(record.networkAcl.networkAclId).toMatch(/^acl-/);
  });

  test.each(['10.0.0.0/15', '10.0.0.0/29', '10.1.0.0/24', '192.168.0.0/24'])(
    'cannot have %s',
    async (cidr) => {
      await expect(createSubnet(net.ctx, { VpcId: vpcId, CidrBlock: cidr })).rejects.toThrow(
        refusal('InvalidSubnet.Range', `The CIDR '${cidr}' is invalid.`),
      );
    },
  );

  test.each(['10.0.1.0/24', '10.0.1.128/25', '10.0.0.0/20', '10.0.0.0/16'])(
    'cannot have %s when a subnet has 10.0.1.0/24',
    async (cidr) => {
      await net.subnet(vpcId, '10.0.1.0/24');
      await expect(createSubnet(net.ctx, { VpcId: vpcId, CidrBlock: cidr })).rejects.toThrow(
        refusal('InvalidSubnet.Conflict', `The CIDR '${cidr}' conflicts with another subnet`),
      );
    },
  );

  test('may have the block of a subnet in another VPC, or the whole of its own', async () => {
    await net.subnet(vpcId, '10.0.0.0/16');
    await net.subnet(await net.vpc(), '10.0.0.0/16');
    expect(subnets.list(net.db)).toHaveLength(2);
  });

  test.each([
    [{}, 'MissingParameter'],
    [{ Ipv6CidrBlock: 'fd00::/64' }, 'UnsupportedOperation'],
    [{ CidrBlock: '10.0.1.0/24', Ipv6Native: true }, 'UnsupportedOperation'],
    [{ CidrBlock: '10.0.1.0' }, 'InvalidParameterValue'],
    [{ CidrBlock: '10.0.1.0/24', AvailabilityZone: 'us-east-1z' }, 'InvalidParameterValue'],
    [{ CidrBlock: '10.0.1.0/24', AvailabilityZone: 'eu-west-1a' }, 'InvalidParameterValue'],
    [{ CidrBlock: '10.0.1.0/24', Ipv6CidrBlock: 'fd00::/64' }, 'InvalidSubnet.Range'],
    [{ CidrBlock: '10.0.1.0/24', VpcId: newId('vpc') }, 'InvalidVpcID.NotFound'],
    [{ CidrBlock: '10.0.1.0/24', VpcId: 'vpc-1' }, 'InvalidVpcID.Malformed'],
    [{ CidrBlock: '10.0.1.0/24', DryRun: true }, 'DryRunOperation'],
  ])('asked for by %j answers %s', async (request, code) => {
    await expect(createSubnet(net.ctx, { VpcId: vpcId, ...request })).rejects.toThrow(refusal(code));
    expect(subnets.list(net.db)).toEqual([]);
  });
});

describe("a subnet's IPv6 block", () => {
  test('is a /64 of its VPC, no other one’s', async () => {
    const block = net.ipv6Block(vpcId, 1);
    const subnetId = await net.subnet(vpcId, '10.0.1.0/24', block);
    expect(net.subnetRecord(subnetId).ipv6?.cidrBlock).toBe(block);
    await expect(net.subnet(vpcId, '10.0.2.0/24', block)).rejects.toThrow(refusal('InvalidSubnet.Conflict'));
    await expect(net.subnet(vpcId, '10.0.2.0/24', block.replace('/64', '/65'))).rejects.toThrow(
      refusal('InvalidSubnet.Range'),
    );
    await expect(net.subnet(vpcId, '10.0.2.0/24', 'fd00::/64x')).rejects.toThrow(
      refusal('InvalidParameterValue'),
    );
  });

  test('is none where the VPC has none', async () => {
    await expect(net.subnet(await net.vpc(), '10.0.1.0/24', 'fd00::/64')).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidSubnet.Range', hint: expect.stringContaining('vpc set') }),
    );
  });

  test('is found as the first that is free', async () => {
    const free = (): string | undefined => freeIpv6SubnetBlock(net.db, net.vpcRecord(vpcId));
    expect(free()).toBe(net.ipv6Block(vpcId, 0));
    await net.subnet(vpcId, '10.0.1.0/24', net.ipv6Block(vpcId, 0));
    await net.subnet(vpcId, '10.0.2.0/24', net.ipv6Block(vpcId, 1));
    expect(free()).toBe(net.ipv6Block(vpcId, 2));
    expect(freeIpv6SubnetBlock(net.db, net.vpcRecord(await net.vpc()))).toBeUndefined();
  });

  test('is added later, and taken away when nobody has an address of it', async () => {
    const SubnetId = await net.subnet(vpcId);
    const Ipv6CidrBlock = net.ipv6Block(vpcId);
    const { Ipv6CidrBlockAssociation } = await associateSubnetCidrBlock(net.ctx, { SubnetId, Ipv6CidrBlock });
    const AssociationId = Ipv6CidrBlockAssociation?.AssociationId;
    expect((await describeSubnets(net.ctx, { SubnetIds: [SubnetId] })).Subnets).toMatchObject([
      { Ipv6CidrBlockAssociationSet: [{ AssociationId, Ipv6CidrBlock }] },
    ]);
    await expect(associateSubnetCidrBlock(net.ctx, { SubnetId, Ipv6CidrBlock })).rejects.toThrow(
      refusal('Resource.AlreadyAssociated'),
    );
    modifySubnetAttribute(net.ctx, { SubnetId, AssignIpv6AddressOnCreation: { Value: true } });
    const user = net.networkInterface(SubnetId, {
      ipv6Addresses: [Ipv6CidrBlock.replace('/64', '4')],
    });
    await expect(disassociateSubnetCidrBlock(net.ctx, { AssociationId })).rejects.toThrow(
      refusal('DependencyViolation', user.networkInterfaceId),
    );
    net.db.prepare('DELETE FROM network_interfaces').run();
    await disassociateSubnetCidrBlock(net.ctx, { AssociationId });
    expect(net.subnetRecord(SubnetId)).toMatchObject({ ipv6: null, assignIpv6AddressOnCreation: false });
    await expect(disassociateSubnetCidrBlock(net.ctx, { AssociationId })).rejects.toThrow(
      refusal('InvalidSubnetCidrBlockAssociationID.NotFound'),
    );
  });

  test('must be told', async () => {
    const SubnetId = await net.subnet(vpcId);
    await expect(associateSubnetCidrBlock(net.ctx, { SubnetId })).rejects.toThrow(
      refusal('MissingParameter'),
    );
  });
});

describe('deleting a subnet', () => {
  test('works once', async () => {
    const SubnetId = await net.subnet(vpcId);
    await expect(deleteSubnet(net.ctx, { SubnetId, DryRun: true })).rejects.toThrow(
      refusal('DryRunOperation'),
    );
    await deleteSubnet(net.ctx, { SubnetId });
    await expect(deleteSubnet(net.ctx, { SubnetId })).rejects.toThrow(refusal('InvalidSubnetID.NotFound'));
  });

  test('is refused while interfaces are in it, and names whose they are', async () => {
    const SubnetId = await net.subnet(vpcId);
    const { instance } = net.instance(SubnetId);
    const { networkInterfaceId } = net.networkInterface(SubnetId);
    internetGateways.insert(net.db, { internetGatewayId: newId('internetGateway'), vpcId });
    const { NatGateway } = await createNatGateway(net.ctx, {
      SubnetId,
      AllocationId: net.address('198.51.100.7').allocationId,
    });
    await expect(deleteSubnet(net.ctx, { SubnetId })).rejects.toThrow(
      refusal(
        'DependencyViolation',
        `The subnet '${SubnetId}' has dependencies and cannot be deleted: ${instance.instanceId}, ${networkInterfaceId}, ${NatGateway?.NatGatewayId}`,
      ),
    );
  });
});

describe('attributes', () => {
  test('count one at a time', async () => {
    const SubnetId = await net.subnet(vpcId, '10.0.1.0/24', net.ipv6Block(vpcId));
    modifySubnetAttribute(net.ctx, { SubnetId, MapPublicIpOnLaunch: { Value: true } });
    modifySubnetAttribute(net.ctx, { SubnetId, AssignIpv6AddressOnCreation: { Value: true } });
    expect(net.subnetRecord(SubnetId)).toMatchObject({
      mapPublicIpOnLaunch: true,
      assignIpv6AddressOnCreation: true,
    });
    modifySubnetAttribute(net.ctx, { SubnetId, EnableDns64: { Value: false } });
    modifySubnetAttribute(net.ctx, { SubnetId, PrivateDnsHostnameTypeOnLaunch: 'ip-name' });
  });

  test.each([
    [{}, 'InvalidParameterCombination'],
    [
      { MapPublicIpOnLaunch: { Value: true }, AssignIpv6AddressOnCreation: { Value: false } },
      'InvalidParameterCombination',
    ],
    [{ AssignIpv6AddressOnCreation: { Value: true } }, 'InvalidParameterValue'],
    [{ EnableDns64: { Value: true } }, 'UnsupportedOperation'],
    [{ PrivateDnsHostnameTypeOnLaunch: 'resource-name' as const }, 'UnsupportedOperation'],
    [{ SubnetId: newId('subnet'), MapPublicIpOnLaunch: { Value: true } }, 'InvalidSubnetID.NotFound'],
  ])('%j answers %s', async (request, code) => {
    const SubnetId = await net.subnet(vpcId);
    expect(() => modifySubnetAttribute(net.ctx, { SubnetId, ...request })).toThrow(refusal(code));
  });
});

test('subnets are found by every filter', async () => {
  const SubnetId = await net.subnet(vpcId, '10.0.1.0/28', net.ipv6Block(vpcId));
  const record = net.subnetRecord(SubnetId);
  for (const [Name, value] of [
    ['cidr-block', '10.0.1.0/28'],
    ['cidrBlock', '10.0.1.*'],
    ['cidr', '10.0.1.0/28'],
    ['available-ip-address-count', '11'],
    ['ipv6-cidr-block-association.ipv6-cidr-block', record.ipv6?.cidrBlock ?? ''],
    ['ipv6-cidr-block-association.association-id', record.ipv6?.associationId ?? ''],
    ['ipv6-cidr-block-association.state', 'associated'],
    ['default-for-az', 'false'],
    ['subnet-arn', `*${SubnetId}`],
    ['subnet-id', SubnetId],
    ['vpc-id', vpcId],
  ] as const) {
    const { Subnets = [] } = await describeSubnets(net.ctx, { Filters: [{ Name, Values: [value] }] });
    expect({ [Name]: Subnets.map((each) => each.SubnetId) }).toEqual({ [Name]: [SubnetId] });
  }
  const { Subnets = [] } = await describeSubnets(net.ctx, {
    Filters: [
      { Name: 'defaultForAz', Values: ['true'] },
      { Name: 'availabilityZone', Values: ['us-east-1?'] },
    ],
  });
  expect(Subnets).toHaveLength(3);
});
