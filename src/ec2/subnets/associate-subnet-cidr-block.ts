import type { AssociateSubnetCidrBlockRequest, AssociateSubnetCidrBlockResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { checkedIpv6SubnetBlock } from './subnet-blocks.ts';

/** EC2's AssociateSubnetCidrBlock: a /64 of the VPC's IPv6 block. Throws `Resource.AlreadyAssociated`. */
export async function associateSubnetCidrBlock(
  ctx: Ec2Context,
  { SubnetId = '', Ipv6CidrBlock }: AssociateSubnetCidrBlockRequest,
): Promise<AssociateSubnetCidrBlockResult> {
  if (Ipv6CidrBlock === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter ipv6CidrBlock');
  const { subnetId, vpcId, ipv6 } = transact(ctx.db, () => {
    const subnet = recordOf(ctx.db, 'subnet', SubnetId);
    if (subnet.ipv6 !== null)
      throw new Ec2Error(
        'Resource.AlreadyAssociated',
        `The subnet '${subnet.subnetId}' already has the IPv6 CIDR block ${subnet.ipv6.cidrBlock}`,
      );
    const vpc = recordOf(ctx.db, 'vpc', subnet.vpcId);
    const association = {
      associationId: newId('subnetCidrAssociation'),
      cidrBlock: checkedIpv6SubnetBlock(ctx.db, vpc, Ipv6CidrBlock),
    };
    subnets.update(ctx.db, { ...subnet, ipv6: association });
    return { ...subnet, ipv6: association };
  });
  await applyVpcNetwork(ctx, vpcId);
  return {
    SubnetId: subnetId,
    Ipv6CidrBlockAssociation: {
      AssociationId: ipv6.associationId,
      Ipv6CidrBlock: ipv6.cidrBlock,
      Ipv6CidrBlockState: { State: 'associated' },
    },
  };
}
