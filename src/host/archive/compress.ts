import type { Readable } from 'node:stream';
import { filter } from '../command.ts';
import { confine } from '../confine.ts';

const CPU_SECONDS = 24 * 3600;

/** The zstd compressed form of a stream, by all processors. Owns the source; its errors are `decompress`'s. */
export function compress(
  source: Readable,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Readable {
  const args = ['--compress', '--stdout', '--threads=0', '-3'];
  return filter(async () => confine('zstd', args, { cpuSeconds: CPU_SECONDS, uses: 'streams' }), source, {
    signal,
  });
}
