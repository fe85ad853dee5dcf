import type { Subnet as Ec2Subnet } from '@aws-sdk/client-ec2';
import type { Subnet } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { freeAddressCount } from '../network-interfaces/allocate-private-address.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** EC2's Subnet. */
export function ec2Subnet(ctx: Ec2Context, subnet: Subnet): Ec2Subnet {
  return {
    SubnetId: subnet.subnetId,
    SubnetArn: subnetArn(ctx, subnet),
    VpcId: subnet.vpcId,
    CidrBlock: subnet.cidrBlock,
    Ipv6CidrBlockAssociationSet:
      subnet.ipv6 === null
        ? []
        : [
            {
              AssociationId: subnet.ipv6.associationId,
              Ipv6CidrBlock: subnet.ipv6.cidrBlock,
              Ipv6CidrBlockState: { State: 'associated' },
            },
          ],
    AvailabilityZone: subnet.availabilityZone,
    AvailableIpAddressCount: freeAddressCount(ctx.db, subnet),
    DefaultForAz: subnet.defaultForAz,
    MapPublicIpOnLaunch: subnet.mapPublicIpOnLaunch,
    MapCustomerOwnedIpOnLaunch: false,
    AssignIpv6AddressOnCreation: subnet.assignIpv6AddressOnCreation,
    EnableDns64: false,
    Ipv6Native: false,
    PrivateDnsNameOptionsOnLaunch: {
      HostnameType: 'ip-name',
      EnableResourceNameDnsARecord: false,
      EnableResourceNameDnsAAAARecord: false,
    },
    OwnerId: ctx.ownerId,
    State: 'available',
    Tags: ec2Tags(ctx.db, subnet.subnetId),
  };
}

export function subnetArn({ region, ownerId }: Ec2Context, { subnetId }: Subnet): string {
  return `arn:aws:ec2:${region}:${ownerId}:subnet/${subnetId}`;
}
