import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import type { VpcPeeringConnection } from '../../store/gateways.ts';
import { recordOf } from '../resource-kinds.ts';

/** A connection that waits for its acceptance. Throws `InvalidStateTransition` for an active one. */
export function pendingPeering(db: Db, id: string): VpcPeeringConnection {
  const peering = recordOf(db, 'vpcPeeringConnection', id);
  if (peering.status !== 'pending-acceptance')
    throw new Ec2Error(
      'InvalidStateTransition',
      `VpcPeeringConnectionID ${peering.vpcPeeringConnectionId} is not in the correct state for the request: it is ${peering.status}`,
      { hint: 'bonami peering ls' },
    );
  return peering;
}
