import type { AttachNetworkInterfaceRequest, AttachNetworkInterfaceResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { failpoint } from '../../core/failpoint.ts';
import { newId } from '../../core/ids.ts';
import { Undo } from '../../host/undo.ts';
import { transact, type Db } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { changingNics, plugNic, unplugNic } from '../instances/hot-plug.ts';
import { requireState } from '../instances/instance-state.ts';
import { withInstance } from '../instances/operation.ts';
import { getInstance } from '../instances/resolve-instance.ts';
import { plugInterface, unplugInterface } from '../vpcs/network.ts';
import { availableInterface } from './available-interface.ts';
import { checkAddressCount, checkInterfaceCount } from './interface-limits.ts';
import { userInterface } from './user-interface.ts';

/**
 * EC2's AttachNetworkInterface, to a running or a stopped instance: a running guest sees it when this resolves. A step
 * that fails undoes those before it.
 */
export async function attachNetworkInterface(
  ctx: Ec2Context,
  request: Partial<AttachNetworkInterfaceRequest>,
): Promise<AttachNetworkInterfaceResult> {
  const { instanceId } = getInstance(ctx.db, request.InstanceId ?? '');
  return withInstance(ctx, { instanceId, purpose: 'attach an interface to' }, async (instance) => {
    const attach = (): NetworkInterface => transact(ctx.db, () => recordAttachment(ctx, instance, request));
    const { attachment } =
      instance.state === 'running'
        ? await changingNics(ctx, instance, async () => plugged(ctx, instance, attach()))
        : attach();
    return { AttachmentId: attachment?.attachmentId, NetworkCardIndex: 0 };
  });
}

async function plugged(
  ctx: Ec2Context,
  instance: Instance,
  attached: NetworkInterface,
): Promise<NetworkInterface> {
  failpoint('attach:recorded');
  const undo = new Undo();
  try {
    undo.add('the attachment', () => forgetAttachment(ctx, attached));
    undo.add('the port', () => unplugInterface(ctx, attached));
    await plugInterface(ctx, attached);
    failpoint('attach:interface');
    undo.add('the device', () => unplugNic(ctx, instance, attached, { force: true }));
    await plugNic(ctx, instance, attached);
    failpoint('attach:nic');
    return attached;
  } catch (error) {
    for (const failed of await undo.run()) ctx.report.warn(failed.message);
    throw error;
  }
}

function forgetAttachment(ctx: Ec2Context, { networkInterfaceId }: NetworkInterface): void {
  transact(ctx.db, () =>
    networkInterfaces.update(ctx.db, { ...userInterface(ctx.db, networkInterfaceId), attachment: null }),
  );
}

function recordAttachment(
  ctx: Ec2Context,
  instance: Instance,
  request: Partial<AttachNetworkInterfaceRequest>,
): NetworkInterface {
  requireState(instance, ['running', 'stopped'], 'given an interface');
  const present = availableInterface(ctx.db, request.NetworkInterfaceId ?? '');
  checkPlace(ctx.db, instance, present);
  const deviceIndex = checkedDeviceIndex(ctx.db, instance, request.DeviceIndex);
  checkInterfaceCount(ctx.db, instance);
  checkAddressCount(present, instance.instanceType);
  const attached: NetworkInterface = {
    ...present,
    attachment: {
      attachmentId: newId('networkInterfaceAttachment'),
      instanceId: instance.instanceId,
      deviceIndex,
      attachTime: ctx.now().toISOString(),
      // What was made by itself outlives the instance (AWS: "Attach a network interface").
      deleteOnTermination: false,
    },
  };
  networkInterfaces.update(ctx.db, attached);
  endDryRun(request);
  return attached;
}

function checkPlace(
  db: Db,
  instance: Instance,
  { networkInterfaceId, subnetId, vpcId }: NetworkInterface,
): void {
  if (vpcId !== instance.vpcId)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `You may not attach a network interface to an instance of another VPC: '${networkInterfaceId}' is of '${vpcId}', '${instance.instanceId}' of '${instance.vpcId}'`,
      { hint: 'bonami peering create, to join VPCs' },
    );
  const zone = subnets.get(db, subnetId)?.availabilityZone;
  if (zone !== instance.availabilityZone)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `You may not attach a network interface to an instance if they are not in the same availability zone: '${networkInterfaceId}' is in ${zone}, '${instance.instanceId}' in ${instance.availabilityZone}`,
      { hint: `bonami subnet ls, for one in ${instance.availabilityZone}` },
    );
}

function checkedDeviceIndex(db: Db, { instanceId }: Instance, deviceIndex: number | undefined): number {
  if (deviceIndex === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter deviceIndex', {
      hint: '--device-index 1',
    });
  if (!Number.isInteger(deviceIndex) || deviceIndex < 0 || deviceIndex > 255)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${deviceIndex}) for parameter deviceIndex is invalid.`,
      {
        hint: '--device-index 1',
      },
    );
  const taken = networkInterfaces.listBy(db, 'instance_id', instanceId);
  if (taken.some(({ attachment }) => attachment?.deviceIndex === deviceIndex))
    throw new Ec2Error(
      'InvalidParameterValue',
      `Instance '${instanceId}' already has an interface attached at device index '${deviceIndex}'.`,
      { hint: `--device-index ${freeDeviceIndex(db, instanceId)}` },
    );
  return deviceIndex;
}

/** The lowest place that an instance has for another interface. */
export function freeDeviceIndex(db: Db, instanceId: Instance['instanceId']): number {
  const taken = new Set(
    networkInterfaces.listBy(db, 'instance_id', instanceId).map(({ attachment }) => attachment?.deviceIndex),
  );
  let index = 1;
  while (taken.has(index)) index++;
  return index;
}
