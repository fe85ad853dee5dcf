import type {
  DescribeRouteTablesRequest,
  DescribeRouteTablesResult,
  Route,
  RouteTable,
  RouteTableAssociation,
} from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';
import { ec2RouteTable } from './ec2-route-table.ts';

/** EC2's DescribeRouteTables. Throws `InvalidRouteTableID.NotFound`. */
export async function describeRouteTables(
  ctx: Ec2Context,
  { RouteTableIds = [], Filters = [] }: DescribeRouteTablesRequest,
): Promise<DescribeRouteTablesResult> {
  await ensureDefaultVpc(ctx);
  const tests = filterTests<RouteTable>(Filters, routeTableFilters(ctx));
  return {
    RouteTables: recordsOf(ctx.db, 'routeTable', RouteTableIds)
      .map((table) => ec2RouteTable(ctx, table))
      .filter((table) => tests.every((test) => test(table))),
  };
}

function routeTableFilters(ctx: Ec2Context): FilterTable<RouteTable> {
  const ofRoutes =
    (read: (route: Route) => string | undefined) =>
    ({ Routes = [] }: RouteTable): readonly string[] =>
      Routes.flatMap((route) => read(route) ?? []);
  const ofAssociations =
    (read: (association: RouteTableAssociation) => string | undefined) =>
    ({ Associations = [] }: RouteTable): readonly string[] =>
      Associations.flatMap((association) => read(association) ?? []);
  const id = ({ RouteTableId = '' }: RouteTable): string => RouteTableId;
  return {
    'association.main': ofAssociations(({ Main }) => String(Main)),
    'association.route-table-association-id': ofAssociations((each) => each.RouteTableAssociationId),
    'association.route-table-id': ofAssociations(({ RouteTableId }) => RouteTableId),
    'association.subnet-id': ofAssociations(({ SubnetId }) => SubnetId),
    'owner-id': () => ctx.ownerId,
    'route-table-id': id,
    'route.destination-cidr-block': ofRoutes(({ DestinationCidrBlock }) => DestinationCidrBlock),
    'route.destination-ipv6-cidr-block': ofRoutes((each) => each.DestinationIpv6CidrBlock),
    'route.gateway-id': ofRoutes(({ GatewayId }) => GatewayId),
    'route.instance-id': ofRoutes(({ InstanceId }) => InstanceId),
    'route.nat-gateway-id': ofRoutes(({ NatGatewayId }) => NatGatewayId),
    'route.origin': ofRoutes(({ Origin }) => Origin),
    'route.state': ofRoutes(({ State }) => State),
    'route.vpc-peering-connection-id': ofRoutes((each) => each.VpcPeeringConnectionId),
    'vpc-id': ({ VpcId = '' }) => VpcId,
    ...tagFilters<RouteTable>(ctx.db, id),
  };
}
