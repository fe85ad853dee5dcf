import type { DescribeDhcpOptionsRequest, DescribeDhcpOptionsResult } from '@aws-sdk/client-ec2';
import type { DhcpOptions } from '../../store/vpcs.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ec2DhcpOptions } from './ec2-dhcp-options.ts';

/** EC2's DescribeDhcpOptions. Throws `InvalidDhcpOptionID.NotFound`. */
export function describeDhcpOptions(
  ctx: Ec2Context,
  { DhcpOptionsIds = [], Filters = [] }: DescribeDhcpOptionsRequest,
): DescribeDhcpOptionsResult {
  const tests = filterTests<DhcpOptions>(Filters, {
    'dhcp-options-id': ({ dhcpOptionsId }) => dhcpOptionsId,
    key: ({ configurations }) => Object.keys(configurations),
    'owner-id': () => ctx.ownerId,
    value: ({ configurations }) => Object.values(configurations).flat(),
    ...tagFilters<DhcpOptions>(ctx.db, ({ dhcpOptionsId }) => dhcpOptionsId),
  });
  return {
    DhcpOptions: recordsOf(ctx.db, 'dhcpOptions', DhcpOptionsIds)
      .filter((options) => tests.every((test) => test(options)))
      .map((options) => ec2DhcpOptions(ctx, options)),
  };
}
