import type { Db } from './database.ts';
import { layerDisks } from './layer-disks.ts';
import { privateNetworks } from './private-networks.ts';

/** SQL, or a step that changes documents or files too: it may be cut short anywhere and is then done again. */
export type Migration = string | ((db: Db, home: string) => void);

/**
 * The schema, step by step; the n-th entry leads from version n to n + 1. Entries are never edited once released.
 * Constraints carry the invariants: one address per VPC, one MAC, one name, one primary interface per instance.
 */
export const MIGRATIONS: readonly Migration[] = [
  `
  CREATE TABLE vpcs (id TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT;
  CREATE TABLE subnets (id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), document TEXT NOT NULL) STRICT;
  CREATE TABLE security_groups (
    id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), name TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (vpc_id, name)) STRICT;
  CREATE TABLE key_pairs (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) STRICT;
  CREATE TABLE images (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, digest TEXT, document TEXT NOT NULL) STRICT;
  CREATE TABLE instances (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, client_token TEXT UNIQUE, uid INTEGER UNIQUE, document TEXT NOT NULL) STRICT;
  CREATE TABLE network_interfaces (
    id TEXT PRIMARY KEY, vpc_id TEXT NOT NULL REFERENCES vpcs(id), subnet_id TEXT NOT NULL REFERENCES subnets(id),
    instance_id TEXT REFERENCES instances(id), device_index INTEGER, private_ip TEXT NOT NULL, mac TEXT NOT NULL UNIQUE,
    document TEXT NOT NULL, UNIQUE (vpc_id, private_ip), UNIQUE (instance_id, device_index)) STRICT;
  CREATE TABLE volumes (
    id TEXT PRIMARY KEY, instance_id TEXT REFERENCES instances(id), image_id TEXT, document TEXT NOT NULL) STRICT;
  CREATE TABLE tags (
    resource_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (resource_id, key)) STRICT;
  `,
  layerDisks,
  privateNetworks,
];
