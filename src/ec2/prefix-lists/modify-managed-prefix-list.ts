import type { ModifyManagedPrefixListRequest, ModifyManagedPrefixListResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact, type Db } from '../../store/database.ts';
import { prefixLists, type PrefixList } from '../../store/security-groups.ts';
import type { Ec2Context } from '../context.ts';
import { endDryRun } from '../dry-run.ts';
import { recordOf } from '../resource-kinds.ts';
import { checkRuleCount } from '../security-groups/check-rule-count.ts';
import { ec2PrefixList } from './ec2-prefix-list.ts';
import {
  checkedEntries,
  checkedMaxEntries,
  checkedName,
  checkEntryCount,
  entryBlock,
  type PrefixListEntry,
} from './prefix-list-entries.ts';
import { applyPrefixList, referencingGroups } from './referencing-groups.ts';

type Request = Partial<ModifyManagedPrefixListRequest>;

/**
 * EC2's ModifyManagedPrefixList: entries are added and removed, which makes a new version that is in force wherever
 * the list is used when it resolves; or its name or size changes. Throws `PrefixListVersionMismatch` when somebody
 * else was faster.
 */
export async function modifyManagedPrefixList(
  ctx: Ec2Context,
  request: Request,
): Promise<ModifyManagedPrefixListResult> {
  const list = transact(ctx.db, () => {
    const present = recordOf(ctx.db, 'prefixList', request.PrefixListId ?? '');
    const changed = changedList(present, request);
    prefixLists.update(ctx.db, changed);
    checkReferences(ctx.db, changed);
    endDryRun(request);
    return changed;
  });
  await applyPrefixList(ctx, list.prefixListId);
  return { PrefixList: ec2PrefixList(ctx, list, 'modify-complete') };
}

function changedList(list: PrefixList, request: Request): PrefixList {
  const { AddEntries = [], RemoveEntries = [], CurrentVersion, MaxEntries, PrefixListName } = request;
  const named =
    PrefixListName === undefined ? list : { ...list, prefixListName: checkedName(PrefixListName) };
  const changesEntries = AddEntries.length + RemoveEntries.length > 0;
  if (changesEntries && MaxEntries !== undefined)
    throw new Ec2Error(
      'InvalidParameterCombination',
      'You cannot modify the entries of a prefix list and modify the size of a prefix list at the same time.',
    );
  if (changesEntries || CurrentVersion !== undefined) checkVersion(list, CurrentVersion);
  const changed = {
    ...named,
    ...(MaxEntries === undefined ? {} : { maxEntries: checkedMaxEntries(MaxEntries) }),
    ...(changesEntries ? { entries: changedEntries(list, request), version: list.version + 1 } : {}),
  };
  checkEntryCount(changed);
  return changed;
}

function checkVersion({ prefixListId, version }: PrefixList, currentVersion: number | undefined): void {
  if (currentVersion === undefined)
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter currentVersion', {
      hint: `${version} is the version of ${prefixListId}`,
    });
  if (currentVersion !== version)
    throw new Ec2Error(
      'PrefixListVersionMismatch',
      `The prefix list has the incorrect version number: '${prefixListId}' is at version ${version}, not ${currentVersion}.`,
      { hint: 'read it again, then change it' },
    );
}

/** What is added replaces an entry of the same block: that is how a description is changed. */
function changedEntries(
  { entries, addressFamily, prefixListId }: PrefixList,
  { AddEntries = [], RemoveEntries = [] }: Request,
): PrefixListEntry[] {
  const added = checkedEntries(AddEntries, addressFamily);
  const removed = RemoveEntries.map(({ Cidr = '' }) => entryBlock(Cidr, addressFamily));
  const unknown = removed.find((block) => !entries.some(({ cidr }) => cidr === block));
  if (unknown !== undefined)
    throw new Ec2Error(
      'InvalidPrefixListModification',
      `The entry '${unknown}' of the prefix list '${prefixListId}' does not exist.`,
      { hint: `bonami prefix-list show ${prefixListId}` },
    );
  const both = added.find(({ cidr }) => removed.includes(cidr));
  if (both)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `The entry '${both.cidr}' cannot be added and removed at the same time`,
    );
  const kept = entries
    .filter(({ cidr }) => !removed.includes(cidr))
    .map((entry) => added.find(({ cidr }) => cidr === entry.cidr) ?? entry);
  return [...kept, ...added.filter(({ cidr }) => !kept.some((entry) => entry.cidr === cidr))];
}

/** A larger list counts as more rules in every group that names it. */
function checkReferences(db: Db, { prefixListId }: PrefixList): void {
  for (const group of referencingGroups(db, prefixListId)) checkRuleCount(db, group);
}
