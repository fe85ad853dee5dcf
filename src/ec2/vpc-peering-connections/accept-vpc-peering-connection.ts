import type {
  AcceptVpcPeeringConnectionRequest,
  AcceptVpcPeeringConnectionResult,
} from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { vpcPeeringConnections } from '../../store/gateways.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { ec2VpcPeeringConnection } from './ec2-vpc-peering-connection.ts';
import { pendingPeering } from './pending-peering.ts';

/** EC2's AcceptVpcPeeringConnection; traffic needs routes on both sides as well. Throws `InvalidStateTransition`. */
export async function acceptVpcPeeringConnection(
  ctx: Ec2Context,
  { VpcPeeringConnectionId = '', DryRun }: AcceptVpcPeeringConnectionRequest,
): Promise<AcceptVpcPeeringConnectionResult> {
  const peering = transact(ctx.db, () => {
    const active = { ...pendingPeering(ctx.db, VpcPeeringConnectionId), status: 'active' as const };
    vpcPeeringConnections.update(ctx.db, active);
    endDryRun({ DryRun });
    return active;
  });
  await applyVpcNetwork(ctx, peering.requesterVpcId);
  await applyVpcNetwork(ctx, peering.accepterVpcId);
  return { VpcPeeringConnection: ec2VpcPeeringConnection(ctx, peering) };
}
