import type {
  DescribeNetworkInterfacesRequest,
  DescribeNetworkInterfacesResult,
  NetworkInterface as Ec2NetworkInterface,
} from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { ec2NetworkInterface } from './ec2-network-interface.ts';

/** By what is shown: EC2's filters are named after its own fields (AWS: DescribeNetworkInterfaces). */
const FILTERS: FilterTable<Ec2NetworkInterface> = {
  'addresses.association.owner-id': (each) => addresses(each, (one) => one.Association?.IpOwnerId),
  'addresses.association.public-ip': (each) => addresses(each, (one) => one.Association?.PublicIp),
  'addresses.primary': (each) => addresses(each, (one) => one.Primary),
  'addresses.private-ip-address': (each) => addresses(each, (one) => one.PrivateIpAddress),
  'association.allocation-id': (each) => text(each.Association?.AllocationId),
  'association.association-id': (each) => text(each.Association?.AssociationId),
  'association.ip-owner-id': (each) => text(each.Association?.IpOwnerId),
  'association.public-dns-name': (each) => text(each.Association?.PublicDnsName),
  'association.public-ip': (each) => text(each.Association?.PublicIp),
  'attachment.attach-time': (each) => text(each.Attachment?.AttachTime?.toISOString()),
  'attachment.attachment-id': (each) => text(each.Attachment?.AttachmentId),
  'attachment.delete-on-termination': (each) => text(each.Attachment?.DeleteOnTermination),
  'attachment.device-index': (each) => text(each.Attachment?.DeviceIndex),
  'attachment.instance-id': (each) => text(each.Attachment?.InstanceId),
  'attachment.instance-owner-id': (each) => text(each.Attachment?.InstanceOwnerId),
  'attachment.status': (each) => text(each.Attachment?.Status),
  'availability-zone': (each) => text(each.AvailabilityZone),
  description: (each) => text(each.Description),
  'group-id': (each) => (each.Groups ?? []).flatMap(({ GroupId }) => text(GroupId)),
  'group-name': (each) => (each.Groups ?? []).flatMap(({ GroupName }) => text(GroupName)),
  'interface-type': (each) => text(each.InterfaceType),
  'ipv6-addresses.ipv6-address': (each) =>
    (each.Ipv6Addresses ?? []).flatMap(({ Ipv6Address }) => text(Ipv6Address)),
  'mac-address': (each) => text(each.MacAddress),
  'network-interface-id': (each) => text(each.NetworkInterfaceId),
  'owner-id': (each) => text(each.OwnerId),
  'private-dns-name': (each) => text(each.PrivateDnsName),
  'private-ip-address': (each) => text(each.PrivateIpAddress),
  'requester-id': (each) => text(each.RequesterId),
  'requester-managed': (each) => text(each.RequesterManaged),
  'source-dest-check': (each) => text(each.SourceDestCheck),
  status: (each) => text(each.Status),
  'subnet-id': (each) => text(each.SubnetId),
  'tag-key': (each) => (each.TagSet ?? []).flatMap(({ Key }) => text(Key)),
  'tag:*': (each, key) => (each.TagSet ?? []).flatMap(({ Key, Value }) => (Key === key ? text(Value) : [])),
  'vpc-id': (each) => text(each.VpcId),
};

/** EC2's DescribeNetworkInterfaces. Throws `InvalidNetworkInterfaceID.NotFound`. */
export function describeNetworkInterfaces(
  ctx: Ec2Context,
  { NetworkInterfaceIds = [], Filters = [] }: DescribeNetworkInterfacesRequest,
): DescribeNetworkInterfacesResult {
  const tests = filterTests(Filters, FILTERS);
  const found = recordsOf(ctx.db, 'networkInterface', NetworkInterfaceIds)
    .map((each) => ec2NetworkInterface(ctx, each))
    .filter((each) => tests.every((test) => test(each)));
  return { NetworkInterfaces: found };
}

type Value = string | number | boolean | undefined;
type OneAddress = NonNullable<Ec2NetworkInterface['PrivateIpAddresses']>[number];

function text(value: Value): readonly string[] {
  return value === undefined ? [] : [String(value)];
}

function addresses(
  { PrivateIpAddresses = [] }: Ec2NetworkInterface,
  read: (one: OneAddress) => Value,
): string[] {
  return PrivateIpAddresses.flatMap((one) => text(read(one)));
}
