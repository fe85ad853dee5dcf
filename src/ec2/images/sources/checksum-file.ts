export const DIGEST_ALGORITHMS = ['sha256', 'sha512'] as const;
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];
export const HEX_DIGITS = { sha256: 64, sha512: 128 } as const;

/**
 * How publishers write digests. `hex-file`: lines of `hex  file` or `hex *file` (sha512sum). `bsd`: lines of
 * `SHA512 (file) = hex` (sha512sum --tag), alone or between the lines of a signature. `bare`: a file that is nothing
 * but the digest.
 */
export const CHECKSUM_FORMS = ['hex-file', 'bsd', 'bare'] as const;
export type ChecksumForm = (typeof CHECKSUM_FORMS)[number];

export interface Digest {
  readonly algorithm: DigestAlgorithm;
  /** In lower case. */
  readonly hex: string;
}

export interface Wanted {
  readonly file: string;
  readonly algorithm: DigestAlgorithm;
  /** Any of them when not said. */
  readonly form?: ChecksumForm;
}

/** The longest text that is looked at; the longest known list of a publisher has a tenth of it. */
export const MAX_CHECKSUM_BYTES = 2 ** 20;
const PGP_SIGNATURE = '-----BEGIN PGP SIGNATURE-----';

/**
 * The hex digest that a checksum file gives for a file, in lower case; undefined when it gives none, or two different
 * ones. Signatures are not verified: what vouches for the text is where it came from.
 */
export function checksumFor(text: string, { file, algorithm, form }: Wanted): string | undefined {
  if (text.length > MAX_CHECKSUM_BYTES) return undefined;
  const forms = form === undefined ? CHECKSUM_FORMS : [form];
  const digests = new Set(forms.flatMap((each) => READERS[each](text, { file, algorithm })));
  const [only, ...others] = digests;
  return others.length === 0 ? only?.toLowerCase() : undefined;
}

/** The same where nobody says which algorithm: the strongest that the text has. */
export function digestFor(text: string, file: string): Digest | undefined {
  for (const algorithm of ['sha512', 'sha256'] as const) {
    const hex = checksumFor(text, { file, algorithm });
    if (hex !== undefined) return { algorithm, hex };
  }
  return undefined;
}

export function isHexDigest(text: string, algorithm: DigestAlgorithm): boolean {
  return text.length === HEX_DIGITS[algorithm] && /^[0-9a-fA-F]+$/.test(text);
}

type Reader = (text: string, wanted: Omit<Wanted, 'form'>) => readonly string[];

const READERS: Readonly<Record<ChecksumForm, Reader>> = {
  'hex-file': (text, { file, algorithm }) =>
    linesOf(text).flatMap((line) => {
      const hex = line.slice(0, HEX_DIGITS[algorithm]);
      const name = line.slice(hex.length);
      const isAboutFile = [`  ${file}`, ` *${file}`, `  ./${file}`, ` *./${file}`].includes(name);
      return isAboutFile && isHexDigest(hex, algorithm) ? [hex.toLowerCase()] : [];
    }),
  bsd: (text, { file, algorithm }) =>
    linesOf(text).flatMap((line) => {
      const start = `${algorithm.toUpperCase()} (${file}) = `;
      const hex = line.slice(start.length);
      return line.startsWith(start) && isHexDigest(hex, algorithm) ? [hex.toLowerCase()] : [];
    }),
  bare: (text, { algorithm }) => {
    const hex = text.replace(/\r?\n$/, '');
    return isHexDigest(hex, algorithm) ? [hex.toLowerCase()] : [];
  },
};

/** Up to the signature, if there is one: nothing after it was signed. */
function linesOf(text: string): readonly string[] {
  const lines = text.split(/\r?\n/);
  const end = lines.indexOf(PGP_SIGNATURE);
  return end < 0 ? lines : lines.slice(0, end);
}
