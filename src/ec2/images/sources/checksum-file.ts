import type { DigestAlgorithm } from './https.ts';

const HEX_DIGITS = { sha256: 64, sha512: 128 } as const;

export interface Wanted {
  readonly file: string;
  readonly algorithm: DigestAlgorithm;
}

/**
 * The hex digest that a checksum file (`hex  file` or `hex *file` a line, as sha512sum writes it) gives for a file;
 * undefined when it gives none, or two different ones.
 */
export function checksumFor(text: string, { file, algorithm }: Wanted): string | undefined {
  const line = new RegExp(`^([0-9a-fA-F]{${HEX_DIGITS[algorithm]}}) [ *](.+)$`);
  const digests = new Set<string>();
  for (const candidate of text.split(/\r?\n/)) {
    const [, digest, name] = line.exec(candidate) ?? [];
    if (digest !== undefined && name?.replace(/^\.\//, '') === file) digests.add(digest.toLowerCase());
  }
  const [only, ...others] = digests;
  return others.length === 0 ? only : undefined;
}
