import type {
  NetworkInterface as Ec2NetworkInterface,
  NetworkInterfaceAssociation,
} from '@aws-sdk/client-ec2';
import type { Address } from '../../store/addresses.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import { securityGroups } from '../../store/security-groups.ts';
import { subnets } from '../../store/vpcs.ts';
import { addressesOfInterface } from '../addresses/associations.ts';
import type { Ec2Context } from '../context.ts';
import { privateDnsName } from '../../core/private-names.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

type Facts = Pick<Ec2Context, 'db' | 'ownerId' | 'region'>;

/** A network interface as EC2's DescribeNetworkInterfaces shows it. */
export function ec2NetworkInterface(ctx: Facts, each: NetworkInterface): Ec2NetworkInterface {
  const { db, ownerId, region } = ctx;
  const association = associationsOf(ctx, each);
  const isManaged = each.interfaceType !== 'interface';
  return {
    NetworkInterfaceId: each.networkInterfaceId,
    VpcId: each.vpcId,
    SubnetId: each.subnetId,
    AvailabilityZone: subnets.get(db, each.subnetId)?.availabilityZone ?? '',
    Description: each.description,
    OwnerId: ownerId,
    RequesterManaged: isManaged,
    ...(isManaged ? { RequesterId: ownerId } : {}),
    MacAddress: each.macAddress,
    PrivateIpAddress: each.privateIpAddress,
    PrivateDnsName: privateDnsName(each.privateIpAddress, region),
    PrivateIpAddresses: [each.privateIpAddress, ...each.secondaryPrivateIpAddresses].map(
      (address, index) => ({
        Primary: index === 0,
        PrivateIpAddress: address,
        PrivateDnsName: privateDnsName(address, region),
        ...withAssociation(association(address)),
      }),
    ),
    ...withAssociation(association(each.privateIpAddress)),
    Ipv6Addresses: each.ipv6Addresses.map((Ipv6Address) => ({ Ipv6Address, IsPrimaryIpv6: false })),
    ...(each.ipv6Addresses[0] === undefined ? {} : { Ipv6Address: each.ipv6Addresses[0] }),
    Groups: each.securityGroupIds.map((id) => ({
      GroupId: id,
      GroupName: securityGroups.get(db, id)?.groupName ?? '',
    })),
    // EC2 answers a name that the SDK's enumeration spells otherwise.
    InterfaceType: each.interfaceType as NonNullable<Ec2NetworkInterface['InterfaceType']>,
    SourceDestCheck: each.sourceDestCheck,
    Status: statusOf(each),
    ...attachmentOf(ctx, each),
    TagSet: ec2Tags(db, each.networkInterfaceId),
  };
}

/** A NAT gateway's is in use by the gateway. */
export function statusOf({ attachment, interfaceType }: NetworkInterface): 'available' | 'in-use' {
  return attachment === null && interfaceType === 'interface' ? 'available' : 'in-use';
}

function attachmentOf(
  { ownerId }: Facts,
  { attachment }: NetworkInterface,
): Pick<Ec2NetworkInterface, 'Attachment'> {
  if (attachment === null) return {};
  return {
    Attachment: {
      AttachmentId: attachment.attachmentId,
      InstanceId: attachment.instanceId,
      InstanceOwnerId: ownerId,
      DeviceIndex: attachment.deviceIndex,
      NetworkCardIndex: 0,
      AttachTime: new Date(attachment.attachTime),
      DeleteOnTermination: attachment.deleteOnTermination,
      Status: 'attached',
    },
  };
}

/** What stands for an interface's private addresses outside, by private address. */
export function associationsOf(
  { db, ownerId }: Facts,
  { networkInterfaceId }: NetworkInterface,
): (privateIpAddress: string) => NetworkInterfaceAssociation | undefined {
  const elastic = addressesOfInterface(db, networkInterfaceId);
  return (privateIpAddress) => {
    const found = elastic.find(({ association }) => association?.privateIpAddress === privateIpAddress);
    return found === undefined ? undefined : ec2Association(found, ownerId);
  };
}

function ec2Association(
  { allocationId, association, publicIp }: Address,
  ownerId: string,
): NetworkInterfaceAssociation {
  return {
    AllocationId: allocationId,
    ...(association === null ? {} : { AssociationId: association.associationId }),
    IpOwnerId: ownerId,
    // No name server of ours answers outside of a VPC.
    PublicDnsName: '',
    PublicIp: publicIp,
  };
}

function withAssociation(Association: NetworkInterfaceAssociation | undefined): {
  readonly Association?: NetworkInterfaceAssociation;
} {
  return Association === undefined ? {} : { Association };
}
