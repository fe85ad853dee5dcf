import { basename } from 'node:path';
import { HostError } from '../../core/errors.ts';
import { type CatalogDownload, type CatalogEntry, fillIn } from './catalog-entry.ts';
import { type Digest, MAX_CHECKSUM_BYTES, checksumFor } from './sources/checksum-file.ts';
import { type FetchOptions, fetchText } from './sources/https.ts';
import { newestFile } from './sources/newest-file.ts';

/** Listings of whole folders; the longest known one has a tenth of it. */
const MAX_INDEX_BYTES = 4 * 2 ** 20;

/** One file to download, and what its bytes must be. */
export interface ResolvedDownload extends Pick<CatalogDownload, 'format' | 'compression'> {
  readonly url: string;
  readonly file: string;
  readonly digest: Digest;
  /** Who says so. */
  readonly checksumUrl: string;
}

type Connection = Omit<FetchOptions, 'maxBytes' | 'allowHttp' | 'onProgress'>;

/**
 * Finds out which file is the newest that an entry means, and its digest. Throws `CatalogMoved` when its places are not
 * there (any more) or name no such file, `ChecksumMissing`, and what `fetchText` throws.
 */
export async function resolveDownload(
  entry: CatalogEntry,
  rules: CatalogDownload,
  connection: Connection,
): Promise<ResolvedDownload> {
  const texts = new Map<string, string>();
  const read = async (url: string, maxBytes: number): Promise<string> => {
    // Where the index is the checksum file, both must be of one moment.
    const text =
      texts.get(url) ??
      (await fetchText(url, { ...connection, maxBytes }).catch((error: unknown) => {
        throw asCatalogMoved(error, entry, url);
      }));
    texts.set(url, text);
    return text;
  };
  const { url, file, words } = await newestOf(entry, rules, read);
  const checksumUrl = fillIn(rules.checksumUrl, { ...words, file });
  const { checksumForm: form, checksumAlgorithm: algorithm, format, compression } = rules;
  const hex = checksumFor(await read(checksumUrl, MAX_CHECKSUM_BYTES), { file, algorithm, form });
  if (hex === undefined)
    throw new HostError('ChecksumMissing', `'${checksumUrl}' has no ${algorithm} of '${file}'`, {
      hint: whatToTry(entry, url),
    });
  return { url, file, digest: { algorithm, hex }, checksumUrl, format, compression };
}

/** A missing file as `CatalogMoved`, which says what to try; any other error as it is. */
export function asCatalogMoved(error: unknown, entry: CatalogEntry, url: string): unknown {
  if (!(error instanceof HostError) || error.code !== 'DownloadMissing') return error;
  return new HostError(
    'CatalogMoved',
    `'${url}', where '${entry.name}' was published, is not there any more`,
    {
      hint: whatToTry(entry, url),
      cause: error,
    },
  );
}

interface Newest {
  readonly url: string;
  readonly file: string;
  readonly words: Readonly<Record<string, string>>;
}

async function newestOf(
  entry: CatalogEntry,
  { url, index, pattern = '' }: CatalogDownload,
  read: (url: string, maxBytes: number) => Promise<string>,
): Promise<Newest> {
  if (index === undefined) return { url, file: basename(new URL(url).pathname), words: {} };
  const found = newestFile(await read(index, MAX_INDEX_BYTES), pattern);
  if (found)
    return { url: fillIn(url, { ...found.words, file: found.file }), file: found.file, words: found.words };
  throw new HostError(
    'CatalogMoved',
    `'${index}' names no file like ${pattern}, which '${entry.name}' would be`,
    {
      hint: whatToTry(entry, url),
    },
  );
}

function whatToTry({ home }: CatalogEntry, url: string): string {
  return `look for the image at ${home ?? new URL(url).origin}, then: bonami image import URL --sha256 HEX`;
}
