// Where a subnet's traffic goes: the longest block wins, the VPC's own among them (AWS: "Route priority"). Pure.
import { blockContains, familyOf, prefixOf } from '../../core/ip.ts';
import type { Route } from '../../store/route-tables.ts';
import type { Subnet } from '../../store/vpcs.ts';
import { blocksOf, routeTableOf, waysOut } from '../vpcs/router-spec.ts';
import type { Peering, PluggedInterface, VpcRecords } from '../vpcs/vpc-records.ts';

export type Way =
  | { readonly kind: 'local'; readonly block: string }
  | { readonly kind: 'uplink'; readonly route: Route; readonly natAddress: string | undefined }
  | { readonly kind: 'peering'; readonly route: Route; readonly peering: Peering }
  | { readonly kind: 'machine'; readonly route: Route; readonly plugged: PluggedInterface }
  | { readonly kind: 'blackhole'; readonly route: Route }
  | { readonly kind: 'none' };

export interface TableWay {
  /** The table that says so, for a sentence. */
  readonly table: string;
  readonly way: Way;
}

/** Never beyond the router, whatever a route says. */
export const LINK_LOCAL = '169.254.0.0/16';

export function wayFrom(records: VpcRecords, subnet: Subnet, address: string): TableWay {
  const found = routeTableOf(records, subnet);
  const id = found?.routeTableId ?? '';
  const table = subnet.routeTable === null ? `${id} (main)` : id;
  const local = [...blocksOf(records.vpc), LINK_LOCAL].find((block) => blockContains(block, address));
  const [best] = (found?.routes ?? [])
    .filter(({ destination }) => blockContains(destination, address))
    .toSorted((a, b) => prefixOf(b.destination) - prefixOf(a.destination));
  if (local !== undefined && prefixOf(local) >= (best === undefined ? 0 : prefixOf(best.destination)))
    return { table, way: { kind: 'local', block: local } };
  return { table, way: best === undefined ? { kind: 'none' } : wayOf(records, subnet, best) };
}

function wayOf(records: VpcRecords, subnet: Subnet, route: Route): Way {
  const { target, destination } = route;
  switch (target.kind) {
    case 'internetGateway':
    case 'natGateway': {
      const out = waysOut(records, subnet).find((each) => each.destination === destination);
      // IPv6 goes between instances only.
      if (out === undefined || familyOf(destination) === 6) return { kind: 'blackhole', route };
      return { kind: 'uplink', route, natAddress: out.source };
    }
    case 'vpcPeeringConnection': {
      const peering = records.peerings.find(
        ({ connection }) => connection.vpcPeeringConnectionId === target.id,
      );
      return peering === undefined ? { kind: 'blackhole', route } : { kind: 'peering', route, peering };
    }
    case 'networkInterface': {
      const plugged = records.plugged.find(
        ({ networkInterface }) => networkInterface.networkInterfaceId === target.id,
      );
      const hasFamily =
        familyOf(destination) === 4 || (plugged?.networkInterface.ipv6Addresses.length ?? 0) > 0;
      return plugged === undefined || !hasFamily
        ? { kind: 'blackhole', route }
        : { kind: 'machine', route, plugged };
    }
  }
}

/** `0.0.0.0/0 → igw-…`, for people. */
export function routeText({ destination, target }: Route): string {
  return `${destination} to ${target.id}`;
}
