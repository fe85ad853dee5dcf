import type {
  DeleteVpcPeeringConnectionRequest,
  DeleteVpcPeeringConnectionResult,
} from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { vpcPeeringConnections } from '../../store/gateways.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';

/** EC2's DeleteVpcPeeringConnection; routes through it become blackholes on both sides. */
export async function deleteVpcPeeringConnection(
  ctx: Ec2Context,
  { VpcPeeringConnectionId = '', DryRun }: DeleteVpcPeeringConnectionRequest,
): Promise<DeleteVpcPeeringConnectionResult> {
  const { requesterVpcId, accepterVpcId } = transact(ctx.db, () => {
    const peering = recordOf(ctx.db, 'vpcPeeringConnection', VpcPeeringConnectionId);
    removeTags(ctx.db, peering.vpcPeeringConnectionId);
    vpcPeeringConnections.remove(ctx.db, peering.vpcPeeringConnectionId);
    endDryRun({ DryRun });
    return peering;
  });
  // Without the record neither side knows of the other any more.
  await applyVpcNetwork(ctx, requesterVpcId);
  await applyVpcNetwork(ctx, accepterVpcId);
  return { Return: true };
}
