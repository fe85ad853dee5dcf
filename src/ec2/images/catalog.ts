import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { ARCHITECTURES, BOOT_MODES } from '../../core/architecture.ts';
import { Ec2Error, HostError, errnoOf, messageOf } from '../../core/errors.ts';

const httpsUrl = z.url({ protocol: /^https$/ });

const download = z.strictObject({
  url: httpsUrl,
  /** Lines of `hex  file`, one of them for the file that `url` names. */
  checksumUrl: httpsUrl,
  checksumAlgorithm: z.enum(['sha256', 'sha512']),
  format: z.enum(['qcow2', 'raw']),
  /** Whether somebody has seen the address answer. */
  checkedLive: z.boolean(),
});

const entry = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{2,63}$/),
  description: z.string(),
  architecture: z.enum(ARCHITECTURES),
  bootMode: z.enum(BOOT_MODES),
  rootDeviceName: z.string().regex(/^\/dev\/[a-z0-9]+$/),
  defaultUser: z.string().regex(/^[a-z_][a-z0-9_-]*$/),
  firstBoot: z.enum(['cloud-init', 'tiny', 'none']),
  /** Number of the root partition; 0 when the file system is on the whole disk or in memory. */
  rootPartition: z.int().nonnegative(),
  minimumDiskGiB: z.int().positive(),
  /** A program in the catalog, by its path from the entry; called with the qcow2 file to make and the architecture. */
  build: z
    .string()
    .regex(/^[\w./-]+$/)
    .optional(),
  /** Debian packages that the program needs on the host. */
  builtWith: z.array(z.string().regex(/^[a-z0-9][a-z0-9+.:-]+$/)).optional(),
  download: download.optional(),
});

/** An image that bonami knows how to get. */
export type CatalogEntry = Omit<z.infer<typeof entry>, 'build'> & {
  /** Absolute path of its build program. */
  readonly recipe: string | undefined;
};
export type CatalogDownload = z.infer<typeof download>;

/** All entries of a catalog folder (`<folder>/<name>/image.yaml`), by name. Throws `CatalogBroken`, naming the file. */
export async function readCatalog(folder: string): Promise<readonly CatalogEntry[]> {
  const names = await readdir(folder).catch((cause: unknown) => {
    throw new HostError('CatalogBroken', `the image catalog '${folder}' cannot be read`, { cause });
  });
  const entries = await Promise.all(names.map(async (name) => readEntry(join(folder, name, 'image.yaml'))));
  return entries.filter((found) => found !== undefined).toSorted((a, b) => a.name.localeCompare(b.name));
}

/** The entry of this name. Throws `InvalidAMIID.NotFound`, naming those that there are. */
export async function catalogEntry(folder: string, name: string): Promise<CatalogEntry> {
  const entries = await readCatalog(folder);
  const found = entries.find((candidate) => candidate.name === name);
  if (found) return found;
  const known = entries.map((candidate) => candidate.name).join(', ');
  throw new Ec2Error('InvalidAMIID.NotFound', `The catalog has no image '${name}', only ${known}`, {
    hint: 'bonami image catalog',
  });
}

async function readEntry(path: string): Promise<CatalogEntry | undefined> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    // Folders and files beside the entries are not the catalog's business.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const { parse } = await import('../../core/yaml.ts');
  try {
    const { build, ...rest } = entry.parse(parse(text));
    return { ...rest, recipe: build === undefined ? undefined : recipePath(path, build) };
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
