import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Ec2Error, HostError, messageOf } from '../../../core/errors.ts';
import {
  DIGEST_ALGORITHMS,
  type Digest,
  type DigestAlgorithm,
  HEX_DIGITS,
  MAX_CHECKSUM_BYTES,
  digestFor,
  isHexDigest,
} from './checksum-file.ts';
import type { DownloadOptions } from './download.ts';
import { fetchText } from './https.ts';

/** As they are typed: `--sha256 HEX`, `--sha512 HEX`, `--checksum URL-or-file`. */
export interface ChecksumWords {
  readonly sha256?: string | undefined;
  readonly sha512?: string | undefined;
  readonly checksum?: string | undefined;
}

/** A digest, or where a file lies that has it. */
export type ChecksumOption =
  | { readonly digest: Digest }
  | { readonly url: string }
  | { readonly path: string };

/**
 * What was said about the digest of a file; undefined when nothing was. Throws `InvalidParameterCombination` when more
 * than one thing was said, `InvalidParameterValue` for what is no digest and for a checksum file over plain http.
 */
export function parseChecksumOption(words: ChecksumWords): ChecksumOption | undefined {
  const said = Object.entries(words).filter(([, word]) => word !== undefined);
  if (said.length > 1)
    throw new Ec2Error(
      'InvalidParameterCombination',
      `Only one of ${said.map(([name]) => `--${name}`).join(' and ')} can be given`,
      { hint: 'leave one of them out' },
    );
  for (const algorithm of DIGEST_ALGORITHMS) {
    const word = words[algorithm];
    if (word !== undefined) return { digest: parseDigest(word, algorithm) };
  }
  return words.checksum === undefined ? undefined : parsePlace(words.checksum);
}

/**
 * The digest that an option gives for a file. Throws `ChecksumMissing` when the checksum file has none for it, and
 * what `fetchText` throws.
 */
export async function readChecksumOption(
  option: ChecksumOption,
  { file, connection }: { readonly file: string; readonly connection: Omit<DownloadOptions, 'maxBytes'> },
): Promise<Digest> {
  if ('digest' in option) return option.digest;
  const isRemote = 'url' in option;
  const text = isRemote
    ? await fetchText(option.url, { ...connection, allowHttp: false, maxBytes: MAX_CHECKSUM_BYTES })
    : await readText(option.path);
  const digest = digestFor(text, file);
  if (digest) return digest;
  const place = isRemote ? option.url : option.path;
  throw new HostError('ChecksumMissing', `'${place}' has no sha256 or sha512 of '${file}'`, {
    hint: '--sha256 HEX',
  });
}

/** With or without the algorithm in front, as digests are printed. */
function parseDigest(word: string, algorithm: DigestAlgorithm): Digest {
  const hex = word.startsWith(`${algorithm}:`) ? word.slice(algorithm.length + 1) : word;
  if (isHexDigest(hex, algorithm)) return { algorithm, hex: hex.toLowerCase() };
  const other = DIGEST_ALGORITHMS.find((each) => isHexDigest(hex, each));
  throw new Ec2Error(
    'InvalidParameterValue',
    `${JSON.stringify(word.slice(0, 200))} is not a ${algorithm} digest of ${HEX_DIGITS[algorithm]} hex digits`,
    { hint: other === undefined ? `${algorithm}sum FILE` : `--${other} ${hex}` },
  );
}

function parsePlace(place: string): ChecksumOption {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) return { path: place };
  if (/^https:/i.test(place) && URL.canParse(place)) return { url: place };
  throw new Ec2Error(
    'InvalidParameterValue',
    `${JSON.stringify(place)} is not an https address; what comes without protection cannot vouch for anything`,
    { hint: '--checksum https://HOST/SHA256SUMS, or --sha256 HEX' },
  );
}

async function readText(path: string): Promise<string> {
  try {
    const file = await open(path);
    try {
      // One byte more than allowed, so that a longer file is not taken for its beginning.
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_CHECKSUM_BYTES + 1), 0);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new HostError('ChecksumMissing', `'${basename(path)}' cannot be read: ${messageOf(cause)}`, {
      hint: `ls -l ${path}`,
      cause,
    });
  }
}
