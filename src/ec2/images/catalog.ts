import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { Ec2Error, HostError, errnoOf, messageOf } from '../../core/errors.ts';
import { type CatalogEntry, catalogEntry as entrySchema } from './catalog-entry.ts';
import { entriesOfList } from './catalog-list.ts';
import { naturalOrder } from './sources/newest-file.ts';

export type { CatalogDownload, CatalogEntry } from './catalog-entry.ts';

/** The folder of lists in a catalog folder: `<folder>/catalog/<distribution>.yaml`. */
const LISTS = 'catalog';

/**
 * All entries of a catalog folder, by name: one of every `<folder>/<name>/image.yaml`, and those of all lists. Throws
 * `CatalogBroken`, naming the file, or the name that is there twice.
 */
export async function readCatalog(folder: string): Promise<readonly CatalogEntry[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new HostError('CatalogBroken', `the image catalog '${folder}' cannot be read`, { cause });
  });
  const lists = names.includes(LISTS) ? await readdir(join(folder, LISTS)) : [];
  const found = await Promise.all([
    ...names.map(async (name) => readEntry(join(folder, name, 'image.yaml'))),
    ...lists
      .filter((name) => name.endsWith('.yaml'))
      .map(async (name) => readWith(join(folder, LISTS, name), entriesOfList)),
  ]);
  const entries = found.flat().toSorted((a, b) => naturalOrder(a.name, b.name));
  const twice = entries.find(({ name }, index) => entries[index + 1]?.name === name);
  if (twice)
    throw new HostError('CatalogBroken', `the image catalog '${folder}' has '${twice.name}' twice`, {
      hint: `grep -rn 'name: ${twice.name}' ${folder}`,
    });
  return entries;
}

/** The entry of this name. Throws `InvalidAMIID.NotFound`, naming those of the same distribution. */
export async function catalogEntry(folder: string, name: string): Promise<CatalogEntry> {
  const entries = await readCatalog(folder);
  const found = entries.find((candidate) => candidate.name === name);
  if (found) return found;
  const [distribution = ''] = name.split('-');
  const near = entries.filter((entry) => entry.name.split('-')[0] === distribution);
  const known = near.map((candidate) => candidate.name).join(', ');
  throw new Ec2Error(
    'InvalidAMIID.NotFound',
    `The catalog has no image '${name}'${near.length === 0 ? '' : `, only ${known}`}`,
    { hint: 'bonami image catalog' },
  );
}

async function readEntry(path: string): Promise<readonly CatalogEntry[]> {
  return readWith(path, (document) => {
    const { build, ...rest } = entrySchema.parse(document);
    return [{ ...rest, recipe: build === undefined ? undefined : recipePath(path, build) }];
  });
}

async function readWith(
  path: string,
  entriesOf: (document: unknown) => readonly CatalogEntry[],
): Promise<readonly CatalogEntry[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    // Folders and files beside the entries are not the catalog's business.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (text === undefined) return [];
  const { parse } = await import('../../core/yaml.ts');
  try {
    return entriesOf(parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : messageOf(cause);
    throw new HostError('CatalogBroken', `the catalog entry '${path}' is not valid`, {
      details: why.split('\n'),
      cause,
    });
  }
}

function recipePath(entryPath: string, build: string): string {
  const catalog = dirname(dirname(entryPath));
  const recipe = resolve(dirname(entryPath), build);
  if (!recipe.startsWith(`${catalog}/`)) throw new Error(`build: '${build}' is outside of the catalog`);
  return recipe;
}
