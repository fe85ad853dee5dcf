import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CreateNatGatewayRequest } from '@aws-sdk/client-ec2';
import { newId, type SubnetId, type VpcId } from '../../../../src/core/ids.ts';
import { createNatGateway } from '../../../../src/ec2/nat-gateways/create-nat-gateway.ts';
import { deleteNatGateway } from '../../../../src/ec2/nat-gateways/delete-nat-gateway.ts';
import { describeNatGateways } from '../../../../src/ec2/nat-gateways/describe-nat-gateways.ts';
import { addresses, type Address } from '../../../../src/store/addresses.ts';
import { internetGateways, natGateways } from '../../../../src/store/gateways.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import { NetworkRecords, refusal } from '../../../support/network-records.ts';

let net: NetworkRecords;
let vpcId: VpcId;
let subnetId: SubnetId;
let address: Address;
let request: CreateNatGatewayRequest;
beforeEach(async () => {
  net = new NetworkRecords();
  vpcId = await net.vpc();
  subnetId = await net.subnet(vpcId, '10.0.1.0/28');
  address = net.address('198.51.100.7');
  request = { SubnetId: subnetId, AllocationId: address.allocationId };
  internetGateways.insert(net.db, { internetGatewayId: newId('internetGateway'), vpcId });
});
afterEach(() => net[Symbol.dispose]());

describe('a NAT gateway', () => {
  test('has an interface of its own, which has the elastic address', async () => {
    const { NatGateway } = await createNatGateway(net.ctx, {
      ...request,
      TagSpecifications: [{ ResourceType: 'natgateway', Tags: [{ Key: 'Name', Value: 'out' }] }],
    });
    const [own] = networkInterfaces.list(net.db);
    expect(own).toMatchObject({
      vpcId,
      subnetId,
      interfaceType: 'nat_gateway',
      description: `Interface for NAT Gateway ${NatGateway?.NatGatewayId}`,
      privateIpAddress: '10.0.1.4',
      sourceDestCheck: false,
      securityGroupIds: [],
      attachment: null,
    });
    const { association } = addresses.get(net.db, address.allocationId) ?? {};
    expect(association).toMatchObject({
      networkInterfaceId: own?.networkInterfaceId,
      privateIpAddress: '10.0.1.4',
    });
    expect(NatGateway).toMatchObject({
      VpcId: vpcId,
      SubnetId: subnetId,
      State: 'available',
      ConnectivityType: 'public',
      CreateTime: expect.any(Date),
      NatGatewayAddresses: [
        {
          AllocationId: address.allocationId,
          AssociationId: association?.associationId,
          NetworkInterfaceId: own?.networkInterfaceId,
          PrivateIp: '10.0.1.4',
          PublicIp: '198.51.100.7',
          IsPrimary: true,
          Status: 'succeeded',
        },
      ],
      Tags: [{ Key: 'Name', Value: 'out' }],
    });
  });

  test('has the private address that is asked for', async () => {
    const { NatGateway } = await createNatGateway(net.ctx, { ...request, PrivateIpAddress: '10.0.1.9' });
    expect(NatGateway?.NatGatewayAddresses?.[0]?.PrivateIp).toBe('10.0.1.9');
  });

  test('goes with its interface and tags, and frees its elastic address', async () => {
    const { NatGateway } = await createNatGateway(net.ctx, {
      ...request,
      TagSpecifications: [{ ResourceType: 'natgateway', Tags: [{ Key: 'Name', Value: 'out' }] }],
    });
    const NatGatewayId = NatGateway?.NatGatewayId ?? '';
    await expect(deleteNatGateway(net.ctx, { NatGatewayId, DryRun: true })).rejects.toThrow(
      refusal('DryRunOperation'),
    );
    expect(await deleteNatGateway(net.ctx, { NatGatewayId })).toEqual({ NatGatewayId });
    expect(networkInterfaces.list(net.db)).toEqual([]);
    expect(addresses.get(net.db, address.allocationId)?.association).toBeNull();
    expect(tagsOf(net.db, NatGatewayId)).toEqual({});
    await expect(deleteNatGateway(net.ctx, { NatGatewayId })).rejects.toThrow(refusal('NatGatewayNotFound'));
    await createNatGateway(net.ctx, request);
  });
});

