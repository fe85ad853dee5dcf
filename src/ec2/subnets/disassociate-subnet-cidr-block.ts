import type {
  DisassociateSubnetCidrBlockRequest,
  DisassociateSubnetCidrBlockResult,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/** EC2's DisassociateSubnetCidrBlock. Throws `DependencyViolation` while interfaces have addresses of the block. */
export async function disassociateSubnetCidrBlock(
  ctx: Ec2Context,
  { AssociationId = '' }: DisassociateSubnetCidrBlockRequest,
): Promise<DisassociateSubnetCidrBlockResult> {
  const { subnetId, vpcId, block } = transact(ctx.db, () => {
    const subnet = subnets.list(ctx.db).find(({ ipv6 }) => ipv6?.associationId === AssociationId);
    if (subnet?.ipv6 == null)
      throw new Ec2Error(
        'InvalidSubnetCidrBlockAssociationID.NotFound',
        `The subnet CIDR block with association ID '${AssociationId}' does not exist`,
        { hint: 'bonami subnet ls --json' },
      );
    const users = networkInterfaces
      .listBy(ctx.db, 'subnet_id', subnet.subnetId)
      .filter(({ ipv6Addresses }) => ipv6Addresses.length > 0)
      .map(({ networkInterfaceId }) => networkInterfaceId);
    if (users.length > 0)
      throw new Ec2Error(
        'DependencyViolation',
        `The CIDR block ${subnet.ipv6.cidrBlock} has addresses in use: ${users.join(', ')}`,
        { hint: `bonami eni unassign ${users[0]} ADDRESS` },
      );
    subnets.update(ctx.db, { ...subnet, ipv6: null, assignIpv6AddressOnCreation: false });
    return { ...subnet, block: subnet.ipv6.cidrBlock };
  });
  await applyVpcNetwork(ctx, vpcId);
  return {
    SubnetId: subnetId,
    Ipv6CidrBlockAssociation: {
      AssociationId,
      Ipv6CidrBlock: block,
      Ipv6CidrBlockState: { State: 'disassociated' },
    },
  };
}
