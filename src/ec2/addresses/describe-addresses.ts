import type { DescribeAddressesRequest, DescribeAddressesResult } from '@aws-sdk/client-ec2';
import { addresses } from '../../store/addresses.ts';
import type { Db } from '../../store/database.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests, type FilterTable } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { addressOfRequest } from './address-of-request.ts';
import { ec2Address, type ShownAddress } from './ec2-address.ts';

/** By what is shown (AWS: DescribeAddresses, Filter). */
const filters = (db: Db): FilterTable<ShownAddress> => ({
  'allocation-id': (each) => each.AllocationId ?? [],
  'association-id': (each) => each.AssociationId ?? [],
  domain: (each) => each.Domain ?? [],
  'instance-id': (each) => each.InstanceId || [],
  'network-border-group': (each) => each.NetworkBorderGroup ?? [],
  'network-interface-id': (each) => each.NetworkInterfaceId ?? [],
  'network-interface-owner-id': (each) => each.NetworkInterfaceOwnerId ?? [],
  'private-ip-address': (each) => each.PrivateIpAddress ?? [],
  'public-ip': (each) => each.PublicIp ?? [],
  ...tagFilters<ShownAddress>(db, ({ AllocationId = '' }) => AllocationId),
});

/** EC2's DescribeAddresses. Throws `InvalidAllocationID.NotFound` or `InvalidAddress.NotFound`. */
export function describeAddresses(
  ctx: Ec2Context,
  { AllocationIds = [], PublicIps = [], Filters = [] }: DescribeAddressesRequest,
): Omit<DescribeAddressesResult, 'Addresses'> & { readonly Addresses: ShownAddress[] } {
  const tests = filterTests(Filters, filters(ctx.db));
  const named = [
    ...(AllocationIds.length === 0 ? [] : recordsOf(ctx.db, 'address', AllocationIds)),
    ...PublicIps.map((PublicIp) => addressOfRequest(ctx.db, { PublicIp })),
  ];
  const ids = new Set(named.map(({ allocationId }) => allocationId));
  const found = addresses
    .list(ctx.db)
    .filter(({ allocationId }) => ids.size === 0 || ids.has(allocationId))
    .map((address) => ec2Address(ctx, address))
    .filter((each) => tests.every((test) => test(each)));
  return { Addresses: found };
}
