import type { Instance as Ec2Instance, InstanceNetworkInterface } from '@aws-sdk/client-ec2';
import type { FilterTable } from '../filters.ts';

/** An instance as it is shown, with the request that launched it. */
export interface ShownInstance {
  readonly reservationId: string;
  readonly shown: Ec2Instance;
}

type Read<T> = (record: T) => string | undefined | readonly (string | undefined)[];

/** The filters of DescribeInstances (AWS: DescribeInstances, Filters), read from what is shown. */
export const INSTANCE_FILTERS: FilterTable<ShownInstance> = {
  ...of<ShownInstance>((record) => [record], {
    architecture: ({ shown }) => shown.Architecture,
    'availability-zone': ({ shown }) => shown.Placement?.AvailabilityZone,
    'block-device-mapping.device-name': ({ shown }) =>
      shown.BlockDeviceMappings?.map(({ DeviceName }) => DeviceName),
    'block-device-mapping.volume-id': ({ shown }) =>
      shown.BlockDeviceMappings?.map(({ Ebs }) => Ebs?.VolumeId),
    'client-token': ({ shown }) => shown.ClientToken,
    'dns-name': ({ shown }) => shown.PublicDnsName,
    'image-id': ({ shown }) => shown.ImageId,
    'instance-id': ({ shown }) => shown.InstanceId,
    'instance-state-code': ({ shown }) => String(shown.State?.Code),
    'instance-state-name': ({ shown }) => shown.State?.Name,
    'instance-type': ({ shown }) => shown.InstanceType,
    'instance.group-id': ({ shown }) => shown.SecurityGroups?.map(({ GroupId }) => GroupId),
    'instance.group-name': ({ shown }) => shown.SecurityGroups?.map(({ GroupName }) => GroupName),
    'ip-address': ({ shown }) => shown.PublicIpAddress,
    'ipv6-address': ({ shown }) => shown.Ipv6Address,
    'key-name': ({ shown }) => shown.KeyName,
    'launch-index': ({ shown }) => String(shown.AmiLaunchIndex),
    'private-dns-name': ({ shown }) => shown.PrivateDnsName,
    'private-ip-address': ({ shown }) => shown.PrivateIpAddress,
    'reservation-id': ({ reservationId }) => reservationId,
    'root-device-name': ({ shown }) => shown.RootDeviceName,
    'source-dest-check': ({ shown }) => String(shown.SourceDestCheck),
    'state-reason-code': ({ shown }) => shown.StateReason?.Code,
    'subnet-id': ({ shown }) => shown.SubnetId,
    'tag-key': ({ shown }) => shown.Tags?.map(({ Key }) => Key),
    'vpc-id': ({ shown }) => shown.VpcId,
  }),
  ...of<InstanceNetworkInterface>(({ shown }) => shown.NetworkInterfaces ?? [], {
    'network-interface.addresses.association.ip-owner-id': (each) =>
      each.PrivateIpAddresses?.map(({ Association }) => Association?.IpOwnerId),
    'network-interface.addresses.association.public-ip': (each) =>
      each.PrivateIpAddresses?.map(({ Association }) => Association?.PublicIp),
    'network-interface.addresses.primary': (each) =>
      each.PrivateIpAddresses?.map(({ Primary }) => String(Primary)),
    'network-interface.addresses.private-ip-address': (each) =>
      each.PrivateIpAddresses?.map(({ PrivateIpAddress }) => PrivateIpAddress),
    'network-interface.association.ip-owner-id': (each) => each.Association?.IpOwnerId,
    'network-interface.association.public-ip': (each) => each.Association?.PublicIp,
    'network-interface.attachment.attachment-id': (each) => each.Attachment?.AttachmentId,
    'network-interface.attachment.delete-on-termination': (each) =>
      String(each.Attachment?.DeleteOnTermination),
    'network-interface.attachment.device-index': (each) => String(each.Attachment?.DeviceIndex),
    'network-interface.attachment.status': (each) => each.Attachment?.Status,
    'network-interface.description': (each) => each.Description,
    'network-interface.group-id': (each) => each.Groups?.map(({ GroupId }) => GroupId),
    'network-interface.group-name': (each) => each.Groups?.map(({ GroupName }) => GroupName),
    'network-interface.ipv6-addresses.ipv6-address': (each) =>
      each.Ipv6Addresses?.map(({ Ipv6Address }) => Ipv6Address),
    'network-interface.mac-address': (each) => each.MacAddress,
    'network-interface.network-interface-id': (each) => each.NetworkInterfaceId,
    'network-interface.owner-id': (each) => each.OwnerId,
    'network-interface.private-dns-name': (each) => each.PrivateDnsName,
    'network-interface.private-ip-address': (each) => each.PrivateIpAddress,
    'network-interface.source-dest-check': (each) => String(each.SourceDestCheck),
    'network-interface.status': (each) => each.Status,
    'network-interface.subnet-id': (each) => each.SubnetId,
    'network-interface.vpc-id': (each) => each.VpcId,
  }),
  'tag:*': ({ shown }, key) =>
    (shown.Tags ?? []).flatMap(({ Key, Value = '' }) => (Key === key ? [Value] : [])),
};

/** A table that reads parts of an instance; what a part does not have matches no value. */
function of<T>(
  parts: (record: ShownInstance) => readonly T[],
  readers: Readonly<Record<string, Read<T>>>,
): FilterTable<ShownInstance> {
  return Object.fromEntries(
    Object.entries(readers).map(([name, read]) => [
      name,
      (record: ShownInstance) =>
        parts(record)
          .flatMap((part) => read(part))
          .filter((value) => value !== undefined),
    ]),
  );
}
