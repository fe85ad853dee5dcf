import type {
  GetManagedPrefixListEntriesRequest,
  GetManagedPrefixListEntriesResult,
} from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Ec2Context } from '../context.ts';
import { recordOf } from '../resource-kinds.ts';

/** EC2's GetManagedPrefixListEntries, of the present version: former ones are not kept. */
export function getManagedPrefixListEntries(
  ctx: Ec2Context,
  { PrefixListId = '', TargetVersion }: Partial<GetManagedPrefixListEntriesRequest>,
): GetManagedPrefixListEntriesResult {
  const { version, entries } = recordOf(ctx.db, 'prefixList', PrefixListId);
  if (TargetVersion !== undefined && TargetVersion !== version)
    throw new Ec2Error(
      'UnsupportedOperation',
      `Version ${TargetVersion} of the prefix list '${PrefixListId}' is not kept; it is at version ${version}`,
      { hint: 'leave TargetVersion out' },
    );
  return {
    Entries: entries.map(({ cidr, description }) => ({
      Cidr: cidr,
      ...(description === null ? {} : { Description: description }),
    })),
  };
}
