import * as z from 'zod';
import { idOf } from './schemas.ts';
import { table } from './table.ts';

const target = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('internetGateway'), id: idOf('internetGateway') }),
  z.strictObject({ kind: z.literal('natGateway'), id: idOf('natGateway') }),
  z.strictObject({ kind: z.literal('networkInterface'), id: idOf('networkInterface') }),
  z.strictObject({ kind: z.literal('vpcPeeringConnection'), id: idOf('vpcPeeringConnection') }),
]);

const route = z.strictObject({
  /** An IPv4 or IPv6 block in its canonical form. */
  destination: z.string(),
  /** What is gone leaves the route as a `blackhole` (AWS: Route, State). */
  target,
});

const routeTable = z.strictObject({
  routeTableId: idOf('routeTable'),
  vpcId: idOf('vpc'),
  /** Without the local ones, which every table has. Each destination once. */
  routes: z.array(route),
});

/** EC2's RouteTable and Route. Which subnets use a table is in the subnets' records, the main one in the VPC's. */
export type RouteTarget = z.infer<typeof target>;
export type Route = z.infer<typeof route>;
export type RouteTable = z.infer<typeof routeTable>;

export const routeTables = table<RouteTable>({
  name: 'route_tables',
  schema: routeTable,
  id: ({ routeTableId }) => routeTableId,
  columns: ({ vpcId }) => ({ vpc_id: vpcId }),
});
