import type { CreateNetworkInterfaceRequest, PrivateIpAddressSpecification } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Subnet } from '../../store/vpcs.ts';
import { allocateIpv6Addresses, allocatePrivateAddresses } from './allocate-private-address.ts';

/** How CreateNetworkInterface, and RunInstances for each interface, say which addresses are wanted. */
export type AddressRequest = Pick<
  CreateNetworkInterfaceRequest,
  | 'PrivateIpAddress'
  | 'PrivateIpAddresses'
  | 'SecondaryPrivateIpAddressCount'
  | 'Ipv6Addresses'
  | 'Ipv6AddressCount'
>;

export type InterfaceAddresses = Pick<
  NetworkInterface,
  'privateIpAddress' | 'secondaryPrivateIpAddresses' | 'ipv6Addresses'
>;

/** Addresses for a new interface as its record has them. Inside the transaction that records it. */
export function allocateAddresses(db: Db, subnet: Subnet, request: AddressRequest): InterfaceAddresses {
  const [privateIpAddress = '', ...secondaryPrivateIpAddresses] = allocatePrivateAddresses(
    db,
    subnet,
    wantedPrivate(request),
  );
  const byDefault = subnet.assignIpv6AddressOnCreation ? 1 : 0;
  const ipv6Addresses = allocateIpv6Addresses(
    db,
    subnet,
    namedOrCounted('Ipv6Address', {
      named: request.Ipv6Addresses?.map(({ Ipv6Address }) => Ipv6Address),
      count: request.Ipv6AddressCount ?? (request.Ipv6Addresses?.length ? undefined : byDefault),
    }),
  );
  return {
    privateIpAddress,
    secondaryPrivateIpAddresses: [...secondaryPrivateIpAddresses],
    ipv6Addresses: [...ipv6Addresses],
  };
}

/** The primary one first; undefined stands for any. */
function wantedPrivate({
  PrivateIpAddress,
  PrivateIpAddresses = [],
  SecondaryPrivateIpAddressCount,
}: AddressRequest): readonly (string | undefined)[] {
  const primaries = [
    ...(PrivateIpAddress === undefined ? [] : [PrivateIpAddress]),
    ...PrivateIpAddresses.flatMap((each) => (each.Primary === true ? (each.PrivateIpAddress ?? '') : [])),
  ];
  if (new Set(primaries).size > 1)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Only one primary private IP address can be specified: ${primaries.join(', ')}`,
    );
  const isPrimary = ({ Primary, PrivateIpAddress: address }: PrivateIpAddressSpecification): boolean =>
    Primary === true || (address !== undefined && address === primaries[0]);
  const secondaries = PrivateIpAddresses.filter((each) => !isPrimary(each)).map(
    (each) => each.PrivateIpAddress,
  );
  return [
    primaries[0],
    ...namedOrCounted('PrivateIpAddress', { named: secondaries, count: SecondaryPrivateIpAddressCount }),
  ];
}

export interface NamedOrCounted {
  readonly named: readonly (string | undefined)[] | undefined;
  readonly count: number | undefined;
}

/** More than any interface can have. */
const MOST = 64;

/** Addresses are named or counted, not both. Throws `InvalidParameterCombination`. */
export function namedOrCounted(
  what: 'PrivateIpAddress' | 'Ipv6Address',
  { named = [], count }: NamedOrCounted,
): readonly (string | undefined)[] {
  if (named.length > 0 && count !== undefined)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `Addresses may be named or counted, not both: ${what} ${named.join(', ')} and a count of ${count}`,
    );
  if (count !== undefined && (!Number.isInteger(count) || count < 0 || count > MOST))
    throw new Ec2Error('InvalidParameterValue', `The number of addresses ${count} is not valid`, {
      hint: 'a small whole number',
    });
  const missing = named.findIndex((address) => address === undefined || address === '');
  if (missing >= 0)
    throw new Ec2Error(
      'MissingParameter',
      `The request must contain the parameter ${what} of entry ${missing + 1}`,
    );
  return count === undefined ? named : Array.from({ length: count }, () => undefined);
}
