import { newId } from '../../core/ids.ts';
import { macOf } from '../../core/link-name.ts';
import type { Db } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { putTags, type Tags } from '../../store/tags.ts';
import { checkAddressCount } from '../network-interfaces/interface-limits.ts';
import { allocateAddresses } from '../network-interfaces/requested-addresses.ts';
import { recordOf } from '../resource-kinds.ts';
import { availableInterface } from '../network-interfaces/available-interface.ts';
import type { NewInterface, PlannedInterface, PresentInterface } from './planned-interface.ts';

/**
 * Records an instance's interfaces: new ones with addresses of their own, and those that were there. Inside the
 * transaction that records the instance: what was planned may be gone or taken since.
 */
export function recordInterfaces(
  db: Db,
  instance: Instance,
  { planned, tags }: { readonly planned: readonly PlannedInterface[]; readonly tags: Tags },
): void {
  for (const each of planned)
    if (each.networkInterfaceId === undefined) recordNew(db, instance, { ...each, tags });
    else recordPresent(db, instance, each);
}

function recordNew(db: Db, instance: Instance, planned: NewInterface & { readonly tags: Tags }): void {
  const subnet = recordOf(db, 'subnet', planned.subnet.subnetId);
  const networkInterfaceId = newId('networkInterface');
  const each: NetworkInterface = {
    networkInterfaceId,
    vpcId: subnet.vpcId,
    subnetId: subnet.subnetId,
    interfaceType: 'interface',
    description: planned.description,
    ...allocateAddresses(db, subnet, planned.addresses),
    macAddress: macOf(networkInterfaceId),
    // A group may have been deleted since.
    securityGroupIds: planned.securityGroupIds.map((id) => recordOf(db, 'securityGroup', id).groupId),
    sourceDestCheck: true,
    attachment: attachmentTo(instance, planned),
  };
  checkAddressCount(each, instance.instanceType);
  networkInterfaces.insert(db, each);
  putTags(db, networkInterfaceId, planned.tags);
}

function recordPresent(db: Db, instance: Instance, planned: PresentInterface): void {
  const present = availableInterface(db, planned.networkInterfaceId);
  checkAddressCount(present, instance.instanceType);
  networkInterfaces.update(db, { ...present, attachment: attachmentTo(instance, planned) });
}

function attachmentTo(
  { instanceId, launchTime }: Instance,
  { deviceIndex, deleteOnTermination }: PlannedInterface,
): NonNullable<NetworkInterface['attachment']> {
  return {
    attachmentId: newId('networkInterfaceAttachment'),
    instanceId,
    deviceIndex,
    attachTime: launchTime,
    deleteOnTermination,
  };
}
