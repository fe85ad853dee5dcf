import type { Db } from './database.ts';

/** What happens once in a home, and is not done again when it was undone. */
export type Milestone = 'default-vpc';

export function isReached(db: Db, milestone: Milestone): boolean {
  return db.prepare('SELECT name FROM milestones WHERE name = ?').all(milestone).length > 0;
}

/** Idempotent. */
export function reach(db: Db, milestone: Milestone): void {
  db.prepare('INSERT OR IGNORE INTO milestones (name) VALUES (?)').run(milestone);
}
