// From images and volumes with one disk file each to snapshots and volumes of numbered layers (version 1 to 2).
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Db } from './database.ts';

type Document = Record<string, unknown>;

/** Documents and files of version 1 as version 2 has them. What was on its way into the store is forgotten. */
export function layerDisks(db: Db, home: string): void {
  db.exec(`
    ALTER TABLE images DROP COLUMN digest;
    ALTER TABLE volumes DROP COLUMN image_id;
    CREATE TABLE snapshots (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
  `);
  // Volumes first: they need the images' files where those still are.
  const digests = new Map(documents(db, 'images').map((image) => [image['imageId'], image['digest']]));
  rewrite(db, 'volumes', (volume) => ({
    ...layeredVolume(volume, home),
    layers: volume['imageId'] === null ? [] : [digests.get(volume['imageId'])],
  }));
  for (const image of documents(db, 'images')) snapshotOf(db, image, home);
  rewrite(db, 'images', layeredImage);
  rewrite(db, 'instances', (instance) => ({ ...instance, instanceStore: [], diskBus: 'virtio' }));
  rmSync(join(home, 'images'), { recursive: true, force: true });
}

function layeredVolume({ imageId, ...volume }: Document, home: string): Document {
  const folder = join(home, 'volumes', String(volume['volumeId']));
  const file = (name: string): string => join(folder, name);
  const base = typeof imageId === 'string' ? join(home, 'images', imageId, 'disk.qcow2') : undefined;
  if (existsSync(file('disk.qcow2'))) {
    if (base !== undefined && !existsSync(file('0.qcow2'))) linkSync(base, file('0.qcow2'));
    renameSync(file('disk.qcow2'), file(base === undefined ? '0.qcow2' : '1.qcow2'));
  }
  const snapshotId = imageId === null ? null : snapshotIdOf(imageId);
  return { ...volume, snapshotId, iops: null, throughput: null, isLimited: false };
}

function snapshotOf(db: Db, image: Document, home: string): void {
  if (image['state'] !== 'available') return;
  const snapshotId = snapshotIdOf(image['imageId']);
  const folder = join(home, 'snapshots', snapshotId);
  const disk = join(home, 'images', String(image['imageId']), 'disk.qcow2');
  mkdirSync(folder, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
  if (existsSync(disk)) renameSync(disk, join(folder, '0.qcow2'));
  const snapshot = {
    snapshotId,
    state: 'completed',
    owner: snapshotId,
    volumeId: null,
    volumeSize: Math.max(1, Math.ceil(Number(image['virtualSize']) / 2 ** 30)),
    description: `the disk of ${String(image['name'])}`,
    startTime: image['creationDate'],
    layers: [image['digest']],
  };
  db.prepare('INSERT INTO snapshots (id, document) VALUES (?, ?)').run(snapshotId, JSON.stringify(snapshot));
}

function layeredImage(image: Document): Document | undefined {
  if (image['state'] !== 'available') return undefined;
  const { digest: _digest, sourceDigest: _sourceDigest, virtualSize: _virtualSize, ...kept } = image;
  const mappings = image['blockDeviceMappings'] as Document[];
  return {
    cpuBaseline: null,
    ...kept,
    blockDeviceMappings: mappings.map((mapping) => ({
      kind: 'ebs',
      ...mapping,
      snapshotId: mapping['deviceName'] === image['rootDeviceName'] ? snapshotIdOf(image['imageId']) : null,
      iops: null,
      throughput: null,
    })),
    findings: null,
    sourceInstanceId: null,
  };
}

function snapshotIdOf(imageId: unknown): string {
  return String(imageId).replace('ami-', 'snap-');
}

function documents(db: Db, table: string): readonly Document[] {
  const rows = db.prepare(`SELECT document FROM ${table}`).all() as { document: string }[];
  return rows.map(({ document }) => JSON.parse(document) as Document);
}

/** Replaces every document of a table; a record whose change is undefined goes. Unreadable ones stay as they are. */
function rewrite(db: Db, table: string, change: (document: Document) => Document | undefined): void {
  const rows = db.prepare(`SELECT id, document FROM ${table}`).all() as { id: string; document: string }[];
  for (const { id, document } of rows) {
    const changed = change(JSON.parse(document) as Document);
    if (changed === undefined) db.prepare(`DELETE FROM ${table} WHERE id = ?`).run(id);
    else db.prepare(`UPDATE ${table} SET document = ? WHERE id = ?`).run(JSON.stringify(changed), id);
  }
}
