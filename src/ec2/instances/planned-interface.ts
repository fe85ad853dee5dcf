import type { InstanceNetworkInterfaceSpecification } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { NetworkInterfaceId, SecurityGroupId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { subnets, type Subnet } from '../../store/vpcs.ts';
import { checkedDescription } from '../network-interfaces/checked-description.ts';
import type { AddressRequest } from '../network-interfaces/requested-addresses.ts';
import { recordOf } from '../resource-kinds.ts';
import { resolveSecurityGroups } from '../security-groups/resolve-security-groups.ts';
import { availableInterface } from '../network-interfaces/available-interface.ts';

export type PlannedInterface = PresentInterface | NewInterface;

interface Place {
  readonly deviceIndex: number;
  readonly deleteOnTermination: boolean;
  readonly subnet: Subnet;
  readonly securityGroupIds: readonly SecurityGroupId[];
}
export interface PresentInterface extends Place {
  readonly networkInterfaceId: NetworkInterfaceId;
}
export interface NewInterface extends Place {
  readonly networkInterfaceId: undefined;
  readonly description: string;
  readonly addresses: AddressRequest;
}

/** What one interface of a request means; `byDefault` is the subnet of one that names none. */
export function plannedInterface(
  db: Db,
  specification: InstanceNetworkInterfaceSpecification,
  byDefault: Subnet | undefined,
): PlannedInterface {
  refuseUnsupported(specification);
  const deviceIndex = checkedIndex(specification.DeviceIndex);
  const { NetworkInterfaceId, DeleteOnTermination } = specification;
  if (NetworkInterfaceId !== undefined)
    return presentInterface(db, NetworkInterfaceId, {
      deviceIndex,
      specification,
      // What was made by itself outlives the instance (AWS: "Delete a network interface").
      deleteOnTermination: DeleteOnTermination ?? false,
    });
  const subnet =
    specification.SubnetId === undefined ? byDefault : recordOf(db, 'subnet', specification.SubnetId);
  if (subnet === undefined) throw new Error('an interface without a subnet was planned');
  const groups = resolveSecurityGroups(db, subnet.vpcId, specification.Groups ?? []);
  const { PrivateIpAddress, PrivateIpAddresses, SecondaryPrivateIpAddressCount } = specification;
  const { Ipv6AddressCount, Ipv6Addresses } = specification;
  return {
    networkInterfaceId: undefined,
    deviceIndex,
    deleteOnTermination: DeleteOnTermination ?? true,
    subnet,
    securityGroupIds: groups.map(({ groupId }) => groupId),
    description: checkedDescription(specification.Description ?? ''),
    addresses: {
      PrivateIpAddress,
      PrivateIpAddresses,
      SecondaryPrivateIpAddressCount,
      Ipv6AddressCount,
      Ipv6Addresses,
    },
  };
}

function presentInterface(
  db: Db,
  id: string,
  {
    deviceIndex,
    deleteOnTermination,
    specification,
  }: Pick<Place, 'deviceIndex' | 'deleteOnTermination'> & {
    readonly specification: InstanceNetworkInterfaceSpecification;
  },
): PresentInterface {
  const own = {
    subnet: specification.SubnetId,
    'set of security groups': specification.Groups?.[0],
    'private address':
      specification.PrivateIpAddress ??
      specification.PrivateIpAddresses?.[0] ??
      specification.SecondaryPrivateIpAddressCount,
    'set of IPv6 addresses': specification.Ipv6AddressCount ?? specification.Ipv6Addresses?.[0],
    description: specification.Description,
  };
  for (const [what, value] of Object.entries(own))
    if (value !== undefined)
      throw new Ec2Error(
        'InvalidParameterCombination',
        `A network interface may not specify both a network interface ID and a ${what}`,
        { hint: `${id} has its own` },
      );
  const present = availableInterface(db, id);
  const subnet = subnets.get(db, present.subnetId);
  if (subnet === undefined) throw new Error(`${id} is in a subnet that is not recorded`);
  return {
    networkInterfaceId: present.networkInterfaceId,
    deviceIndex,
    deleteOnTermination,
    subnet,
    securityGroupIds: present.securityGroupIds,
  };
}

function refuseUnsupported({
  InterfaceType = 'interface',
  NetworkCardIndex = 0,
  Ipv4Prefixes,
  Ipv4PrefixCount,
  Ipv6Prefixes,
  Ipv6PrefixCount,
  AssociatePublicIpAddress,
}: InstanceNetworkInterfaceSpecification): void {
  if (InterfaceType !== 'interface')
    throw new Ec2Error(
      'UnsupportedOperation',
      `Interfaces of the type '${InterfaceType}' are not supported`,
      {
        hint: 'leave InterfaceType out',
      },
    );
  if (NetworkCardIndex !== 0)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${NetworkCardIndex}) for parameter networkCardIndex is invalid. Instances have one network card.`,
      { hint: 'leave NetworkCardIndex out' },
    );
  if ((Ipv4Prefixes ?? Ipv4PrefixCount ?? Ipv6Prefixes ?? Ipv6PrefixCount) !== undefined)
    throw new Ec2Error('UnsupportedOperation', 'Prefix delegation is not supported', {
      hint: 'SecondaryPrivateIpAddressCount',
    });
  if (AssociatePublicIpAddress === true)
    throw new Ec2Error(
      'UnsupportedOperation',
      'There are no public addresses but elastic ones, which are associated after the launch',
      { hint: 'bonami eip allocate, then bonami eip associate' },
    );
}

function checkedIndex(deviceIndex: number | undefined): number {
  if (deviceIndex === undefined)
    throw new Ec2Error('InvalidParameterValue', 'Each network interface requires a device index.', {
      hint: 'DeviceIndex=0 for the first',
    });
  if (!Number.isInteger(deviceIndex) || deviceIndex < 0 || deviceIndex > 255)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${deviceIndex}) for parameter deviceIndex is invalid.`,
      { hint: 'a whole number from 0' },
    );
  return deviceIndex;
}
