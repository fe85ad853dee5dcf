import type { FileSystem } from '../files/file-system.ts';
import { exists, existsOne, listFolder, readText } from '../files/paths.ts';
import type { Notes } from './notes.ts';

export interface CloudInit {
  readonly present: boolean;
  /** `datasource_list`; undefined when the image leaves it to cloud-init. */
  readonly datasources: readonly string[] | undefined;
  /** The user whom keys are given to; undefined when the image names none. */
  readonly defaultUser: string | undefined;
}

const PROGRAMS: readonly string[] = ['usr/bin/cloud-init', 'bin/cloud-init', 'usr/local/bin/cloud-init'];
const BASE = 'etc/cloud/cloud.cfg';
const FOLDER = 'etc/cloud/cloud.cfg.d';
/** Made by whoever wants cloud-init to stay off: doc/rtd/howto/disable_cloud_init.rst. */
const DISABLED = 'etc/cloud/cloud-init.disabled';
const MAX_FILES = 64;
/**
 * Distributions write some 10 KiB. A second per 32 KiB is what the most laborious YAML costs, and no reading that an
 * allowance could count.
 */
const MAX_FILE_BYTES = 32 * 1024;
const MAX_BYTES = 96 * 1024;
const MAX_ALIASES = 32;

/**
 * What cloud-init in an image will do by itself. Packages that were removed leave their configuration behind, so that
 * only the program counts as a sign of it. Throws `ImageCorrupt` when nobody can say whether it is there.
 */
export async function findCloudInit(files: FileSystem, notes: Notes): Promise<CloudInit> {
  if (!(await existsOne(files, PROGRAMS)))
    return { present: false, datasources: undefined, defaultUser: undefined };
  if (await exists(files, DISABLED)) notes.add(`/${DISABLED} keeps cloud-init from running`);
  return { present: true, ...(await settings(files, notes)) };
}

type Settings = Omit<CloudInit, 'present'>;

/**
 * Files of the folder win over the base file and later names over earlier ones; mappings are merged, lists are not:
 * cloudinit/util.py, read_conf_d and read_conf_with_confd.
 */
async function settings(files: FileSystem, notes: Notes): Promise<Settings> {
  const listed = (await notes.attempt(`/${FOLDER}`, async () => listFolder(files, FOLDER))) ?? [];
  const names = listed.filter((name) => name.endsWith('.cfg')).toSorted();
  let found: Settings = { datasources: undefined, defaultUser: undefined };
  let bytes = 0;
  for (const path of [
    ...names
      .slice(-MAX_FILES)
      .toReversed()
      .map((name) => `${FOLDER}/${name}`),
    BASE,
  ]) {
    const text = await notes.attempt(`/${path}`, async () => readText(files, path, MAX_FILE_BYTES + 1));
    bytes += text?.length ?? 0;
    if (bytes > MAX_BYTES || (text?.length ?? 0) > MAX_FILE_BYTES) {
      notes.add(`/${path} is larger than a configuration of cloud-init ever is, and was not read`);
      continue;
    }
    const config = await parsed(text ?? '', path, notes);
    found = {
      datasources: found.datasources ?? datasourcesIn(config),
      defaultUser: found.defaultUser ?? defaultUserIn(config),
    };
    if (found.datasources && found.defaultUser !== undefined) break;
  }
  return found;
}

/** Broken files are passed over, as cloud-init does. */
async function parsed(text: string, path: string, notes: Notes): Promise<unknown> {
  const { parse } = await import('../../../core/yaml.ts');
  try {
    // PyYAML lets the last of equal keys win. The core schema has none of 1.1's sets and ordered maps, whose checks
    // take quadratic time, whatever version the text demands.
    return parse(text, {
      schema: 'core',
      uniqueKeys: false,
      maxAliasCount: MAX_ALIASES,
      logLevel: 'error',
    });
  } catch {
    notes.add(`/${path} is not valid YAML`);
    return undefined;
  }
}

function datasourcesIn(config: unknown): readonly string[] | undefined {
  const list = valueAt(config, 'datasource_list');
  if (!Array.isArray(list)) return undefined;
  return list
    .filter((name): name is string => typeof name === 'string' && /^[\w.-]{1,64}$/.test(name))
    .slice(0, 32);
}

function defaultUserIn(config: unknown): string | undefined {
  const name = valueAt(valueAt(valueAt(config, 'system_info'), 'default_user'), 'name');
  return typeof name === 'string' && /^[a-z_][a-z0-9_.-]{0,31}$/i.test(name) ? name : undefined;
}

function valueAt(config: unknown, key: string): unknown {
  const isMapping = typeof config === 'object' && config !== null && Object.hasOwn(config, key);
  return isMapping ? (config as Readonly<Record<string, unknown>>)[key] : undefined;
}
