import type { CreateRouteTableRequest, CreateRouteTableResult } from '@aws-sdk/client-ec2';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { routeTables, type RouteTable } from '../../store/route-tables.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { ec2RouteTable } from './ec2-route-table.ts';

/** EC2's CreateRouteTable: the local routes only, and no subnet uses it yet. Throws `InvalidVpcID.NotFound`. */
export function createRouteTable(
  ctx: Ec2Context,
  { VpcId = '', TagSpecifications, DryRun }: CreateRouteTableRequest,
): CreateRouteTableResult {
  const tags = specifiedTags(TagSpecifications, 'route-table');
  const table = transact(ctx.db, () => {
    const { vpcId } = recordOf(ctx.db, 'vpc', VpcId);
    const made: RouteTable = { routeTableId: newId('routeTable'), vpcId, routes: [] };
    routeTables.insert(ctx.db, made);
    putTags(ctx.db, made.routeTableId, tags);
    endDryRun({ DryRun });
    return made;
  });
  return { RouteTable: ec2RouteTable(ctx, table) };
}
