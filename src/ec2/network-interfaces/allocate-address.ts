import { addressAt, containsAddress, parseCidr, parseIpv4, sizeOf } from '../../core/cidr.ts';
import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { addressesIn, type Subnet } from '../../store/network.ts';

/** EC2 keeps the first four addresses of a subnet and the last one (AWS: "Subnet CIDR blocks"). */
const RESERVED_FIRST = 4;
const RESERVED_LAST = 1;

/**
 * A free private address of a subnet: the wanted one, or the lowest that is free. Call it inside the transaction
 * that records it. Throws `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse` or `InvalidParameterValue`.
 */
export function allocateAddress(db: Db, subnet: Subnet, wanted?: string): string {
  const taken = addressesIn(db, subnet.subnetId);
  if (wanted !== undefined) return checkWanted(subnet, wanted, taken);
  const cidr = parseCidr(subnet.cidrBlock);
  for (let offset = RESERVED_FIRST; offset < sizeOf(cidr) - RESERVED_LAST; offset++) {
    const address = addressAt(cidr, offset);
    if (!taken.has(address)) return address;
  }
  throw new Ec2Error(
    'InsufficientFreeAddressesInSubnet',
    `The subnet '${subnet.subnetId}' (${subnet.cidrBlock}) has no free addresses`,
    {
      hint: 'terminate instances, or launch in another subnet: bonami subnet ls',
    },
  );
}

/** EC2's AvailableIpAddressCount. */
export function freeAddressCount(db: Db, subnet: Subnet): number {
  return (
    sizeOf(parseCidr(subnet.cidrBlock)) -
    RESERVED_FIRST -
    RESERVED_LAST -
    addressesIn(db, subnet.subnetId).size
  );
}

function checkWanted(subnet: Subnet, wanted: string, taken: ReadonlySet<string>): string {
  const cidr = parseCidr(subnet.cidrBlock);
  const value = parseIpv4(wanted);
  if (value === undefined || !containsAddress(cidr, value))
    throw new Ec2Error(
      'InvalidParameterValue',
      `Address ${wanted} does not fall within the subnet's address range ${subnet.cidrBlock}`,
    );
  const offset = value - cidr.network;
  if (offset < RESERVED_FIRST || offset >= sizeOf(cidr) - RESERVED_LAST)
    throw new Ec2Error('InvalidParameterValue', `Address ${wanted} is reserved in ${subnet.cidrBlock}`, {
      hint: 'the first four and the last are',
    });
  if (taken.has(wanted)) throw new Ec2Error('InvalidIPAddress.InUse', `Address ${wanted} is in use`);
  return wanted;
}
