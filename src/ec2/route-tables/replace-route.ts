import type { ReplaceRouteRequest } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { routeTables } from '../../store/route-tables.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { applyVpcNetwork } from '../vpcs/network.ts';
import { requestedDestination, requestedTarget } from './route-request.ts';

/** EC2's ReplaceRoute: another target for the same destination. Throws `InvalidParameterValue` when there is no such route. */
export async function replaceRoute(
  ctx: Ec2Context,
  { LocalTarget, ...request }: ReplaceRouteRequest,
): Promise<Record<string, never>> {
  if (LocalTarget === true)
    throw new Ec2Error('UnsupportedOperation', 'The local routes always lead to their own targets');
  const destination = requestedDestination(request);
  const { vpcId } = transact(ctx.db, () => {
    const table = recordOf(ctx.db, 'routeTable', request.RouteTableId ?? '');
    if (!table.routes.some((route) => route.destination === destination))
      throw new Ec2Error(
        'InvalidParameterValue',
        `There is no route defined for '${destination}' in the route table. Use CreateRoute instead.`,
        { hint: `bonami route add ${table.routeTableId} ${destination} TARGET` },
      );
    const target = requestedTarget(ctx.db, table, destination, request);
    const routes = table.routes.map((route) =>
      route.destination === destination ? { destination, target } : route,
    );
    routeTables.update(ctx.db, { ...table, routes });
    endDryRun(request);
    return table;
  });
  await applyVpcNetwork(ctx, vpcId);
  return {};
}
