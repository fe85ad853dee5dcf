import type { CreateRouteRequest, CreateRouteResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { routeTables } from '../../store/route-tables.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { refuseLocalDestination, requestedDestination, requestedTarget } from './route-request.ts';

/** EC2's CreateRoute. Throws `RouteAlreadyExists`; `InvalidParameterValue` for a target of another VPC. */
export async function createRoute(ctx: Ec2Context, request: CreateRouteRequest): Promise<CreateRouteResult> {
  const destination = requestedDestination(request);
  const { vpcId } = transact(ctx.db, () => {
    const table = recordOf(ctx.db, 'routeTable', request.RouteTableId ?? '');
    const target = requestedTarget(ctx.db, table, destination, request);
    refuseLocalDestination(ctx.db, table, destination);
    if (table.routes.some((route) => route.destination === destination))
      throw new Ec2Error('RouteAlreadyExists', `The route identified by ${destination} already exists.`, {
        hint: `bonami route replace ${table.routeTableId} ${destination} TARGET`,
      });
    routeTables.update(ctx.db, { ...table, routes: [...table.routes, { destination, target }] });
    endDryRun(request);
    return table;
  });
  await applyVpcNetwork(ctx, vpcId);
  return { Return: true };
}
