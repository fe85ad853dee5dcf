import type {
  RejectVpcPeeringConnectionRequest,
  RejectVpcPeeringConnectionResult,
} from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { vpcPeeringConnections } from '../../store/gateways.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { pendingPeering } from './pending-peering.ts';

/** EC2's RejectVpcPeeringConnection; EC2 shows a rejected one for a while, here it is gone. Throws `InvalidStateTransition`. */
export function rejectVpcPeeringConnection(
  { db }: Ec2Context,
  { VpcPeeringConnectionId = '', DryRun }: RejectVpcPeeringConnectionRequest,
): RejectVpcPeeringConnectionResult {
  transact(db, () => {
    const { vpcPeeringConnectionId } = pendingPeering(db, VpcPeeringConnectionId);
    removeTags(db, vpcPeeringConnectionId);
    vpcPeeringConnections.remove(db, vpcPeeringConnectionId);
    endDryRun({ DryRun });
  });
  return { Return: true };
}
