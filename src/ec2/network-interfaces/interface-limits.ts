import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { findInstanceType, INSTANCE_TYPES } from '../instance-types/instance-types.ts';

/** Of an interface that no instance has: what the largest type would let it have. */
const MOST_ADDRESSES = Math.max(...INSTANCE_TYPES.map(({ ipv4PerInterface }) => ipv4PerInterface));

/**
 * Throws `PrivateIpAddressLimitExceeded` when an interface has more addresses of a family than its instance's type
 * has places for (AWS: "IP addresses per network interface").
 */
export function checkAddressCount(
  { networkInterfaceId, secondaryPrivateIpAddresses, ipv6Addresses }: NetworkInterface,
  instanceType: string | undefined,
): void {
  const limit = instanceType === undefined ? MOST_ADDRESSES : findInstanceType(instanceType).ipv4PerInterface;
  for (const [family, count] of [
    ['private', 1 + secondaryPrivateIpAddresses.length],
    ['IPv6', ipv6Addresses.length],
  ] as const)
    if (count > limit)
      throw new Ec2Error(
        'PrivateIpAddressLimitExceeded',
        `${networkInterfaceId}: Number of ${family} addresses will exceed limit: ${count}, of ${limit}${instanceType === undefined ? '' : ` with ${instanceType}`}.`,
        { hint: 'a larger instance type: bonami type ls' },
      );
}

/** The type of the instance that an interface is attached to. */
export function typeOfHolder(db: Db, { attachment }: NetworkInterface): string | undefined {
  return attachment === null ? undefined : instances.get(db, attachment.instanceId)?.instanceType;
}

/** Throws `AttachmentLimitExceeded` when an instance's type has no place for one interface more. */
export function checkInterfaceCount(db: Db, { instanceId, instanceType }: Instance): void {
  const limit = findInstanceType(instanceType).maxNetworkInterfaces;
  const count = networkInterfaces.listBy(db, 'instance_id', instanceId).length + 1;
  if (count > limit)
    throw new Ec2Error(
      'AttachmentLimitExceeded',
      `Interface count ${count} exceeds the limit for ${instanceType}: '${instanceId}' may have ${limit}`,
      { hint: 'a larger instance type: bonami type ls' },
    );
}
