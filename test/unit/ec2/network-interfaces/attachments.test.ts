// What may be attached where, and that nothing half-made stays. Machines that run are in test/vm.
import { existsSync } from 'node:fs';
import { beforeEach, describe, expect, test } from 'vitest';
import { HostError } from '../../../../src/core/errors.ts';
import { attachNetworkInterface } from '../../../../src/ec2/network-interfaces/attach-network-interface.ts';
import { createNetworkInterface } from '../../../../src/ec2/network-interfaces/create-network-interface.ts';
import { detachNetworkInterface } from '../../../../src/ec2/network-interfaces/detach-network-interface.ts';
import { HOST_GROUND } from '../../../../src/host/ground.ts';
import type { Instance } from '../../../../src/store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../../../src/store/network-interfaces.ts';
import type { Subnet, Vpc } from '../../../../src/store/vpcs.ts';
import { networkLab } from '../../../support/network-lab.ts';

const lab = networkLab({
  // A network that cannot be built.
  ground: {
    ...HOST_GROUND,
    ensure: async () => Promise.reject(new HostError('NoGround', 'the ground shakes')),
  },
});
let vpc: Vpc;
let subnet: Subnet;
let instance: Instance;
let eni: string;
beforeEach(() => {
  vpc = lab.vpc('10.0.0.0/16');
  subnet = lab.subnet(vpc, '10.0.0.0/24');
  instance = lab.instance(subnet, { instanceType: 't3.small' });
  eni = create();
});

const create = (request: object = {}): string =>
  createNetworkInterface(lab.ctx, { SubnetId: subnet.subnetId, ...request }).NetworkInterface
    ?.NetworkInterfaceId ?? '';
const record = (id: string): NetworkInterface => networkInterfaces.get(lab.ctx.db, id) as NetworkInterface;
const attach = async (request: object = {}) =>
  attachNetworkInterface(lab.ctx, {
    NetworkInterfaceId: eni,
    InstanceId: instance.instanceId,
    DeviceIndex: 1,
    ...request,
  });

test('a stopped instance gets an interface, which outlives it', async () => {
  const { AttachmentId } = await attach();
  expect(record(eni).attachment).toEqual({
    attachmentId: AttachmentId,
    instanceId: instance.instanceId,
    deviceIndex: 1,
    attachTime: expect.any(String),
    deleteOnTermination: false,
  });
  await detachNetworkInterface(lab.ctx, { AttachmentId });
  expect(record(eni).attachment).toBeNull();
});

describe('an interface is not attached', () => {
  const refused = async (request: object, code: string, part: string): Promise<void> => {
    const before = record(eni);
    await expect(attach(request)).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(part) }),
    );
    expect(record(eni)).toEqual(before);
  };

  test.each([
    [{ DeviceIndex: 0 }, 'InvalidParameterValue', "already has an interface attached at device index '0'"],
    [{ DeviceIndex: undefined }, 'MissingParameter', 'deviceIndex'],
    [{ DeviceIndex: -1 }, 'InvalidParameterValue', '-1'],
    [{ InstanceId: 'i-0123456789abcdef0' }, 'InvalidInstanceID.NotFound', 'i-0123456789abcdef0'],
    [{ NetworkInterfaceId: 'eni-0123456789abcdef0' }, 'InvalidNetworkInterfaceID.NotFound', 'eni-'],
    [{ DryRun: true }, 'DryRunOperation', ''],
  ])('by %j', async (request, code, part) => {
    await refused(request, code, part);
  });

  test('twice', async () => {
    await attach();
    await refused({ DeviceIndex: 2 }, 'InvalidNetworkInterface.InUse', `${instance.instanceId} has it`);
  });

  test.each(['pending', 'stopping', 'shutting-down', 'terminated'] as const)(
    'while the instance is %s',
    async (state) => {
      const { instanceId } = lab.instance(subnet, { state });
      await refused({ InstanceId: instanceId }, 'IncorrectInstanceState', state);
    },
  );

  test('beyond what the type has places for', async () => {
    await attach();
    await attach({ NetworkInterfaceId: create(), DeviceIndex: 2 });
    eni = create();
    await refused(
      { DeviceIndex: 3 },
      'AttachmentLimitExceeded',
      'Interface count 4 exceeds the limit for t3.small',
    );
  });

  test('with more addresses than the type has places for', async () => {
    eni = create({ SecondaryPrivateIpAddressCount: 4 });
    await refused({}, 'PrivateIpAddressLimitExceeded', '5, of 4 with t3.small');
  });

  test('to another VPC’s instance, or another zone’s', async () => {
    const elsewhere = lab.instance(lab.subnet(lab.vpc('10.1.0.0/16'), '10.1.0.0/24'));
    await refused({ InstanceId: elsewhere.instanceId }, 'InvalidParameterCombination', 'another VPC');
    const far = lab.instance(lab.subnet(vpc, '10.0.1.0/24', { zone: 'us-east-1b' }));
    await refused({ InstanceId: far.instanceId }, 'InvalidParameterCombination', 'same availability zone');
  });

  test('when it is a NAT gateway’s', async () => {
    networkInterfaces.update(lab.ctx.db, { ...record(eni), interfaceType: 'nat_gateway' });
    await refused({}, 'AuthFailure', 'NAT gateway');
  });

  test('when its network cannot be had: the record is undone, and whoever looks next makes sure', async () => {
    const { instanceId } = lab.instance(subnet, { state: 'running' });
    await refused({ InstanceId: instanceId }, 'NoGround', 'shakes');
    expect(existsSync(lab.ctx.layout.instance(instanceId).nicChange)).toBe(true);
  });
});

describe('an interface is not detached', () => {
  test('when it is the primary one', async () => {
    const AttachmentId = lab.interfacesOf(instance.instanceId)[0]?.attachment?.attachmentId;
    await expect(detachNetworkInterface(lab.ctx, { AttachmentId, Force: true })).rejects.toThrow(
      expect.objectContaining({
        code: 'OperationNotPermitted',
        message: 'The network interface at device index 0 cannot be detached.',
      }),
    );
    expect(lab.interfacesOf(instance.instanceId)).toHaveLength(1);
  });

  test('when there is no such attachment', async () => {
    await expect(
      detachNetworkInterface(lab.ctx, { AttachmentId: 'eni-attach-0123456789abcdef0' }),
    ).rejects.toThrow(expect.objectContaining({ code: 'InvalidAttachmentID.NotFound' }));
  });

  test('when only its success was asked for', async () => {
    const { AttachmentId } = await attach();
    await expect(detachNetworkInterface(lab.ctx, { AttachmentId, DryRun: true })).rejects.toThrow(
      expect.objectContaining({ code: 'DryRunOperation' }),
    );
    expect(record(eni).attachment).not.toBeNull();
  });
});
