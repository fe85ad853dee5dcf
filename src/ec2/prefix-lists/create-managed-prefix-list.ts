import type { CreateManagedPrefixListRequest, CreateManagedPrefixListResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { transact } from '../../store/database.ts';
import { prefixLists, type PrefixList } from '../../store/security-groups.ts';
import { putTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { specifiedTags } from '../tags/ec2-tags.ts';
import { ec2PrefixList } from './ec2-prefix-list.ts';
import { checkedEntries, checkedMaxEntries, checkedName, checkEntryCount } from './prefix-list-entries.ts';

/** EC2's CreateManagedPrefixList. Throws `PrefixListMaxEntriesExceeded` when it would not hold its first entries. */
export function createManagedPrefixList(
  ctx: Ec2Context,
  request: Partial<CreateManagedPrefixListRequest>,
): CreateManagedPrefixListResult {
  const addressFamily = checkedFamily(request.AddressFamily);
  const list: PrefixList = {
    prefixListId: newId('prefixList'),
    prefixListName: checkedName(request.PrefixListName),
    addressFamily,
    maxEntries: checkedMaxEntries(request.MaxEntries),
    version: 1,
    entries: checkedEntries(request.Entries ?? [], addressFamily),
  };
  checkEntryCount(list);
  const tags = specifiedTags(request.TagSpecifications, 'prefix-list');
  transact(ctx.db, () => {
    prefixLists.insert(ctx.db, list);
    putTags(ctx.db, list.prefixListId, tags);
    endDryRun(request);
  });
  return { PrefixList: ec2PrefixList(ctx, list) };
}

function checkedFamily(given: string | undefined): PrefixList['addressFamily'] {
  if (given === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter addressFamily');
  const family = (['IPv4', 'IPv6'] as const).find((each) => each === given);
  if (family === undefined)
    throw new Ec2Error('InvalidParameterValue', `Value (${given}) for parameter addressFamily is invalid.`, {
      hint: 'IPv4 or IPv6',
    });
  return family;
}
