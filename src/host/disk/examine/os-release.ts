import type { FileSystem } from '../files/file-system.ts';
import { readText } from '../files/paths.ts';
import type { Notes } from './notes.ts';
import { plainText } from './plain-text.ts';

export interface Distribution {
  /** As `debian`; `linux` when the file does not say. */
  readonly id: string;
  /** As `12`; rolling distributions have none. */
  readonly version: string | undefined;
  /** For people, as `Debian GNU/Linux 12 (bookworm)`. */
  readonly name: string | undefined;
  /** As `coreos`, of a distribution with editions. */
  readonly variant: string | undefined;
}

const MAX_BYTES = 64 * 1024;
const MAX_LENGTH = 200;

/** os-release(5): /etc's comes before /usr/lib's. */
export async function findDistribution(files: FileSystem, notes: Notes): Promise<Distribution | undefined> {
  for (const path of ['etc/os-release', 'usr/lib/os-release']) {
    const text = await notes.attempt(`/${path}`, async () => readText(files, path, MAX_BYTES));
    if (text !== undefined) return distributionOf(parseOsRelease(text));
  }
  return undefined;
}

function distributionOf(fields: ReadonlyMap<string, string>): Distribution {
  const field = (name: string): string | undefined => plainText(fields.get(name) ?? '', MAX_LENGTH);
  const identifier = (name: string): string | undefined => field(name)?.match(/^[a-z0-9._-]{1,64}$/)?.[0];
  return {
    id: identifier('ID') ?? 'linux',
    version: field('VERSION_ID'),
    name: field('PRETTY_NAME') ?? field('NAME'),
    variant: identifier('VARIANT_ID'),
  };
}

/** Assignments as a shell reads them, without expansions. Lines that are none are passed over. */
export function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, unquoted(value));
  }
  return fields;
}

function unquoted(value: string): string {
  const [, single, double] = /^(?:'([^']*)'|"((?:[^"\\]|\\.)*)")/.exec(value) ?? [];
  if (single !== undefined) return single;
  // Within double quotes a backslash is one unless it stands before what has a meaning there.
  if (double !== undefined) return double.replaceAll(/\\([$"\\`])/g, '$1');
  return value.replaceAll(/\\(.)/g, '$1');
}
