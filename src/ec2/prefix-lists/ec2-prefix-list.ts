import type { ManagedPrefixList } from '@aws-sdk/client-ec2';
import type { PrefixList } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';

/** What the last change of a list was; each is complete when it is answered. */
export type PrefixListState = 'create-complete' | 'modify-complete' | 'delete-complete';

/** A prefix list as EC2 shows it. */
export function ec2PrefixList(
  { db, region, ownerId }: Pick<Ec2Context, 'db' | 'region' | 'ownerId'>,
  list: PrefixList,
  state: PrefixListState = list.version === 1 ? 'create-complete' : 'modify-complete',
): ManagedPrefixList {
  return {
    PrefixListId: list.prefixListId,
    PrefixListName: list.prefixListName,
    AddressFamily: list.addressFamily,
    State: state,
    PrefixListArn: `arn:aws:ec2:${region}:${ownerId}:prefix-list/${list.prefixListId}`,
    MaxEntries: list.maxEntries,
    Version: list.version,
    OwnerId: ownerId,
    Tags: ec2Tags(db, list.prefixListId),
  };
}
