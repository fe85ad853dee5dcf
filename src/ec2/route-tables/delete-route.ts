import type { DeleteRouteRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { routeTables } from '../../store/route-tables.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { isLocalDestination, requestedDestination } from './route-request.ts';

/** EC2's DeleteRoute. Throws `InvalidRoute.NotFound`, and `InvalidParameterValue` for a local route. */
export async function deleteRoute(
  ctx: Ec2Context,
  request: DeleteRouteRequest,
): Promise<Record<string, never>> {
  const destination = requestedDestination(request);
  const { vpcId } = transact(ctx.db, () => {
    const table = recordOf(ctx.db, 'routeTable', request.RouteTableId ?? '');
    if (isLocalDestination(ctx.db, table, destination))
      throw new Ec2Error(
        'InvalidParameterValue',
        `cannot remove local route ${destination} in route table ${table.routeTableId}`,
      );
    const routes = table.routes.filter((route) => route.destination !== destination);
    if (routes.length === table.routes.length)
      throw new Ec2Error(
        'InvalidRoute.NotFound',
        `no route with destination-cidr-block ${destination} in route table ${table.routeTableId}`,
        { hint: 'bonami route ls' },
      );
    routeTables.update(ctx.db, { ...table, routes });
    endDryRun(request);
    return table;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
