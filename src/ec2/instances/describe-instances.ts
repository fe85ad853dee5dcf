import type {
  DescribeInstancesRequest,
  DescribeInstancesResult,
  Filter,
  Reservation,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { instances } from '../../store/instances.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { ec2Instance } from './ec2-instance.ts';
import { INSTANCE_FILTERS, type ShownInstance } from './instance-filters.ts';
import { reconcileInstances } from './reconcile.ts';
import { getInstance } from './resolve-instance.ts';

/**
 * EC2's DescribeInstances. Looks at the machines first, so that what it says is true: an instance whose machine
 * ended is settled before it is shown. Terminated instances stay visible for an hour, as in EC2.
 */
export async function describeInstances(
  ctx: Ec2Context,
  request: DescribeInstancesRequest,
): Promise<DescribeInstancesResult> {
  const wanted = request.InstanceIds ?? [];
  for (const id of wanted) getInstance(ctx.db, id);
  await reconcileInstances(ctx);
  const tests = filterTests(request.Filters ?? [], INSTANCE_FILTERS);
  const found = instances
    .list(ctx.db)
    .filter(({ instanceId }) => wanted.length === 0 || wanted.includes(instanceId))
    .map((instance) => ({ reservationId: instance.reservationId, shown: ec2Instance(ctx, instance) }))
    .filter((each) => tests.every((test) => test(each)));
  return { Reservations: reservations(ctx, found) };
}

/** Instances grouped by the request that launched them, as EC2 answers. */
function reservations({ ownerId }: Ec2Context, found: readonly ShownInstance[]): Reservation[] {
  const byReservation = new Map<string, ShownInstance[]>();
  for (const each of found)
    byReservation.set(each.reservationId, [...(byReservation.get(each.reservationId) ?? []), each]);
  return [...byReservation].map(([ReservationId, members]) => ({
    ReservationId,
    OwnerId: ownerId,
    Groups: [],
    Instances: members.map(({ shown }) => shown),
  }));
}

/** `name=value[,value…]` as typed on a command line. Throws `InvalidParameterValue` when there is no `=`. */
export function parseFilter(text: string): Filter {
  const at = text.indexOf('=');
  if (at < 1)
    throw new Ec2Error('InvalidParameterValue', `'${text}' is not a filter`, {
      hint: 'like instance-state-name=running or tag:Name=web',
    });
  return { Name: text.slice(0, at), Values: text.slice(at + 1).split(',') };
}
