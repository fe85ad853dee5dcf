import { closeSync, existsSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'libsql';
import { HostError, messageOf } from '../core/errors.ts';
import { MIGRATIONS } from './migrations.ts';

export type { Database } from 'libsql';
export type Db = Database.Database;

const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Opens the records of a home, creating or migrating them when needed. Every commit is durable (WAL and
 * synchronous=FULL) when it returns. Refuses, changing nothing, a database that is damaged or was written by a
 * newer bonami.
 */
export function openDatabase(path: string): Db {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  let db: Db;
  try {
    db = new Database(path, { timeout: 5000 });
    db.exec(
      'PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;',
    );
    migrate(db, path);
  } catch (cause) {
    if (cause instanceof HostError) throw cause;
    throw new HostError('StoreUnreadable', `the records in '${path}' cannot be read: ${messageOf(cause)}`, {
      hint: 'nothing was changed; move the file away or restore a copy of it',
      cause,
    });
  }
  return db;
}

/**
 * Runs `work` as one transaction that holds the write lock from its first statement. Synchronous on purpose: no
 * process, file or network work may happen inside. Throwing rolls everything back.
 */
export function transact<T>(db: Db, work: () => T): T {
  try {
    db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite rolls back by itself when the disk is full; rolling back again would hide why.
      if (db.inTransaction) db.exec('ROLLBACK');
      throw error;
    }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'SQLITE_FULL')
      throw new HostError('NoSpace', 'the disk with the bonami home is full; nothing was recorded', {
        hint: 'free some space, then try again',
        cause: error,
      });
    throw error;
  }
}

function version(db: Db): number {
  const [row] = db.prepare('PRAGMA user_version').all() as { user_version: number }[];
  return row?.user_version ?? 0;
}

function migrate(db: Db, path: string): void {
  const found = version(db);
  if (found === SCHEMA_VERSION) return;
  if (found > SCHEMA_VERSION)
    throw new HostError(
      'StoreTooNew',
      `the records in '${path}' were written by a newer bonami (schema ${found}, this one knows ${SCHEMA_VERSION})`,
      {
        hint: 'update bonami, or use another BONAMI_HOME',
      },
    );
  if (found > 0) keepCopy(db, `${path}.schema-${found}`, found);
  db.transaction(() => {
    // Read again under the write lock: another command may have migrated in between.
    for (const step of MIGRATIONS.slice(version(db)))
      if (typeof step === 'string') db.exec(step);
      else step(db, dirname(path));
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  }).immediate();
}

/** A copy as it was, complete when it has its name. An attempt that was cut short has left one: the newest counts. */
function keepCopy(db: Db, copy: string, found: number): void {
  const fresh = `${copy}.${process.pid}`;
  // SQLite would let others read it, and writes over nothing but an empty file.
  closeSync(openSync(fresh, 'w', 0o600));
  db.exec(`VACUUM INTO '${fresh}'`);
  // Another command may have migrated in between, and then this may be a copy of the result.
  if (version(db) === found) renameSync(fresh, copy);
  else rmSync(fresh);
}
