import type { Db } from './database.ts';

export type Tags = Readonly<Record<string, string>>;

/** The tags of one resource, by key in order. */
export function tagsOf(db: Db, resourceId: string): Tags {
  const rows = db
    .prepare('SELECT key, value FROM tags WHERE resource_id = ? ORDER BY key')
    .all(resourceId) as { key: string; value: string }[];
  return Object.fromEntries(rows.map(({ key, value }) => [key, value]));
}

/** Sets tags, replacing values of the same key. */
export function putTags(db: Db, resourceId: string, tags: Tags): void {
  const statement = db.prepare(
    'INSERT INTO tags (resource_id, key, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value',
  );
  for (const [key, value] of Object.entries(tags)) statement.run(resourceId, key, value);
}

export function removeTags(db: Db, resourceId: string, keys?: readonly string[]): void {
  if (keys === undefined) db.prepare('DELETE FROM tags WHERE resource_id = ?').run(resourceId);
  else
    for (const key of keys)
      db.prepare('DELETE FROM tags WHERE resource_id = ? AND key = ?').run(resourceId, key);
}

/** Ids of the resources that carry this tag. */
export function resourcesWithTag(db: Db, key: string, value: string): readonly string[] {
  const rows = db
    .prepare('SELECT resource_id FROM tags WHERE key = ? AND value = ? ORDER BY rowid')
    .all(key, value) as { resource_id: string }[];
  return rows.map((row) => row.resource_id);
}
