// A home of the first version, with one file per image and volume, as it is found by a newer program.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDatabase, type Db } from '../../../src/store/database.ts';
import { images, rootMapping } from '../../../src/store/images.ts';
import { layerDisks } from '../../../src/store/layer-disks.ts';
import { MIGRATIONS } from '../../../src/store/migrations.ts';
import { snapshots } from '../../../src/store/snapshots.ts';
import { volumes } from '../../../src/store/volumes.ts';

const IMAGE = 'ami-0123456789abcdef0';
const SNAPSHOT = 'snap-0123456789abcdef0';
const [ROOT, DATA] = ['vol-0aaaaaaaaaaaaaaaa', 'vol-0bbbbbbbbbbbbbbbb'] as const;
const DIGEST = `sha256:${'1'.repeat(64)}`;
const NOW = '2026-01-02T03:04:05.000Z';

let home: string;
let opened: Db | undefined;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'bonami-first-'));
  for (const [folder, content] of [
    [`images/${IMAGE}`, 'the image'],
    [`volumes/${ROOT}`, 'the root volume'],
    [`volumes/${DATA}`, 'the data volume'],
  ] as const) {
    mkdirSync(join(home, folder), { recursive: true });
    writeFileSync(join(home, folder, 'disk.qcow2'), content);
  }
  const db = new Database(join(home, 'state.db'));
  db.exec(`${MIGRATIONS[0] as string}; PRAGMA user_version = 1;`);
  const put = (table: string, columns: Record<string, string | null>, document: object): void => {
    const names = [...Object.keys(columns), 'document'];
    db.prepare(`INSERT INTO ${table} (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`).run(
      ...Object.values(columns),
      JSON.stringify(document),
    );
  };
  put('images', { id: IMAGE, name: 'mine', digest: DIGEST }, image(IMAGE, 'mine', 'available'));
  put(
    'images',
    { id: 'ami-0fffffffffffffff1', name: 'half', digest: null },
    image('ami-0fffffffffffffff1', 'half', 'pending'),
  );
  for (const [volumeId, imageId] of [
    [ROOT, IMAGE],
    [DATA, null],
  ] as const)
    put('volumes', { id: volumeId, instance_id: null, image_id: imageId }, volume(volumeId, imageId));
  db.close();
});

afterEach(() => {
  opened?.close();
  opened = undefined;
  rmSync(home, { recursive: true, force: true });
});

function image(imageId: string, name: string, state: string): object {
  return {
    imageId,
    name,
    description: '',
    architecture: 'x86_64',
    bootMode: 'legacy-bios',
    rootDeviceName: '/dev/xvda',
    blockDeviceMappings: [
      { deviceName: '/dev/xvda', volumeSize: 8, volumeType: 'gp3', deleteOnTermination: true },
    ],
    state,
    creationDate: NOW,
    digest: DIGEST,
    sourceDigest: DIGEST,
    virtualSize: 2 ** 31,
    defaultUser: 'debian',
    firstBoot: 'cloud-init',
    source: 'a test',
  };
}

function volume(volumeId: string, imageId: string | null): object {
  return {
    volumeId,
    size: 8,
    volumeType: 'gp3',
    availabilityZone: 'us-east-1a',
    createTime: NOW,
    imageId,
    attachment: null,
  };
}

const text = (...names: string[]): string => readFileSync(join(home, ...names), 'utf8');

test('images get snapshots, volumes get layers, and nothing of them is lost or copied', () => {
  const db = (opened = openDatabase(join(home, 'state.db')));
  const [migrated] = images.list(db);
  expect(images.list(db)).toHaveLength(1);
  expect(images.broken(db)).toEqual([]);
  expect(migrated).toMatchObject({ name: 'mine', cpuBaseline: null, findings: null });
  expect(migrated && rootMapping(migrated)).toMatchObject({ snapshotId: SNAPSHOT, volumeSize: 8 });
  expect(snapshots.list(db)).toMatchObject([
    { snapshotId: SNAPSHOT, state: 'completed', volumeSize: 2, layers: [DIGEST] },
  ]);
  expect(volumes.list(db)).toMatchObject([
    { volumeId: ROOT, snapshotId: SNAPSHOT, layers: [DIGEST] },
    { volumeId: DATA, snapshotId: null, layers: [] },
  ]);
  expect(text('snapshots', SNAPSHOT, '0.qcow2')).toBe('the image');
  expect(text('volumes', ROOT, '1.qcow2')).toBe('the root volume');
  expect(statSync(join(home, 'volumes', ROOT, '0.qcow2')).ino).toBe(
    statSync(join(home, 'snapshots', SNAPSHOT, '0.qcow2')).ino,
  );
  expect(text('volumes', DATA, '0.qcow2')).toBe('the data volume');
  expect(existsSync(join(home, 'images'))).toBe(false);
});

test('an image keeps what was noted of its CPU', () => {
  const path = join(home, 'state.db');
  const db = new Database(path);
  db.prepare("UPDATE images SET document = json_set(document, '$.cpuBaseline', 'x86-64-v2')").run();
  db.close();
  opened = openDatabase(path);
  expect(images.list(opened)).toMatchObject([{ name: 'mine', cpuBaseline: 'x86-64-v2' }]);
});

test('a migration that was cut short after its files were moved is done again', () => {
  const path = join(home, 'state.db');
  const db = new Database(path);
  db.exec('BEGIN');
  layerDisks(db, home);
  db.exec('ROLLBACK');
  db.close();
  opened = openDatabase(path);
  expect(volumes.list(opened)).toHaveLength(2);
  expect(text('snapshots', SNAPSHOT, '0.qcow2')).toBe('the image');
  expect(text('volumes', ROOT, '1.qcow2')).toBe('the root volume');
});
