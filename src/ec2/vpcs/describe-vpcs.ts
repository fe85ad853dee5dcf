import type { DescribeVpcsRequest, DescribeVpcsResult } from '@aws-sdk/client-ec2';
import type { Vpc } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc } from './default-vpc.ts';
import { ec2Vpc, primaryAssociationId } from './ec2-vpc.ts';

/** EC2's DescribeVpcs; a new home has its default VPC. Throws `InvalidVpcID.NotFound`. */
export async function describeVpcs(
  ctx: Ec2Context,
  { VpcIds = [], Filters = [] }: DescribeVpcsRequest,
): Promise<DescribeVpcsResult> {
  await ensureDefaultVpc(ctx);
  const isDefault = (vpc: Vpc): string => String(vpc.isDefault);
  const tests = filterTests<Vpc>(Filters, {
    cidr: ({ cidrBlock }) => cidrBlock,
    'cidr-block-association.association-id': primaryAssociationId,
    'cidr-block-association.cidr-block': ({ cidrBlock }) => cidrBlock,
    'cidr-block-association.state': () => 'associated',
    'dhcp-options-id': ({ dhcpOptionsId }) => dhcpOptionsId ?? 'default',
    'ipv6-cidr-block-association.association-id': ({ ipv6 }) => ipv6?.associationId ?? [],
    'ipv6-cidr-block-association.ipv6-cidr-block': ({ ipv6 }) => ipv6?.cidrBlock ?? [],
    'ipv6-cidr-block-association.state': ({ ipv6 }) => (ipv6 === null ? [] : 'associated'),
    'is-default': isDefault,
    // Ansible's spelling, which EC2 takes too.
    isDefault,
    'owner-id': () => ctx.ownerId,
    state: () => 'available',
    'vpc-id': ({ vpcId }) => vpcId,
    ...tagFilters<Vpc>(ctx.db, ({ vpcId }) => vpcId),
  });
  return {
    Vpcs: recordsOf(ctx.db, 'vpc', VpcIds)
      .filter((vpc) => tests.every((test) => test(vpc)))
      .map((vpc) => ec2Vpc(ctx, vpc)),
  };
}
