import type { DescribeSubnetsRequest, DescribeSubnetsResult } from '@aws-sdk/client-ec2';
import type { Subnet } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { freeAddressCount } from '../network-interfaces/allocate-private-address.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ensureDefaultVpc } from '../vpcs/default-vpc.ts';
import { ec2Subnet, subnetArn } from './ec2-subnet.ts';

/** EC2's DescribeSubnets. Throws `InvalidSubnetID.NotFound`. */
export async function describeSubnets(
  ctx: Ec2Context,
  { SubnetIds = [], Filters = [] }: DescribeSubnetsRequest,
): Promise<DescribeSubnetsResult> {
  await ensureDefaultVpc(ctx);
  const tests = filterTests<Subnet>(Filters, subnetFilters(ctx));
  return {
    Subnets: recordsOf(ctx.db, 'subnet', SubnetIds)
      .filter((subnet) => tests.every((test) => test(subnet)))
      .map((subnet) => ec2Subnet(ctx, subnet)),
  };
}

function subnetFilters(ctx: Ec2Context): FilterTable<Subnet> {
  const zone = ({ availabilityZone }: Subnet): string => availabilityZone;
  const cidr = ({ cidrBlock }: Subnet): string => cidrBlock;
  const defaultForAz = (subnet: Subnet): string => String(subnet.defaultForAz);
  // EC2 knows several names for some of them (AWS: DescribeSubnets).
  return {
    'availability-zone': zone,
    availabilityZone: zone,
    'available-ip-address-count': (subnet) => String(freeAddressCount(ctx.db, subnet)),
    cidr,
    'cidr-block': cidr,
    cidrBlock: cidr,
    'default-for-az': defaultForAz,
    defaultForAz,
    'ipv6-cidr-block-association.association-id': ({ ipv6 }) => ipv6?.associationId ?? [],
    'ipv6-cidr-block-association.ipv6-cidr-block': ({ ipv6 }) => ipv6?.cidrBlock ?? [],
    'ipv6-cidr-block-association.state': ({ ipv6 }) => (ipv6 === null ? [] : 'associated'),
    'map-public-ip-on-launch': ({ mapPublicIpOnLaunch }) => String(mapPublicIpOnLaunch),
    'owner-id': () => ctx.ownerId,
    state: () => 'available',
    'subnet-arn': (subnet) => subnetArn(ctx, subnet),
    'subnet-id': ({ subnetId }) => subnetId,
    'vpc-id': ({ vpcId }) => vpcId,
    ...tagFilters<Subnet>(ctx.db, ({ subnetId }) => subnetId),
  };
}
