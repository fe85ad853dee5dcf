import type { Database } from 'libsql';
import * as z from 'zod';
import { type Ec2Error, HostError, errnoOf } from '../core/errors.ts';

// A command reads a handful of records: compiling a validator for each schema costs more than interpreting it.
z.config({ jitless: true });

type SqlValue = string | number | null;

/** A record that could not be read back: shown as broken, never rewritten, never a reason to fail a listing. */
export interface BrokenRecord {
  readonly id: string;
  readonly table: string;
  readonly reason: string;
}

export interface TableDefinition<R> {
  readonly name: string;
  readonly schema: z.ZodType<R>;
  readonly id: (record: R) => string;
  /** Columns beside `id` and `document`: whatever must be unique or is searched by. */
  readonly columns?: (record: R) => Readonly<Record<string, SqlValue>>;
  /** The EC2 error for a violated UNIQUE constraint. */
  readonly duplicate?: (record: R, constraint: string) => Ec2Error;
}

export interface Table<R> {
  insert(db: Database, record: R): void;
  /** Replaces the record of the same id; throws when there is none. */
  update(db: Database, record: R): void;
  get(db: Database, id: string): R | undefined;
  list(db: Database): readonly R[];
  /** Records whose column has this value. */
  listBy(db: Database, column: string, value: SqlValue): readonly R[];
  broken(db: Database): readonly BrokenRecord[];
  remove(db: Database, id: string): void;
}

/** A table of JSON documents, each validated by its schema on the way in and on the way out. */
export function table<R>({
  name,
  schema,
  id,
  columns = () => ({}),
  duplicate,
}: TableDefinition<R>): Table<R> {
  const parse = (row: unknown): R => schema.parse(JSON.parse((row as { document: string }).document));

  const readAll = (db: Database, where: string, values: readonly SqlValue[]): readonly R[] => {
    const records: R[] = [];
    for (const row of db.prepare(`SELECT document FROM ${name} ${where} ORDER BY rowid`).all(...values)) {
      try {
        records.push(parse(row));
      } catch {
        // `broken` lists it.
      }
    }
    return records;
  };

  const guarded = (record: R, write: () => void): void => {
    try {
      write();
    } catch (error) {
      if (errnoOf(error) === 'SQLITE_CONSTRAINT_UNIQUE' && duplicate)
        throw duplicate(record, (error as Error).message);
      throw error;
    }
  };

  return {
    insert(db, record) {
      const extra = columns(record);
      const names = ['id', ...Object.keys(extra), 'document'];
      const statement = db.prepare(
        `INSERT INTO ${name} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
      );
      guarded(record, () =>
        statement.run(id(record), ...Object.values(extra), JSON.stringify(schema.parse(record))),
      );
    },
    update(db, record) {
      const extra = columns(record);
      const assignments = [...Object.keys(extra), 'document'].map((column) => `${column} = ?`).join(', ');
      const statement = db.prepare(`UPDATE ${name} SET ${assignments} WHERE id = ?`);
      guarded(record, () => {
        const { changes } = statement.run(
          ...Object.values(extra),
          JSON.stringify(schema.parse(record)),
          id(record),
        );
        if (changes !== 1)
          throw new HostError('RecordMissing', `there is no record of ${id(record)} to change`);
      });
    },
    get(db, key) {
      // `.all()`: libsql 0.5 adds a `_metadata` property to what `.get()` returns.
      const [row] = db.prepare(`SELECT document FROM ${name} WHERE id = ?`).all(key);
      if (row === undefined) return undefined;
      try {
        return parse(row);
      } catch (cause) {
        throw new HostError('RecordBroken', `the record of ${key} cannot be read`, {
          hint: 'bonami doctor',
          cause,
        });
      }
    },
    list: (db) => readAll(db, '', []),
    listBy: (db, column, value) => readAll(db, `WHERE ${column} = ?`, [value]),
    broken(db) {
      const found: BrokenRecord[] = [];
      for (const row of db.prepare(`SELECT id, document FROM ${name}`).all() as {
        id: string;
        document: string;
      }[]) {
        try {
          parse(row);
        } catch (error) {
          found.push({
            id: row.id,
            table: name,
            reason: error instanceof Error ? error.message : String(error),
          });
        }
      }
      return found;
    },
    remove(db, key) {
      db.prepare(`DELETE FROM ${name} WHERE id = ?`).run(key);
    },
  };
}
