import * as z from 'zod';
import { ID_PREFIXES, isId, type ResourceId, type ResourceKind } from '../core/ids.ts';

/** The schema of one kind of id. */
export function idOf<K extends ResourceKind>(kind: K): z.ZodType<ResourceId<K>> {
  return z.custom<ResourceId<K>>(
    (value) => typeof value === 'string' && isId(kind, value),
    `not an id like ${ID_PREFIXES[kind]}-…`,
  );
}

/** EC2's `VolumeType`s. */
export const VOLUME_TYPES = ['gp2', 'gp3', 'io1', 'io2', 'st1', 'sc1', 'standard'] as const;
export type VolumeType = (typeof VOLUME_TYPES)[number];

/** RFC 3339 in UTC, as `Date.toISOString` writes it. */
export const timestamp = z.iso.datetime();
