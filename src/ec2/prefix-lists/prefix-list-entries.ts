import type { AddPrefixListEntry } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { PrefixList } from '../../store/security-groups.ts';
import { canonicalCidr } from '../vpcs/cidr-block.ts';

export type PrefixListEntry = PrefixList['entries'][number];

/** EC2's most for one list (AWS: "Amazon VPC quotas", customer-managed prefix lists). */
const MOST_ENTRIES = 1000;
/** AWS: ModifyManagedPrefixList, AddEntry.N, RemoveEntry.N. */
const MOST_AT_ONCE = 100;

/** A request's entries as records keep them: canonical, of the list's family, each once. */
export function checkedEntries(
  entries: readonly AddPrefixListEntry[],
  addressFamily: PrefixList['addressFamily'],
): PrefixListEntry[] {
  if (entries.length > MOST_AT_ONCE)
    throw new Ec2Error(
      'InvalidParameterValue',
      `A request cannot contain more than ${MOST_AT_ONCE} entry additions or removals`,
      { hint: 'several requests, one after the other' },
    );
  const checked = entries.map(({ Cidr = '', Description }) => ({
    cidr: entryBlock(Cidr, addressFamily),
    description: checkedDescription(Description),
  }));
  const twice = checked.find(({ cidr }, index) =>
    checked.slice(0, index).some((other) => other.cidr === cidr),
  );
  if (twice)
    throw new Ec2Error('InvalidParameterValue', `The CIDR '${twice.cidr}' must not appear multiple times`);
  return checked;
}

export function entryBlock(cidr: string, addressFamily: PrefixList['addressFamily']): string {
  return canonicalCidr(cidr, 'cidr', addressFamily === 'IPv4' ? 4 : 6);
}

/** AWS: AddPrefixListEntry, Description: up to 255 characters. */
function checkedDescription(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  if (text.length > 255 || /\p{Cc}/u.test(text))
    throw new Ec2Error('InvalidParameterValue', `${JSON.stringify(text)} is not a valid description`, {
      hint: 'up to 255 characters, no control characters',
    });
  return text;
}

export function checkedMaxEntries(maxEntries: number | undefined): number {
  if (maxEntries === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter maxEntries', {
      hint: '--max-entries 10',
    });
  if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > MOST_ENTRIES)
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${maxEntries}) for parameter maxEntries is invalid.`,
      { hint: `a whole number from 1 to ${MOST_ENTRIES}` },
    );
  return maxEntries;
}

/** Throws `PrefixListMaxEntriesExceeded` when a list has more entries than it may have. */
export function checkEntryCount({ prefixListId, entries, maxEntries }: PrefixList): void {
  if (entries.length > maxEntries)
    throw new Ec2Error(
      'PrefixListMaxEntriesExceeded',
      `You've reached the maximum number of entries for the prefix list '${prefixListId}': ${entries.length}, of ${maxEntries}`,
      { hint: 'raise MaxEntries first, by itself' },
    );
}

/** AWS: CreateManagedPrefixList, PrefixListName. */
export function checkedName(name: string | undefined): string {
  if (name === undefined || name === '')
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter prefixListName');
  if (name.length > 255 || name.startsWith('com.amazonaws') || /\p{Cc}/u.test(name))
    throw new Ec2Error('InvalidParameterValue', `Value (${name}) for parameter prefixListName is invalid.`, {
      hint: 'up to 255 characters, not starting with com.amazonaws',
    });
  return name;
}
