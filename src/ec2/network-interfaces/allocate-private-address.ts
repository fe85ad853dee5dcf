import { addressAt, parseCidr, parseIpv4, sizeOf } from '../../core/cidr.ts';
import { Ec2Error } from '../../core/errors.ts';
import { addressAt6, familyOf, parseCidr6, parseIpv6 } from '../../core/ip.ts';
import type { Db } from '../../store/database.ts';
import { addressesIn } from '../../store/network-interfaces.ts';
import type { Subnet } from '../../store/vpcs.ts';

/** EC2 keeps the first four addresses of a subnet and the last one, of either family (AWS: "Subnet CIDR blocks"). */
const RESERVED_FIRST = 4n;
const RESERVED_LAST = 1n;

/**
 * A free private address of a subnet: the wanted one, or the lowest that is free. Call it inside the transaction
 * that records it. Throws `InsufficientFreeAddressesInSubnet`, `InvalidIPAddress.InUse` or `InvalidParameterValue`.
 */
export function allocatePrivateAddress(db: Db, subnet: Subnet, wanted?: string): string {
  const [address = ''] = allocatePrivateAddresses(db, subnet, [wanted]);
  return address;
}

/** The same for several at once, one for each entry: the wanted address, or a free one where nothing is wanted. */
export function allocatePrivateAddresses(
  db: Db,
  subnet: Subnet,
  wanted: readonly (string | undefined)[],
): readonly string[] {
  return allocate(db, subnet, { block: subnet.cidrBlock, wanted });
}

/** As allocatePrivateAddresses, of the subnet's IPv6 block, which it must have. */
export function allocateIpv6Addresses(
  db: Db,
  subnet: Subnet,
  wanted: readonly (string | undefined)[],
): readonly string[] {
  if (wanted.length === 0) return [];
  if (subnet.ipv6 === null)
    throw new Ec2Error(
      'InvalidParameterValue',
      `The subnet '${subnet.subnetId}' does not have an IPv6 CIDR block`,
      { hint: 'bonami subnet ls, for one that has' },
    );
  return allocate(db, subnet, { block: subnet.ipv6.cidrBlock, wanted });
}

/** EC2's AvailableIpAddressCount. */
export function freeAddressCount(db: Db, subnet: Subnet): number {
  const taken = [...addressesIn(db, subnet.subnetId)].filter((address) => familyOf(address) === 4);
  return sizeOf(parseCidr(subnet.cidrBlock)) - Number(RESERVED_FIRST + RESERVED_LAST) - taken.length;
}

interface Wanted {
  readonly block: string;
  readonly wanted: readonly (string | undefined)[];
}

function allocate(db: Db, subnet: Subnet, { block, wanted }: Wanted): readonly string[] {
  const range = rangeOf(block);
  const taken = new Set(addressesIn(db, subnet.subnetId));
  const take = (address: string): string => {
    taken.add(address);
    return address;
  };
  // What is named goes first: it must not be given away as the lowest free one.
  const named = wanted.map((each) =>
    each === undefined ? undefined : take(checkedWanted(range, each, taken)),
  );
  return named.map((each) => each ?? take(lowestFree(subnet, range, taken)));
}

function lowestFree(subnet: Subnet, range: Range, taken: ReadonlySet<string>): string {
  for (let offset = RESERVED_FIRST; offset < range.size - RESERVED_LAST; offset++) {
    const address = range.at(offset);
    if (!taken.has(address)) return address;
  }
  throw new Ec2Error(
    'InsufficientFreeAddressesInSubnet',
    `The subnet '${subnet.subnetId}' (${range.block}) has no free addresses`,
    {
      hint: 'terminate instances, or launch in another subnet: bonami subnet ls',
    },
  );
}

function checkedWanted(range: Range, wanted: string, taken: ReadonlySet<string>): string {
  const offset = range.offsetOf(wanted);
  if (offset === undefined || offset < 0n || offset >= range.size)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Address ${wanted} does not fall within the subnet's address range ${range.block}`,
    );
  if (offset < RESERVED_FIRST || offset >= range.size - RESERVED_LAST)
    throw new Ec2Error('InvalidParameterValue', `Address ${wanted} is reserved in ${range.block}`, {
      hint: 'the first four and the last are',
    });
  const address = range.at(offset);
  if (taken.has(address)) throw new Ec2Error('InvalidIPAddress.InUse', `Address ${address} is in use`);
  return address;
}

/** A block of either family, as places that are counted from its beginning. */
interface Range {
  readonly block: string;
  readonly size: bigint;
  at(offset: bigint): string;
  offsetOf(address: string): bigint | undefined;
}

function rangeOf(block: string): Range {
  if (familyOf(block) === 4) {
    const cidr = parseCidr(block);
    return {
      block,
      size: BigInt(sizeOf(cidr)),
      at: (offset) => addressAt(cidr, Number(offset)),
      offsetOf: (address) => {
        const value = parseIpv4(address);
        return value === undefined ? undefined : BigInt(value - cidr.network);
      },
    };
  }
  const cidr = parseCidr6(block);
  return {
    block,
    size: 1n << BigInt(128 - cidr.prefix),
    at: (offset) => addressAt6(cidr, offset),
    offsetOf: (address) => {
      const value = parseIpv6(address);
      return value === undefined ? undefined : value - cidr.network;
    },
  };
}
