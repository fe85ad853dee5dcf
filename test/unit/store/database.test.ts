import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../src/core/ids.ts';
import { type Db, openDatabase, transact } from '../../../src/store/database.ts';
import { MIGRATIONS } from '../../../src/store/migrations.ts';
import { putTags, tagsOf } from '../../../src/store/tags.ts';
import { subnets, type Subnet } from '../../../src/store/vpcs.ts';

let folder: string;
let path: string;
let opened: Db[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-database-'));
  path = join(folder, 'state.db');
  opened = [];
});
afterEach(() => {
  for (const db of opened) if (db.open) db.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(): Db {
  const db = openDatabase(path);
  opened.push(db);
  return db;
}

/** A database as SQLite makes it, without our schema. */
function plain(statements: string): void {
  const db = new Database(path);
  db.exec(statements);
  db.close();
}

const pragma = (db: Db, name: string): unknown =>
  Object.values(db.prepare(`PRAGMA ${name}`).all()[0] as object)[0];

const tables = (db: Db): unknown[] =>
  (
    db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all() as {
      name: string;
    }[]
  )
    .map(({ name }) => name)
    .filter((name) => !name.startsWith('sqlite_'));

const ID = newId('instance');

describe('a new database', () => {
  test('is readable by its owner only', () => {
    open();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test('has the whole schema and its version', () => {
    const db = open();
    expect(tables(db)).toEqual([
      'addresses',
      'dhcp_options',
      'images',
      'instances',
      'interface_addresses',
      'internet_gateways',
      'key_pairs',
      'milestones',
      'nat_gateways',
      'network_acls',
      'network_interfaces',
      'prefix_lists',
      'route_tables',
      'security_groups',
      'snapshots',
      'subnets',
      'tags',
      'volumes',
      'vpc_peering_connections',
      'vpcs',
    ]);
    expect(pragma(db, 'user_version')).toBe(MIGRATIONS.length);
  });

  test('makes every commit durable, keeps references whole and waits for other writers', () => {
    const db = open();
    expect(pragma(db, 'journal_mode')).toBe('wal');
    // 2 is FULL.
    expect(pragma(db, 'synchronous')).toBe(2);
    expect(pragma(db, 'foreign_keys')).toBe(1);
    expect(pragma(db, 'busy_timeout')).toBe(5000);
  });

  test('refuses a record whose parent does not exist', () => {
    const db = open();
    const orphan: Subnet = {
      subnetId: newId('subnet'),
      vpcId: newId('vpc'),
      cidrBlock: '172.31.0.0/20',
      ipv6: null,
      availabilityZone: 'us-east-1a',
      defaultForAz: true,
      mapPublicIpOnLaunch: false,
      assignIpv6AddressOnCreation: false,
      routeTable: null,
      networkAcl: { associationId: newId('networkAclAssociation'), networkAclId: newId('networkAcl') },
    };
    expect(() => subnets.insert(db, orphan)).toThrow('FOREIGN KEY');
    expect(subnets.list(db)).toEqual([]);
  });
});

describe('a database that is there', () => {
  test('keeps its records, and is not copied', () => {
    putTags(open(), ID, { stage: 'test' });
    opened[0]?.close();
    expect(tagsOf(open(), ID)).toEqual({ stage: 'test' });
    expect(readdirSync(folder).filter((name) => name.includes('schema'))).toEqual([]);
  });

  test('is shared by those who open it', () => {
    const [first, second] = [open(), open()];
    putTags(first, ID, { stage: 'test' });
    expect(tagsOf(second, ID)).toEqual({ stage: 'test' });
  });

  test('gets its schema when it is an empty file', () => {
    writeFileSync(path, '');
    expect(pragma(open(), 'user_version')).toBe(MIGRATIONS.length);
  });

  test('keeps its own version when a step of its migration fails', () => {
    plain('CREATE TABLE tags (mine TEXT)');
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'StoreUnreadable',
        message: expect.stringMatching(/state\.db.*tags.*already exists/),
      }),
    );
    const db = new Database(path);
    opened.push(db);
    expect(tables(db)).toEqual(['tags']);
    expect(pragma(db, 'user_version')).toBe(0);
  });

  test('is refused when a newer bonami wrote it, and stays as it is', () => {
    open().close();
    plain(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    const before = readFileSync(path);
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'StoreTooNew',
        message: `the records in '${path}' were written by a newer bonami (schema ${MIGRATIONS.length + 1}, this one knows ${MIGRATIONS.length})`,
        hint: expect.stringContaining('BONAMI_HOME'),
      }),
    );
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.includes('schema'))).toEqual([]);
  });

  test('is refused when it is damaged, and stays as it is', () => {
    const rubbish = Buffer.from(
      'not a database, but long enough to be read as a header of one. '.repeat(100),
    );
    writeFileSync(path, rubbish);
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'StoreUnreadable',
        message: expect.stringContaining(`'${path}' cannot be read`),
        hint: expect.stringContaining('nothing was changed'),
        cause: expect.any(Error),
      }),
    );
    expect(readFileSync(path).equals(rubbish)).toBe(true);
  });

  test('is refused when it is a folder', () => {
    mkdirSync(path);
    expect(() => open()).toThrow(
      expect.objectContaining({ code: 'StoreUnreadable', message: expect.stringContaining(path) }),
    );
  });
});

describe('transact', () => {
  test('gives what the work gives, and others see what it wrote', () => {
    const db = open();
    expect(
      transact(db, () => {
        putTags(db, ID, { stage: 'test' });
        return 'done';
      }),
    ).toBe('done');
    expect(tagsOf(open(), ID)).toEqual({ stage: 'test' });
  });

  test('takes everything back when the work throws, and throws the same', () => {
    const db = open();
    const failure = new Error('no');
    let caught: unknown;
    try {
      transact(db, () => {
        putTags(db, ID, { stage: 'test' });
        throw failure;
      });
    } catch (error) {
      caught = error;
    }
    expect(caught).toBe(failure);
    expect(tagsOf(db, ID)).toEqual({});
    transact(db, () => putTags(db, ID, { stage: 'again' }));
    expect(tagsOf(db, ID)).toEqual({ stage: 'again' });
  });

  test('holds the write lock before its first statement; others may read what was there', () => {
    const [db, other] = [open(), open()];
    other.exec('PRAGMA busy_timeout = 0');
    const write = (): void => transact(other, () => putTags(other, ID, { stage: 'other' }));
    transact(db, () => {
      expect(write).toThrow('locked');
      putTags(db, ID, { stage: 'own' });
      expect(tagsOf(other, ID)).toEqual({});
    });
    write();
    expect(tagsOf(db, ID)).toEqual({ stage: 'other' });
  });

  test('says that the disk is full, and records nothing', () => {
    const db = open();
    db.exec(`PRAGMA max_page_count = ${String(pragma(db, 'page_count'))}`);
    expect(() =>
      transact(db, () => {
        putTags(db, newId('instance'), { stage: 'test' });
        putTags(db, ID, { big: 'x'.repeat(100_000) });
      }),
    ).toThrow(
      expect.objectContaining({
        code: 'NoSpace',
        message: expect.stringContaining('nothing was recorded'),
        hint: expect.stringContaining('free some space'),
        cause: expect.objectContaining({ code: 'SQLITE_FULL' }),
      }),
    );
    expect(db.prepare('SELECT * FROM tags').all()).toEqual([]);
    transact(db, () => putTags(db, ID, { small: 'x' }));
    expect(tagsOf(db, ID)).toEqual({ small: 'x' });
  });
});
