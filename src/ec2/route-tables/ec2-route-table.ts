import type {
  Route as Ec2Route,
  RouteTable as Ec2RouteTable,
  RouteTableAssociation,
} from '@aws-sdk/client-ec2';
import type { RouteTableId, VpcId } from '../../core/ids.ts';
import { familyOf } from '../../core/ip.ts';
import type { Db } from '../../store/database.ts';
import { networkInterfaces } from '../../store/network-interfaces.ts';
import type { Route, RouteTable } from '../../store/route-tables.ts';
import { subnets, vpcs, type Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';
import { blocksOf } from '../vpcs/router-spec.ts';
import { isActiveRoute } from './active-route.ts';

/** EC2's RouteTable: the local routes first, which every table has. */
export function ec2RouteTable(ctx: Ec2Context, { routeTableId, vpcId, routes }: RouteTable): Ec2RouteTable {
  const vpc = vpcs.get(ctx.db, vpcId);
  return {
    RouteTableId: routeTableId,
    VpcId: vpcId,
    OwnerId: ctx.ownerId,
    Routes: [
      ...(vpc === undefined ? [] : blocksOf(vpc)).map((block) => ({
        ...destinationOf(block),
        GatewayId: 'local',
        Origin: 'CreateRouteTable' as const,
        State: 'active' as const,
      })),
      ...routes.map((route) => ec2Route(ctx, vpcId, route)),
    ],
    Associations: associationsOf(ctx.db, routeTableId, vpc),
    PropagatingVgws: [],
    Tags: ec2Tags(ctx.db, routeTableId),
  };
}

function associationsOf(db: Db, routeTableId: RouteTableId, vpc: Vpc | undefined): RouteTableAssociation[] {
  const associated = { RouteTableId: routeTableId, AssociationState: { State: 'associated' as const } };
  const main = vpc?.mainRouteTable;
  return [
    ...(main?.routeTableId === routeTableId
      ? [{ Main: true, RouteTableAssociationId: main.associationId, ...associated }]
      : []),
    ...subnets.listBy(db, 'route_table_id', routeTableId).flatMap(({ subnetId, routeTable }) =>
      routeTable === null
        ? []
        : [
            {
              Main: false,
              RouteTableAssociationId: routeTable.associationId,
              SubnetId: subnetId,
              ...associated,
            },
          ],
    ),
  ];
}

function ec2Route(ctx: Ec2Context, vpcId: VpcId, route: Route): Ec2Route {
  return {
    ...destinationOf(route.destination),
    ...targetOf(ctx, route),
    Origin: 'CreateRoute',
    State: isActiveRoute(ctx.db, vpcId, route) ? 'active' : 'blackhole',
  };
}

function destinationOf(block: string): Ec2Route {
  return familyOf(block) === 4 ? { DestinationCidrBlock: block } : { DestinationIpv6CidrBlock: block };
}

function targetOf({ db, ownerId }: Ec2Context, { target }: Route): Ec2Route {
  switch (target.kind) {
    case 'internetGateway':
      return { GatewayId: target.id };
    case 'natGateway':
      return { NatGatewayId: target.id };
    case 'vpcPeeringConnection':
      return { VpcPeeringConnectionId: target.id };
    case 'networkInterface': {
      const attachment = networkInterfaces.get(db, target.id)?.attachment;
      return {
        NetworkInterfaceId: target.id,
        ...(attachment ? { InstanceId: attachment.instanceId, InstanceOwnerId: ownerId } : {}),
      };
    }
  }
}
