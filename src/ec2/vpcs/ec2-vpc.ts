import type { Vpc as Ec2Vpc } from '@aws-sdk/client-ec2';
import type { Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** The association of a VPC's first IPv4 block, which is as old and as unique as the VPC. */
export function primaryAssociationId({ vpcId }: Pick<Vpc, 'vpcId'>): string {
  return vpcId.replace('vpc-', 'vpc-cidr-assoc-');
}

/** EC2's Vpc. */
export function ec2Vpc({ db, ownerId, region }: Ec2Context, vpc: Vpc): Ec2Vpc {
  return {
    VpcId: vpc.vpcId,
    CidrBlock: vpc.cidrBlock,
    CidrBlockAssociationSet: [
      {
        AssociationId: primaryAssociationId(vpc),
        CidrBlock: vpc.cidrBlock,
        CidrBlockState: { State: 'associated' },
      },
    ],
    Ipv6CidrBlockAssociationSet:
      vpc.ipv6 === null
        ? []
        : [
            {
              AssociationId: vpc.ipv6.associationId,
              Ipv6CidrBlock: vpc.ipv6.cidrBlock,
              Ipv6CidrBlockState: { State: 'associated' },
              NetworkBorderGroup: region,
              Ipv6Pool: 'Amazon',
            },
          ],
    DhcpOptionsId: vpc.dhcpOptionsId ?? 'default',
    IsDefault: vpc.isDefault,
    OwnerId: ownerId,
    State: 'available',
    InstanceTenancy: 'default',
    Tags: ec2Tags(db, vpc.vpcId),
  };
}
