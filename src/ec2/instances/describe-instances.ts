import type { DescribeInstancesRequest, DescribeInstancesResult, Filter } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { instances, type Instance } from '../../store/instances.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { ec2State } from './instance-state.ts';
import { primaryInterface, reservations } from './ec2-instance.ts';
import { getInstance } from './resolve-instance.ts';
import { reconcileInstances } from './reconcile.ts';

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
  const tests = filterTests(request.Filters ?? [], filterTable(ctx));
  const found = instances
    .list(ctx.db)
    .filter((instance) => wanted.length === 0 || wanted.includes(instance.instanceId))
    .filter((instance) => tests.every((test) => test(instance)));
  return { Reservations: reservations(ctx, found) };
}

function filterTable({ db }: Ec2Context): FilterTable<Instance> {
  return {
    architecture: ({ architecture }) => [architecture],
    'availability-zone': ({ availabilityZone }) => [availabilityZone],
    'image-id': ({ imageId }) => [imageId],
    'instance-id': ({ instanceId }) => [instanceId],
    'instance-state-code': ({ state }) => [String(ec2State(state).Code)],
    'instance-state-name': ({ state }) => [state],
    'instance-type': ({ instanceType }) => [instanceType],
    'instance.group-id': ({ securityGroupIds }) => securityGroupIds,
    'key-name': ({ keyName }) => (keyName === null ? [] : [keyName]),
    'private-ip-address': (instance) => primaryInterface(db, instance)?.privateIpAddress ?? [],
    'reservation-id': ({ reservationId }) => [reservationId],
    'subnet-id': ({ subnetId }) => [subnetId],
    'tag-key': ({ instanceId }) => Object.keys(tagsOf(db, instanceId)),
    'vpc-id': ({ vpcId }) => [vpcId],
    'tag:*': ({ instanceId }, key) => tagsOf(db, instanceId)[key] ?? [],
  };
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
