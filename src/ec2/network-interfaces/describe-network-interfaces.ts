import type { DescribeNetworkInterfacesRequest, DescribeNetworkInterfacesResult } from '@aws-sdk/client-ec2';
import { networkInterfaces, securityGroups, subnets, type NetworkInterface } from '../../store/network.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';

/** EC2's DescribeNetworkInterfaces. */
export function describeNetworkInterfaces(
  ctx: Ec2Context,
  { NetworkInterfaceIds = [], Filters = [] }: DescribeNetworkInterfacesRequest,
): DescribeNetworkInterfacesResult {
  const tests = filterTests<NetworkInterface>(Filters, {
    'attachment.instance-id': ({ attachment }) => attachment?.instanceId ?? [],
    'group-id': ({ securityGroupIds }) => securityGroupIds,
    'mac-address': ({ macAddress }) => macAddress,
    'network-interface-id': ({ networkInterfaceId }) => networkInterfaceId,
    'private-ip-address': ({ privateIpAddress }) => privateIpAddress,
    'subnet-id': ({ subnetId }) => subnetId,
    'vpc-id': ({ vpcId }) => vpcId,
  });
  const found = networkInterfaces
    .list(ctx.db)
    .filter(
      ({ networkInterfaceId }) =>
        NetworkInterfaceIds.length === 0 || NetworkInterfaceIds.includes(networkInterfaceId),
    )
    .filter((each) => tests.every((test) => test(each)));
  return {
    NetworkInterfaces: found.map((each) => ({
      NetworkInterfaceId: each.networkInterfaceId,
      VpcId: each.vpcId,
      SubnetId: each.subnetId,
      AvailabilityZone: subnets.get(ctx.db, each.subnetId)?.availabilityZone ?? '',
      Description: each.description,
      OwnerId: ctx.ownerId,
      MacAddress: each.macAddress,
      PrivateIpAddress: each.privateIpAddress,
      PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: each.privateIpAddress }],
      Groups: each.securityGroupIds.map((id) => ({
        GroupId: id,
        GroupName: securityGroups.get(ctx.db, id)?.groupName ?? '',
      })),
      InterfaceType: 'interface',
      SourceDestCheck: true,
      Status: each.attachment === null ? 'available' : 'in-use',
      ...(each.attachment === null
        ? {}
        : {
            Attachment: {
              AttachmentId: each.attachment.attachmentId,
              InstanceId: each.attachment.instanceId,
              InstanceOwnerId: ctx.ownerId,
              DeviceIndex: each.attachment.deviceIndex,
              DeleteOnTermination: each.attachment.deleteOnTermination,
              Status: 'attached' as const,
            },
          }),
      TagSet: Object.entries(tagsOf(ctx.db, each.networkInterfaceId)).map(([Key, Value]) => ({ Key, Value })),
    })),
  };
}
