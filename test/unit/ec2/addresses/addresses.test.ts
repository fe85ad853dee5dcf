// Elastic addresses from their allocation to their release.
import { beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../../src/core/ids.ts';
import { allocateAddress } from '../../../../src/ec2/addresses/allocate-address.ts';
import { associateAddress } from '../../../../src/ec2/addresses/associate-address.ts';
import { describeAddresses } from '../../../../src/ec2/addresses/describe-addresses.ts';
import { disassociateAddress } from '../../../../src/ec2/addresses/disassociate-address.ts';
import { releaseAddress } from '../../../../src/ec2/addresses/release-address.ts';
import { createNetworkInterface } from '../../../../src/ec2/network-interfaces/create-network-interface.ts';
import { HOST_GROUND, type Ground } from '../../../../src/host/ground.ts';
import { addresses } from '../../../../src/store/addresses.ts';
import { networkInterfaces } from '../../../../src/store/network-interfaces.ts';
import { tagsOf } from '../../../../src/store/tags.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab();
const ROOTLESS: Ground = { ...HOST_GROUND, isRootless: true };

const allocate = async (request: object = {}, ground: Ground = HOST_GROUND) =>
  allocateAddress({ ...lab.ctx, ground }, request);

/** Named, for which addresses of the built-in range are free depends on what else this host runs: 198.18.7.1, .2, … */
let count = 0;
beforeEach(() => {
  count = 0;
});
const allocated = async (request: object = { Address: `198.18.7.${++count}` }): Promise<string> =>
  (await allocate(request)).AllocationId ?? '';

describe('an address is allocated', () => {
  test('from the built-in range, the next free one, with its tags', async () => {
    const first = await allocate({
      TagSpecifications: [{ ResourceType: 'elastic-ip', Tags: [{ Key: 'Name', Value: 'web' }] }],
    });
    expect(first).toEqual({
      AllocationId: expect.stringMatching(/^eipalloc-[0-9a-f]{17}$/),
      PublicIp: expect.stringMatching(/^203\.0\.113\.\d+$/),
      PublicIpv4Pool: 'amazon',
      Domain: 'vpc',
      NetworkBorderGroup: 'us-east-1',
      Bonami: { Reach: 'host' },
    });
    expect(tagsOf(lab.ctx.db, first.AllocationId ?? '')).toEqual({ Name: 'web' });
    const last = (publicIp = ''): number => Number(publicIp.split('.')[3]);
    expect(last((await allocate()).PublicIp)).toBeGreaterThan(last(first.PublicIp));
    releaseAddress(lab.ctx, { AllocationId: first.AllocationId });
    expect((await allocate()).PublicIp).toBe(first.PublicIp);
  });

  test('until there are none', async () => {
    for (let last = 1; last < 255; last++)
      addresses.insert(lab.ctx.db, {
        allocationId: newId('address'),
        publicIp: `198.18.0.${last}`,
        carrierIp: `203.0.113.${last}`,
        reach: 'own',
        association: null,
      });
    await expect(allocate()).rejects.toThrow(expect.objectContaining({ code: 'AddressLimitExceeded' }));
  });

  test('by itself, once', async () => {
    expect(await allocate({ Address: '198.18.7.7' })).toMatchObject({
      PublicIp: '198.18.7.7',
      Bonami: { Reach: 'host' },
    });
    await expect(allocate({ Address: '198.18.7.7' })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidAddress.InUse' }),
    );
    expect(lab.reported.warnings).toEqual([]);
  });

  test('with a warning when it is somebody’s in the Internet', async () => {
    await allocate({ Address: '8.8.8.8' });
    expect(lab.reported.warnings).toEqual([expect.stringContaining('8.8.8.8')]);
  });

  test('from a range, in its order, until that is used up', async () => {
    const PublicIpv4Pool = '198.18.7.9/31';
    expect((await allocate({ PublicIpv4Pool })).PublicIp).toBe('198.18.7.8');
    expect((await allocate({ PublicIpv4Pool })).PublicIp).toBe('198.18.7.9');
    await expect(allocate({ PublicIpv4Pool })).rejects.toThrow(
      expect.objectContaining({ code: 'InsufficientAddressCapacity' }),
    );
  });

  test.each([
    [{ Address: '127.0.0.1' }, 'InvalidParameterValue'],
    [{ Address: 'x' }, 'InvalidParameterValue'],
    [{ PublicIpv4Pool: 'x' }, 'InvalidParameterValue'],
    [{ PublicIpv4Pool: '10.0.0.0/8' }, 'InvalidParameterValue'],
    [{ PublicIpv4Pool: '127.0.0.0/24' }, 'InsufficientAddressCapacity'],
    [{ Address: '198.18.0.1', PublicIpv4Pool: '198.18.0.0/24' }, 'InvalidParameterCombination'],
    [{ TagSpecifications: [{ ResourceType: 'vpc', Tags: [] }] }, 'InvalidParameterValue'],
    [{ DryRun: true }, 'DryRunOperation'],
  ])('not by %j', async (request, code) => {
    await expect(allocate(request)).rejects.toThrow(expect.objectContaining({ code }));
    expect(addresses.list(lab.ctx.db)).toEqual([]);
  });

  test('not out of a VPC’s own block', async () => {
    const { vpcId } = lab.vpc('198.18.0.0/16');
    await expect(allocate({ Address: '198.18.0.9' })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidParameterValue', message: expect.stringContaining(vpcId) }),
    );
  });

  test('without root too, with a word about who reaches it', async () => {
    expect(await allocate({}, ROOTLESS)).toMatchObject({ Bonami: { Reach: 'host' } });
    expect(lab.reported.warnings).toEqual([expect.stringContaining('bonami port-forward')]);
  });
});

describe('an address is associated', () => {
  let vpc: Vpc;
  let subnet: Subnet;
  beforeEach(() => {
    vpc = lab.vpc('10.0.0.0/16', { gateway: true });
    subnet = lab.subnet(vpc, '10.0.0.0/24');
  });

  const eni = (request: object = {}): string =>
    createNetworkInterface(lab.ctx, { SubnetId: subnet.subnetId, ...request }).NetworkInterface
      ?.NetworkInterfaceId ?? '';
  const associate = async (AllocationId: string, request: object): Promise<string> =>
    (await associateAddress(lab.ctx, { AllocationId, ...request })).AssociationId ?? '';
  const association = (AllocationId: string) => addresses.get(lab.ctx.db, AllocationId)?.association;

  test('with an instance, and is shown with it', async () => {
    const AllocationId = await allocated();
    const { instanceId } = lab.instance(subnet);
    const AssociationId = await associate(AllocationId, { InstanceId: instanceId });
    const [primary] = lab.interfacesOf(instanceId);
    expect(describeAddresses(lab.ctx, {}).Addresses).toEqual([
      {
        AllocationId,
        AssociationId,
        Domain: 'vpc',
        InstanceId: instanceId,
        NetworkBorderGroup: 'us-east-1',
        NetworkInterfaceId: primary?.networkInterfaceId,
        NetworkInterfaceOwnerId: lab.ctx.ownerId,
        PrivateIpAddress: primary?.privateIpAddress,
        PublicIp: '198.18.7.1',
        PublicIpv4Pool: 'amazon',
        Tags: [],
        Bonami: { Reach: 'host' },
      },
    ]);
  });

  test('with a secondary address of an interface', async () => {
    const AllocationId = await allocated();
    const NetworkInterfaceId = eni({ SecondaryPrivateIpAddressCount: 1 });
    await associate(AllocationId, { NetworkInterfaceId, PrivateIpAddress: '10.0.0.5' });
    expect(association(AllocationId)?.privateIpAddress).toBe('10.0.0.5');
  });

  test('again without a change', async () => {
    const AllocationId = await allocated();
    const NetworkInterfaceId = eni();
    const first = await associate(AllocationId, { NetworkInterfaceId });
    expect(await associate(AllocationId, { NetworkInterfaceId, AllowReassociation: false })).toBe(first);
  });

  test('with another one: it moves, unless that is not allowed', async () => {
    const AllocationId = await allocated();
    const [a, b] = [eni(), eni()];
    const first = await associate(AllocationId, { NetworkInterfaceId: a });
    await expect(
      associate(AllocationId, { NetworkInterfaceId: b, AllowReassociation: false }),
    ).rejects.toThrow(
      expect.objectContaining({
        code: 'Resource.AlreadyAssociated',
        message: `resource ${AllocationId} is already associated with associate-id ${first}`,
      }),
    );
    expect(await associate(AllocationId, { NetworkInterfaceId: b })).not.toBe(first);
    expect(association(AllocationId)?.networkInterfaceId).toBe(b);
  });

  test('in the place of another one, which stays allocated', async () => {
    const [first, second] = [await allocated(), await allocated()];
    const NetworkInterfaceId = eni();
    await associate(first, { NetworkInterfaceId });
    await expect(associate(second, { NetworkInterfaceId, AllowReassociation: false })).rejects.toThrow(
      expect.objectContaining({ code: 'Resource.AlreadyAssociated' }),
    );
    await associate(second, { NetworkInterfaceId });
    expect(association(first)).toBeNull();
    expect(association(second)?.networkInterfaceId).toBe(NetworkInterfaceId);
  });

  test('by the address instead of its id', async () => {
    const AllocationId = await allocated();
    await associateAddress(lab.ctx, { PublicIp: '198.18.7.1', NetworkInterfaceId: eni() });
    expect(association(AllocationId)).not.toBeNull();
  });

  test('not in a VPC without an internet gateway', async () => {
    const closed = lab.vpc('10.1.0.0/16');
    const NetworkInterfaceId = eni({ SubnetId: lab.subnet(closed, '10.1.0.0/24').subnetId });
    await expect(associate(await allocated(), { NetworkInterfaceId })).rejects.toThrow(
      expect.objectContaining({
        code: 'Gateway.NotAttached',
        message: `Network ${closed.vpcId} is not attached to any internet gateway`,
      }),
    );
  });

  test('not in a VPC that has it in its own block', async () => {
    const AllocationId = await allocated({ Address: '198.18.0.9' });
    const inside = lab.vpc('198.18.0.0/16', { gateway: true });
    const NetworkInterfaceId = eni({ SubnetId: lab.subnet(inside, '198.18.0.0/24').subnetId });
    await expect(associate(AllocationId, { NetworkInterfaceId })).rejects.toThrow(
      expect.objectContaining({ code: 'InvalidParameterValue' }),
    );
  });

  test('not with one of several interfaces of an instance, nor one that starts or ends', async () => {
    const AllocationId = await allocated();
    const { instanceId } = lab.instance(subnet);
    const second = networkInterfaces.get(lab.ctx.db, eni());
    if (second)
      networkInterfaces.update(lab.ctx.db, {
        ...second,
        attachment: {
          attachmentId: newId('networkInterfaceAttachment'),
          instanceId,
          deviceIndex: 1,
          attachTime: new Date(0).toISOString(),
          deleteOnTermination: false,
        },
      });
    await expect(associate(AllocationId, { InstanceId: instanceId })).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidInstanceID',
        message: expect.stringContaining('There are multiple interfaces attached'),
      }),
    );
    for (const state of ['pending', 'shutting-down', 'terminated'] as const)
      await expect(
        associate(AllocationId, { InstanceId: lab.instance(subnet, { state }).instanceId }),
      ).rejects.toThrow(
        expect.objectContaining({
          code: 'InvalidInstanceID',
          message: expect.stringContaining(`The ${state} instance`),
        }),
      );
  });

  test.each([
    [{}, 'MissingParameter'],
    [{ InstanceId: 'i-0123456789abcdef0' }, 'InvalidInstanceID.NotFound'],
    [{ NetworkInterfaceId: 'eni-0123456789abcdef0' }, 'InvalidNetworkInterfaceID.NotFound'],
    [
      { InstanceId: 'i-0123456789abcdef0', NetworkInterfaceId: 'eni-0123456789abcdef0' },
      'InvalidParameterCombination',
    ],
    [{ PublicIp: '198.18.7.1', NetworkInterfaceId: 'eni-0123456789abcdef0' }, 'InvalidParameterCombination'],
  ])('not by %j', async (request, code) => {
    await expect(associate(await allocated(), request)).rejects.toThrow(expect.objectContaining({ code }));
  });

  test.each([
    [{ AllocationId: 'eipalloc-0123456789abcdef0' }, 'InvalidAllocationID.NotFound'],
    [{ PublicIp: '198.18.7.99' }, 'InvalidAddress.NotFound'],
    [{}, 'MissingParameter'],
  ])('not when there is none: %j', async (reference, code) => {
    const NetworkInterfaceId = eni();
    await expect(associateAddress(lab.ctx, { ...reference, NetworkInterfaceId })).rejects.toThrow(
      expect.objectContaining({ code }),
    );
  });

  test('not with an address that the interface does not have', async () => {
    await expect(
      associate(await allocated(), { NetworkInterfaceId: eni(), PrivateIpAddress: '10.0.0.99' }),
    ).rejects.toThrow(
      expect.objectContaining({
        code: 'InvalidParameterValue',
        message: expect.stringContaining('10.0.0.99 is not assigned'),
      }),
    );
  });

  test('nor without having been asked in earnest', async () => {
    const AllocationId = await allocated();
    await expect(associate(AllocationId, { NetworkInterfaceId: eni(), DryRun: true })).rejects.toThrow(
      expect.objectContaining({ code: 'DryRunOperation' }),
    );
    expect(association(AllocationId)).toBeNull();
  });

  describe('by a NAT gateway', () => {
    let AllocationId: string;
    let gateway: string;
    beforeEach(async () => {
      AllocationId = await allocated();
      gateway = eni();
      await associate(AllocationId, { NetworkInterfaceId: gateway });
      const record = networkInterfaces.get(lab.ctx.db, gateway);
      if (record) networkInterfaces.update(lab.ctx.db, { ...record, interfaceType: 'nat_gateway' });
    });

    test('cannot be taken from it', async () => {
      await expect(associate(AllocationId, { NetworkInterfaceId: eni() })).rejects.toThrow(
        expect.objectContaining({ code: 'AuthFailure' }),
      );
      const AssociationId = association(AllocationId)?.associationId;
      await expect(disassociateAddress(lab.ctx, { AssociationId })).rejects.toThrow(
        expect.objectContaining({ code: 'AuthFailure' }),
      );
      expect(() => releaseAddress(lab.ctx, { AllocationId })).toThrow(
        expect.objectContaining({ code: 'InvalidIPAddress.InUse' }),
      );
      expect(association(AllocationId)?.networkInterfaceId).toBe(gateway);
    });

    test('leaves no room for another one', async () => {
      await expect(associate(await allocated(), { NetworkInterfaceId: gateway })).rejects.toThrow(
        expect.objectContaining({ code: 'AuthFailure' }),
      );
    });
  });

  describe('and no longer', () => {
    test('by its association, or by itself, as often as one likes', async () => {
      const AllocationId = await allocated();
      const NetworkInterfaceId = eni();
      const AssociationId = await associate(AllocationId, { NetworkInterfaceId });
      await disassociateAddress(lab.ctx, { AssociationId });
      expect(association(AllocationId)).toBeNull();
      await expect(disassociateAddress(lab.ctx, { AssociationId })).rejects.toThrow(
        expect.objectContaining({ code: 'InvalidAssociationID.NotFound' }),
      );
      await disassociateAddress(lab.ctx, { PublicIp: '198.18.7.1' });
      await expect(disassociateAddress(lab.ctx, { PublicIp: '198.18.7.99' })).rejects.toThrow(
        expect.objectContaining({ code: 'InvalidAddress.NotFound' }),
      );
    });

    test('is it before it can be released', async () => {
      const AllocationId = await allocated();
      const AssociationId = await associate(AllocationId, { NetworkInterfaceId: eni() });
      expect(() => releaseAddress(lab.ctx, { AllocationId })).toThrow(
        expect.objectContaining({
          code: 'InvalidIPAddress.InUse',
          message: expect.stringContaining('Address 198.18.7.1 is in use'),
        }),
      );
      await disassociateAddress(lab.ctx, { AssociationId });
      releaseAddress(lab.ctx, { AllocationId });
      expect(addresses.list(lab.ctx.db)).toEqual([]);
      expect(() => releaseAddress(lab.ctx, { AllocationId })).toThrow(
        expect.objectContaining({ code: 'InvalidAllocationID.NotFound' }),
      );
    });
  });

  test.each([
    [{ PublicIps: ['198.18.7.2'] }, ['198.18.7.2']],
    [{ Filters: [{ Name: 'public-ip', Values: ['198.18.7.?'] }] }, ['198.18.7.1', '198.18.7.2']],
    [{ Filters: [{ Name: 'private-ip-address', Values: ['10.0.0.*'] }] }, ['198.18.7.1']],
    [{ Filters: [{ Name: 'network-interface-id', Values: ['eni-*'] }] }, ['198.18.7.1']],
    [{ Filters: [{ Name: 'instance-id', Values: ['*'] }] }, []],
    [{ Filters: [{ Name: 'domain', Values: ['vpc'] }] }, ['198.18.7.1', '198.18.7.2']],
    [{ Filters: [{ Name: 'tag:Name', Values: ['two'] }] }, ['198.18.7.2']],
  ])('and found by %j: %j', async (request, expected) => {
    await associate(await allocated(), { NetworkInterfaceId: eni() });
    await allocate({
      Address: '198.18.7.2',
      TagSpecifications: [{ ResourceType: 'elastic-ip', Tags: [{ Key: 'Name', Value: 'two' }] }],
    });
    expect(describeAddresses(lab.ctx, request).Addresses.map(({ PublicIp }) => PublicIp)).toEqual(expected);
  });
});