describe('a request', () => {
  test('for an address in use is refused', async () => {
    await createNatGateway(net.ctx, request);
    await expect(createNatGateway(net.ctx, request)).rejects.toThrow(
      refusal('Resource.AlreadyAssociated', address.allocationId),
    );
  });

  test('in a VPC without an internet gateway is refused', async () => {
    const other = await net.vpc('10.1.0.0/16');
    const SubnetId = await net.subnet(other, '10.1.0.0/24');
    await expect(createNatGateway(net.ctx, { ...request, SubnetId })).rejects.toThrow(
      refusal('Gateway.NotAttached', `Network ${other} has no Internet gateway attached`),
    );
  });

  test('in a full subnet is refused', async () => {
    for (let index = 0; index < 11; index++) net.networkInterface(subnetId);
    await expect(createNatGateway(net.ctx, request)).rejects.toThrow(
      refusal('InsufficientFreeAddressesInSubnet'),
    );
  });

  test.each([
    [{ AllocationId: undefined }, 'MissingParameter'],
    [{ SubnetId: undefined }, 'MissingParameter'],
    [{ AllocationId: newId('address') }, 'InvalidAllocationID.NotFound'],
    [{ AllocationId: 'eipalloc-x' }, 'InvalidAllocationID.NotFound'],
    [{ SubnetId: newId('subnet') }, 'InvalidSubnetID.NotFound'],
    [{ ConnectivityType: 'private' as const }, 'UnsupportedOperation'],
    [{ SecondaryPrivateIpAddressCount: 1 }, 'UnsupportedOperation'],
    [{ PrivateIpAddress: '10.0.2.9' }, 'InvalidParameterValue'],
    [{ DryRun: true }, 'DryRunOperation'],
  ])('with %j answers %s and leaves nothing behind', async (change, code) => {
    await expect(createNatGateway(net.ctx, { ...request, ...change })).rejects.toThrow(refusal(code));
    expect(natGateways.list(net.db)).toEqual([]);
    expect(networkInterfaces.list(net.db)).toEqual([]);
    expect(addresses.get(net.db, address.allocationId)?.association).toBeNull();
  });

  test('with the same token gives the same gateway, and no other', async () => {
    const ClientToken = 'once';
    const first = await createNatGateway(net.ctx, { ...request, ClientToken });
    expect(await createNatGateway(net.ctx, { ...request, ClientToken })).toEqual(first);
    expect(first.ClientToken).toBe(ClientToken);
    expect(natGateways.list(net.db)).toHaveLength(1);
    const other = net.address('198.51.100.8').allocationId;
    await expect(createNatGateway(net.ctx, { ...request, ClientToken, AllocationId: other })).rejects.toThrow(
      refusal('IdempotentParameterMismatch'),
    );
  });
});

test('NAT gateways are found by ids and filters', async () => {
  const { NatGateway } = await createNatGateway(net.ctx, request);
  const id = NatGateway?.NatGatewayId ?? '';
  expect(describeNatGateways(net.ctx, { NatGatewayIds: [id] }).NatGateways).toEqual([NatGateway]);
  for (const [Name, value] of [
    ['nat-gateway-id', id],
    ['state', 'available'],
    ['subnet-id', subnetId],
    ['vpc-id', vpcId],
  ] as const)
    expect(describeNatGateways(net.ctx, { Filter: [{ Name, Values: [value] }] }).NatGateways).toHaveLength(1);
  expect(
    describeNatGateways(net.ctx, { Filter: [{ Name: 'state', Values: ['failed'] }] }).NatGateways,
  ).toEqual([]);
  expect(() => describeNatGateways(net.ctx, { NatGatewayIds: [newId('natGateway')] })).toThrow(
    refusal('NatGatewayNotFound'),
  );
});
