import type {
  DescribeManagedPrefixListsRequest,
  DescribeManagedPrefixListsResult,
} from '@aws-sdk/client-ec2';
import type { PrefixList } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';
import { recordsOf } from '../resource-kinds.ts';
import { tagFilters } from '../tags/ec2-tags.ts';
import { ec2PrefixList } from './ec2-prefix-list.ts';

/** EC2's DescribeManagedPrefixLists. Throws `InvalidPrefixListID.NotFound`. */
export function describeManagedPrefixLists(
  ctx: Ec2Context,
  { PrefixListIds = [], Filters = [] }: DescribeManagedPrefixListsRequest,
): DescribeManagedPrefixListsResult {
  const tests = filterTests<PrefixList>(Filters, {
    'owner-id': () => ctx.ownerId,
    'prefix-list-id': ({ prefixListId }) => prefixListId,
    'prefix-list-name': ({ prefixListName }) => prefixListName,
    ...tagFilters<PrefixList>(ctx.db, ({ prefixListId }) => prefixListId),
  });
  const found = recordsOf(ctx.db, 'prefixList', PrefixListIds).filter((list) =>
    tests.every((test) => test(list)),
  );
  return { PrefixLists: found.map((list) => ec2PrefixList(ctx, list)) };
}
