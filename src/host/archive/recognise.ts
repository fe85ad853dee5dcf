import { BLOCK, isTarHeader } from './tar-header.ts';

export type CompressionKind = 'gzip' | 'xz' | 'zstd' | 'bzip2';

/** Bytes of a file's beginning that are enough for both functions below. */
export const HEAD_BYTES = BLOCK;

/** How a bzip2 stream's first block begins, and how one ends that has none. */
const BZIP2_BLOCKS = new Set(['1AY&SY', '\x17rE8P\x90']);

/**
 * What a file that begins with these bytes is compressed with. From the formats' own documents: RFC 1952, RFC 8878,
 * the .xz file format 2.1.1; bzip2's first block, or the end of a stream that has none, is asked for as well, because
 * three letters could be text.
 */
export function recogniseCompression(head: Buffer): CompressionKind | undefined {
  const bytes = head.toString('latin1', 0, 10);
  if (bytes.startsWith('\x1f\x8b\x08')) return 'gzip';
  if (bytes.startsWith('\xfd7zXZ\0')) return 'xz';
  if (bytes.startsWith('\x28\xb5\x2f\xfd')) return 'zstd';
  if (/^BZh[1-9]$/.test(bytes.slice(0, 4)) && BZIP2_BLOCKS.has(bytes.slice(4))) return 'bzip2';
  return undefined;
}

/** Whether these bytes begin a tar archive: POSIX' or GNU's magic, and a checksum that is right. */
export function isTar(head: Buffer): boolean {
  return head.length >= BLOCK && isTarHeader(head.subarray(0, BLOCK));
}
