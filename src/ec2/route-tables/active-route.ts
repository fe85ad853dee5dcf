import type { VpcId } from '../../core/ids.ts';
import type { Db } from '../../store/database.ts';
import { internetGateways, natGateways, vpcPeeringConnections } from '../../store/gateways.ts';
import { instances } from '../../store/instances.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Route } from '../../store/route-tables.ts';
import { ACTIVE_STATES } from '../instances/instance-state.ts';

/**
 * Whether a route of this VPC leads anywhere; otherwise it is a `blackhole`: its target is gone, a gateway that is
 * not attached here, a peering that is not active, an interface of no running instance (AWS: Route, State).
 */
export function isActiveRoute(db: Db, vpcId: VpcId, { target }: Route): boolean {
  switch (target.kind) {
    case 'internetGateway':
      return internetGateways.get(db, target.id)?.vpcId === vpcId;
    case 'natGateway':
      return natGateways.get(db, target.id)?.vpcId === vpcId;
    case 'vpcPeeringConnection': {
      const peering = vpcPeeringConnections.get(db, target.id);
      return (
        peering?.status === 'active' && (peering.requesterVpcId === vpcId || peering.accepterVpcId === vpcId)
      );
    }
    case 'networkInterface': {
      const each = networkInterfaces.get(db, target.id);
      if (each?.vpcId !== vpcId || each.attachment === null) return false;
      const instance = instances.get(db, each.attachment.instanceId);
      return instance !== undefined && ACTIVE_STATES.has(instance.state);
    }
  }
}
