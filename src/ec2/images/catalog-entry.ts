import * as z from 'zod';
import { ARCHITECTURES, BOOT_MODES, CPU_BASELINES } from '../../core/architecture.ts';
import { FIRST_BOOTS } from '../../core/first-boot.ts';
import { CHECKSUM_FORMS, DIGEST_ALGORITHMS } from './sources/checksum-file.ts';

/** Its host is fixed; its path may have `${…}` in it. */
const httpsUrl = z
  .url({ protocol: /^https$/ })
  .regex(/^https:\/\/[a-z0-9.-]+(?::\d+)?\//, 'not an https address with a path');
/** What it matches is a file name, and so has no slash. */
const filePattern = z.string().refine((text) => !text.includes('/') && isPattern(text), 'not a pattern');

/** How to get the newest file and its digest. */
export const downloadRules = z.strictObject({
  /** The file; with an index, `${file}` and the named groups of the pattern stand in it. */
  url: httpsUrl,
  /** A page or checksum file whose text names files. */
  index: httpsUrl.optional(),
  /** A regular expression for the names that are meant; the newest is the last by natural order. */
  pattern: filePattern.optional(),
  /** `${file}` stands in it, and the named groups of the pattern. */
  checksumUrl: httpsUrl,
  checksumForm: z.enum(CHECKSUM_FORMS).optional(),
  checksumAlgorithm: z.enum(DIGEST_ALGORITHMS),
  format: z.enum(['qcow2', 'raw']),
  /** Around the file of that format. */
  compression: z.enum(['gzip', 'bzip2', 'xz', 'zstd']).optional(),
  /** Whether somebody has seen the address answer, and the image boot as its entry says. */
  checkedLive: z.boolean(),
});

const download = downloadRules
  .extend({ checksumForm: z.enum(CHECKSUM_FORMS).default('hex-file') })
  .refine(({ index, pattern }) => (index === undefined) === (pattern === undefined), {
    message: 'an index needs a pattern, and a pattern an index',
  })
  .superRefine(({ url, index = '', pattern, checksumUrl }, context) => {
    const words = pattern === undefined ? [] : ['file', ...groupsOf(pattern)];
    const wrong = [
      ...placeholdersOf(url).filter((word) => !words.includes(word)),
      ...placeholdersOf(checksumUrl).filter((word) => ![...words, 'file'].includes(word)),
      ...placeholdersOf(index),
    ];
    for (const word of wrong) context.addIssue(`nothing is known that '\${${word}}' could stand for`);
  });

/** What is said of an image, however it is had. */
export const imageFacts = z.strictObject({
  description: z.string().min(1),
  bootMode: z.enum(BOOT_MODES),
  rootDeviceName: z.string().regex(/^\/dev\/[a-z0-9]+$/),
  defaultUser: z.string().regex(/^[a-z_][a-z0-9_-]*$/),
  firstBoot: z.enum(FIRST_BOOTS),
  /** Number of the root partition; 0 when the file system is on the whole disk or in memory, null when unknown. */
  rootPartition: z.int().nonnegative().nullable(),
  /** What its programs demand of the CPU. */
  cpuBaseline: z.enum(CPU_BASELINES).optional(),
  minimumDiskGiB: z.int().positive(),
  /** The publisher's page: where to look when the file has moved. */
  home: z.url({ protocol: /^https$/ }).optional(),
  /** Where the facts come from. */
  source: z.string().min(1).optional(),
});

export const catalogEntry = imageFacts.extend({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{2,63}$/),
  architecture: z.enum(ARCHITECTURES),
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
export type CatalogEntry = Omit<z.infer<typeof catalogEntry>, 'build'> & {
  /** Absolute path of its build program. */
  readonly recipe: string | undefined;
};
export type CatalogDownload = z.infer<typeof download>;

/** The text with the words put in for `${word}`; unknown ones stay. */
export function fillIn(
  text: string,
  words: Readonly<Record<string, string>>,
  as: (word: string) => string = (word) => word,
): string {
  return text.replaceAll(PLACEHOLDER, (whole, name: string) => {
    const word = Object.hasOwn(words, name) ? words[name] : undefined;
    return word === undefined ? whole : as(word);
  });
}

const PLACEHOLDER = /\$\{(\w+)\}/g;

function placeholdersOf(text: string): readonly string[] {
  return [...text.matchAll(PLACEHOLDER)].map(([, name = '']) => name);
}

function groupsOf(pattern: string): readonly string[] {
  return [...pattern.matchAll(/\(\?<(\w+)>/g)].map(([, name = '']) => name);
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
