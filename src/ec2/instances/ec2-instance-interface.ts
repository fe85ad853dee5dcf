import type { InstanceNetworkInterface, InstanceNetworkInterfaceAssociation } from '@aws-sdk/client-ec2';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Ec2Context } from '../context.ts';
import { associationsOf, ec2NetworkInterface } from '../network-interfaces/ec2-network-interface.ts';

/** An attached interface as its instance shows it: fewer fields than DescribeNetworkInterfaces, and other names. */
export function ec2InstanceInterface(
  ctx: Pick<Ec2Context, 'db' | 'region' | 'ownerId'>,
  each: NetworkInterface,
): InstanceNetworkInterface {
  const { Attachment: attachment, ...shown } = ec2NetworkInterface(ctx, each);
  const associated = associationsOf(ctx, each);
  return {
    NetworkInterfaceId: shown.NetworkInterfaceId,
    OwnerId: shown.OwnerId,
    Status: shown.Status,
    Description: shown.Description,
    MacAddress: shown.MacAddress,
    VpcId: shown.VpcId,
    SubnetId: shown.SubnetId,
    PrivateIpAddress: shown.PrivateIpAddress,
    PrivateDnsName: shown.PrivateDnsName,
    PrivateIpAddresses: (shown.PrivateIpAddresses ?? []).map((address) => ({
      Primary: address.Primary,
      PrivateIpAddress: address.PrivateIpAddress,
      PrivateDnsName: address.PrivateDnsName,
      ...associationOf(associated(address.PrivateIpAddress ?? '')),
    })),
    ...associationOf(associated(each.privateIpAddress)),
    Ipv6Addresses: each.ipv6Addresses.map((Ipv6Address) => ({ Ipv6Address, IsPrimaryIpv6: false })),
    Groups: shown.Groups,
    SourceDestCheck: shown.SourceDestCheck,
    InterfaceType: shown.InterfaceType,
    ...(attachment && {
      Attachment: {
        AttachmentId: attachment.AttachmentId,
        DeviceIndex: attachment.DeviceIndex,
        NetworkCardIndex: attachment.NetworkCardIndex,
        Status: attachment.Status,
        AttachTime: attachment.AttachTime,
        DeleteOnTermination: attachment.DeleteOnTermination,
      },
    }),
  };
}

function associationOf(association: ReturnType<ReturnType<typeof associationsOf>>): {
  readonly Association?: InstanceNetworkInterfaceAssociation;
} {
  if (association === undefined) return {};
  const { IpOwnerId, PublicDnsName, PublicIp } = association;
  return { Association: { IpOwnerId, PublicDnsName, PublicIp } };
}
