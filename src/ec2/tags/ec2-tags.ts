import type { ResourceType, Tag, TagSpecification } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import type { Db } from '../../store/database.ts';
import { tagsOf, type Tags } from '../../store/tags.ts';
import type { FilterTable } from '../filters.ts';
import { checkedTags } from './checked-tags.ts';

/** A resource's tags as responses have them. */
export function ec2Tags(db: Db, resourceId: string): Tag[] {
  return Object.entries(tagsOf(db, resourceId)).map(([Key, Value]) => ({ Key, Value }));
}

/** The filters that every taggable kind has. */
export function tagFilters<R>(db: Db, idOf: (record: R) => string): FilterTable<R> {
  return {
    'tag-key': (record) => Object.keys(tagsOf(db, idOf(record))),
    'tag:*': (record, key) => tagsOf(db, idOf(record))[key] ?? [],
  };
}

/** The tags that a request gives to what it makes. Throws `InvalidParameterValue` for those of another kind. */
export function specifiedTags(
  specifications: readonly TagSpecification[] | undefined,
  resourceType: ResourceType,
): Tags {
  const wrong = (specifications ?? []).find(({ ResourceType: type = resourceType }) => type !== resourceType);
  if (wrong !== undefined)
    throw new Ec2Error(
      'InvalidParameterValue',
      `'${wrong.ResourceType}' is not a valid taggable resource type for this operation.`,
      { hint: `ResourceType=${resourceType}` },
    );
  return checkedTags((specifications ?? []).flatMap(({ Tags: tags = [] }) => tags));
}
