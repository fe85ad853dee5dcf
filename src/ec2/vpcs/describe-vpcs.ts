import type { DescribeVpcsRequest, DescribeVpcsResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { vpcs, type Vpc } from '../../store/network.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { ensureDefaultVpc } from './default-vpc.ts';

/** EC2's DescribeVpcs; an account always has its default VPC. Throws `InvalidVpcID.NotFound`. */
export async function describeVpcs(
  ctx: Ec2Context,
  { VpcIds = [], Filters = [] }: DescribeVpcsRequest,
): Promise<DescribeVpcsResult> {
  await ensureDefaultVpc(ctx);
  const all = vpcs.list(ctx.db);
  const missing = VpcIds.find((id) => !all.some(({ vpcId }) => vpcId === id));
  if (missing !== undefined)
    throw new Ec2Error('InvalidVpcID.NotFound', `The vpc ID '${missing}' does not exist`, {
      hint: 'bonami vpc ls',
    });
  const tests = filterTests<Vpc>(Filters, {
    cidr: ({ cidrBlock }) => cidrBlock,
    'is-default': ({ isDefault }) => String(isDefault),
    'vpc-id': ({ vpcId }) => vpcId,
    'tag:*': ({ vpcId }, key) => tagsOf(ctx.db, vpcId)[key] ?? [],
  });
  const found = all
    .filter(({ vpcId }) => VpcIds.length === 0 || VpcIds.includes(vpcId))
    .filter((vpc) => tests.every((test) => test(vpc)));
  return {
    Vpcs: found.map(({ vpcId, cidrBlock, isDefault }) => ({
      VpcId: vpcId,
      CidrBlock: cidrBlock,
      CidrBlockAssociationSet: [{ CidrBlock: cidrBlock, CidrBlockState: { State: 'associated' } }],
      IsDefault: isDefault,
      OwnerId: ctx.ownerId,
      State: 'available',
      InstanceTenancy: 'default',
      Tags: Object.entries(tagsOf(ctx.db, vpcId)).map(([Key, Value]) => ({ Key, Value })),
    })),
  };
}
