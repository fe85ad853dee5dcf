import type { DeleteRouteTableRequest } from '@aws-sdk/client-ec2';
import { transact } from '../../store/database.ts';
import { routeTables } from '../../store/route-tables.ts';
import { removeTags } from '../../store/tags.ts';
import { subnets } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { dependencyViolation } from '../dependency-violation.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';

/** EC2's DeleteRouteTable. Throws `DependencyViolation` for a VPC's main table and while subnets use it. */
export function deleteRouteTable(
  { db }: Ec2Context,
  { RouteTableId: wanted = '', DryRun }: DeleteRouteTableRequest,
): Record<string, never> {
  transact(db, () => {
    const { routeTableId, vpcId } = recordOf(db, 'routeTable', wanted);
    const isMain = recordOf(db, 'vpc', vpcId).mainRouteTable.routeTableId === routeTableId;
    const users = subnets.listBy(db, 'route_table_id', routeTableId).map(({ subnetId }) => subnetId);
    if (isMain)
      throw dependencyViolation(
        'routeTable',
        routeTableId,
        [`the main one of ${vpcId}`, ...users],
        `make another one the main one: bonami route associate ${vpcId} TABLE`,
      );
    if (users.length > 0)
      throw dependencyViolation('routeTable', routeTableId, users, `bonami route disassociate ${users[0]}`);
    removeTags(db, routeTableId);
    routeTables.remove(db, routeTableId);
    endDryRun({ DryRun });
  });
  return {};
}
