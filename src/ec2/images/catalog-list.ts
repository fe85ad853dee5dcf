import * as z from 'zod';
import { ARCHITECTURES, type Architecture } from '../../core/architecture.ts';
import { type CatalogEntry, catalogEntry, downloadRules, fillIn, imageFacts } from './catalog-entry.ts';

/** What may be said at any level of a list; what is nearer to the single image wins. */
const facts = imageFacts.partial().extend({
  /** Stand for `${name}` in the description and the addresses. */
  words: z.record(z.string().regex(/^[a-z]\w*$/), z.string()).optional(),
  download: downloadRules.partial().optional(),
});
/** What of a level is a fact, and not about the list. */
const factsOnly = z.object(facts.shape);

const release = facts.extend({
  version: z.string(),
  /** Without it `<distribution>-<version>`. */
  name: z.string().optional(),
  /** Without it all of the list's. */
  architectures: z.array(z.enum(ARCHITECTURES)).optional(),
  /** What is particular to this release on one architecture. */
  only: z.partialRecord(z.enum(ARCHITECTURES), facts).optional(),
});

const list = facts.extend({
  distribution: z.string(),
  home: imageFacts.shape.home.unwrap(),
  source: imageFacts.shape.source.unwrap(),
  architectures: z.partialRecord(z.enum(ARCHITECTURES), facts),
  releases: z.array(release).min(1),
});

type Facts = z.infer<typeof facts>;
type List = z.infer<typeof list>;
type Release = z.infer<typeof release>;

/**
 * The entries of a list: each release of a distribution for each of its architectures. A name ends in the architecture
 * unless that is x86_64. Throws what zod throws, about the list or about one of its entries.
 */
export function entriesOfList(document: unknown): readonly CatalogEntry[] {
  const parsed = list.parse(document);
  return parsed.releases.flatMap((each) =>
    (each.architectures ?? architecturesOf(parsed)).map((architecture) =>
      entryOf(parsed, each, architecture),
    ),
  );
}

function architecturesOf({ architectures }: List): readonly Architecture[] {
  return ARCHITECTURES.filter((architecture) => architecture in architectures);
}

function entryOf(whole: List, one: Release, architecture: Architecture): CatalogEntry {
  // From far to near: what comes later wins.
  const levels = [whole, whole.architectures[architecture], one, one.only?.[architecture]].filter(
    (level) => level !== undefined,
  );
  const { words, download, ...rest } = merged(levels);
  const { version } = one;
  const known = { version, ...words };
  const name = one.name ?? `${whole.distribution}-${version}`;
  const entry = catalogEntry.parse({
    ...rest,
    name: architecture === 'x86_64' ? name : `${name}-${architecture}`,
    architecture,
    description: fillIn(rest.description ?? '', known),
    download: { ...download, ...filledIn(download, known) },
  });
  return { ...entry, recipe: undefined };
}

function merged(levels: readonly Facts[]): Facts {
  const plain = levels.map((level) => factsOnly.parse(level));
  const words: Facts['words'] = Object.assign({}, ...plain.map((level) => level.words));
  const download: Facts['download'] = Object.assign({}, ...plain.map((level) => level.download));
  return Object.assign({}, ...plain, { words, download }) as Facts;
}

function filledIn(rules: Facts['download'] = {}, words: Readonly<Record<string, string>>): Facts['download'] {
  const { url, index, pattern, checksumUrl } = rules;
  return {
    ...(url === undefined ? {} : { url: fillIn(url, words) }),
    ...(index === undefined ? {} : { index: fillIn(index, words) }),
    ...(checksumUrl === undefined ? {} : { checksumUrl: fillIn(checksumUrl, words) }),
    // A word is text, not a pattern: the dot of 24.04 is a dot.
    ...(pattern === undefined ? {} : { pattern: fillIn(pattern, words, escaped) }),
  };
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}
