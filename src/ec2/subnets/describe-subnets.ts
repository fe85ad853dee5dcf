import type { DescribeSubnetsRequest, DescribeSubnetsResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { subnets, type Subnet } from '../../store/network.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { freeAddressCount } from '../network-interfaces/allocate-address.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';

/** EC2's DescribeSubnets. Throws `InvalidSubnetID.NotFound`. */
export async function describeSubnets(
  ctx: Ec2Context,
  { SubnetIds = [], Filters = [] }: DescribeSubnetsRequest,
): Promise<DescribeSubnetsResult> {
  await ensureDefaultVpc(ctx);
  const all = subnets.list(ctx.db);
  const missing = SubnetIds.find((id) => !all.some(({ subnetId }) => subnetId === id));
  if (missing !== undefined)
    throw new Ec2Error('InvalidSubnetID.NotFound', `The subnet ID '${missing}' does not exist`, {
      hint: 'bonami subnet ls',
    });
  const tests = filterTests<Subnet>(Filters, {
    'availability-zone': ({ availabilityZone }) => availabilityZone,
    'cidr-block': ({ cidrBlock }) => cidrBlock,
    'default-for-az': ({ defaultForAz }) => String(defaultForAz),
    'subnet-id': ({ subnetId }) => subnetId,
    'vpc-id': ({ vpcId }) => vpcId,
    'tag:*': ({ subnetId }, key) => tagsOf(ctx.db, subnetId)[key] ?? [],
  });
  const found = all
    .filter(({ subnetId }) => SubnetIds.length === 0 || SubnetIds.includes(subnetId))
    .filter((subnet) => tests.every((test) => test(subnet)));
  return {
    Subnets: found.map((subnet) => ({
      SubnetId: subnet.subnetId,
      VpcId: subnet.vpcId,
      CidrBlock: subnet.cidrBlock,
      AvailabilityZone: subnet.availabilityZone,
      AvailableIpAddressCount: freeAddressCount(ctx.db, subnet),
      DefaultForAz: subnet.defaultForAz,
      MapPublicIpOnLaunch: false,
      OwnerId: ctx.ownerId,
      State: 'available',
      Tags: Object.entries(tagsOf(ctx.db, subnet.subnetId)).map(([Key, Value]) => ({ Key, Value })),
    })),
  };
}
