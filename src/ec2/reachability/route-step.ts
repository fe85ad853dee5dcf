// What a route table says, and what to type where it leads nowhere.
import { familyOf } from '../../core/ip.ts';
import { blocksOf } from '../vpcs/router-spec.ts';
import type { VpcRecords } from '../vpcs/vpc-records.ts';
import { drop, pass, type Stage, type Step } from './explanation.ts';
import type { Place } from './place.ts';
import { routeText, type TableWay } from './way.ts';
import type { Route } from '../../store/route-tables.ts';

export interface RouteQuestion {
  readonly records: VpcRecords;
  /** Where it shall lead. */
  readonly to: Place;
  readonly address: string;
  readonly stage: Extract<Stage, 'route' | 'answer-route'>;
}

/** Passes for every way that leads somewhere, wherever that is. */
export function routeStep({ table, way }: TableWay, question: RouteQuestion): Step {
  const { records, stage, address } = question;
  switch (way.kind) {
    case 'local':
      return pass(stage, `${table}: ${way.block} is local`);
    case 'uplink':
    case 'peering':
    case 'machine':
      return pass(stage, `${table}: ${routeText(way.route)}`);
    case 'blackhole':
      return drop(
        stage,
        `${table}: ${routeText(way.route)} is a blackhole: ${blackholeReason(records, way.route)}`,
      );
    case 'none':
      return drop(stage, `${table}: no route to ${address}`, missingRouteHint(table, question));
  }
}

function blackholeReason(records: VpcRecords, { target, destination }: Route): string {
  const isIpv6 = familyOf(destination) === 6;
  switch (target.kind) {
    case 'internetGateway':
      if (records.internetGateway?.internetGatewayId !== target.id) return 'it is not attached to this VPC';
      return isIpv6 ? 'IPv6 leads to instances only, not outside' : 'it leads nowhere';
    case 'natGateway':
      return records.natGateways.some(({ natGatewayId }) => natGatewayId === target.id)
        ? 'its subnet has no route to an internet gateway'
        : 'the NAT gateway is gone';
    case 'vpcPeeringConnection':
      return 'the peering is not active';
    case 'networkInterface':
      return isIpv6
        ? 'no running instance has the interface with an IPv6 address'
        : 'no running instance has the interface';
  }
}

/** A route to where it shall lead, or what such a route would need first. */
function missingRouteHint(table: string, { records, to, address }: RouteQuestion): string | undefined {
  const [id = ''] = table.split(' ');
  const { vpcId } = records.vpc;
  if (('records' in to || to.kind === 'elastic') && !isByElastic(to)) {
    const peer = 'records' in to ? to.records.vpc : undefined;
    const peering = records.peerings.find((each) => each.peer.vpcId === peer?.vpcId);
    if (peer === undefined || peer.vpcId === vpcId) return undefined;
    if (peering === undefined) return `bonami peering create ${vpcId} ${peer.vpcId}`;
    const block = blocksOf(peer).find((each) => familyOf(each) === familyOf(address)) ?? '';
    return `bonami route add ${id} ${block} ${peering.connection.vpcPeeringConnectionId}`;
  }
  if (familyOf(address) === 6) return undefined;
  return records.internetGateway === undefined
    ? `bonami igw create --vpc ${vpcId}`
    : `bonami route add ${id} 0.0.0.0/0 ${records.internetGateway.internetGatewayId}`;
}

function isByElastic(place: Place): boolean {
  return place.kind === 'elastic' || (place.kind === 'interface' && place.named === 'elastic');
}
