import type { DisassociateVpcCidrBlockRequest, DisassociateVpcCidrBlockResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { subnets, vpcs } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { primaryAssociationId } from './ec2-vpc.ts';
import { applyVpcNetwork } from './network.ts';

/**
 * EC2's DisassociateVpcCidrBlock. Throws `OperationNotPermitted` for the IPv4 block, `InvalidCidrBlock.InUse` while
 * subnets have a part of the IPv6 block.
 */
export async function disassociateVpcCidrBlock(
  ctx: Ec2Context,
  { AssociationId = '' }: DisassociateVpcCidrBlockRequest,
): Promise<DisassociateVpcCidrBlockResult> {
  const { vpcId, cidrBlock } = transact(ctx.db, () => {
    const all = vpcs.list(ctx.db);
    if (all.some((vpc) => primaryAssociationId(vpc) === AssociationId))
      throw new Ec2Error(
        'OperationNotPermitted',
        `The vpc CIDR block with association ID ${AssociationId} may not be disassociated. It is the primary IPv4 CIDR block of the VPC`,
      );
    const vpc = all.find(({ ipv6 }) => ipv6?.associationId === AssociationId);
    if (vpc?.ipv6 == null)
      throw new Ec2Error(
        'InvalidVpcCidrBlockAssociationID.NotFound',
        `The vpc CIDR block association ID '${AssociationId}' does not exist`,
        { hint: 'bonami vpc ls --json' },
      );
    const used = subnets.listBy(ctx.db, 'vpc_id', vpc.vpcId).find(({ ipv6 }) => ipv6 !== null);
    if (used !== undefined)
      throw new Ec2Error(
        'InvalidCidrBlock.InUse',
        `The vpc currently has a subnet within CIDR block ${vpc.ipv6.cidrBlock}: ${used.subnetId}`,
        { hint: `bonami subnet set ${used.subnetId} --ipv6 off` },
      );
    vpcs.update(ctx.db, { ...vpc, ipv6: null });
    return { vpcId: vpc.vpcId, cidrBlock: vpc.ipv6.cidrBlock };
  });
  await applyVpcNetwork(ctx, vpcId);
  return {
    VpcId: vpcId,
    Ipv6CidrBlockAssociation: {
      AssociationId,
      Ipv6CidrBlock: cidrBlock,
      Ipv6CidrBlockState: { State: 'disassociated' },
    },
  };
}
