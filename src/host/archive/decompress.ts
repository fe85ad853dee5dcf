// Compressed files are unpacked by the host's own programs, each confined: decoders written in C for speed, fed by
// strangers. Their words are read in one language (LC_ALL=C), here and nowhere else.
import type { Readable } from 'node:stream';
import { HostError } from '../../core/errors.ts';
import { type Failure, filter } from '../command.ts';
import { confine } from '../confine.ts';
import { type OutputLimits, type Passed, outputGuard } from './output-guard.ts';
import type { CompressionKind } from './recognise.ts';

export interface DecompressOptions {
  readonly signal?: AbortSignal | undefined;
  /** Those of `DEFAULT_LIMITS` where not given. */
  readonly limits?: Partial<OutputLimits> | undefined;
  /** Called with the program's pid. */
  readonly onSpawn?: ((pid: number) => void) | undefined;
  /** Called with every piece that comes out. */
  readonly onProgress?: ((passed: Passed) => void) | undefined;
}

/** What `xz -9` needs is 65 MiB, and `zstd --ultra` 128 MiB; only `--long` and dictionaries by hand need more. */
const XZ_MEMORY = '100MiB';
const ZSTD_MEMORY = '128MiB';
/** bzip2 manages some 20 MB a second, so this is 280 GB of it. */
const CPU_SECONDS = 4 * 3600;

interface Program {
  readonly args: readonly string[];
  /** bzip2 ignores what follows its data: it says so, and exits with 0. */
  readonly isSilent?: boolean;
}

const PROGRAMS: Readonly<Record<CompressionKind, Program>> = {
  gzip: { args: [] },
  // More threads where the file has blocks for them and the memory allows; otherwise xz takes one.
  xz: { args: ['--format=xz', '--threads=0', `--memlimit-decompress=${XZ_MEMORY}`] },
  zstd: { args: [`--memory=${ZSTD_MEMORY}`] },
  bzip2: { args: [], isSilent: true },
};

/**
 * What a compressed stream holds. Owns the source. The stream fails with `ImageCorrupt` when the data ends too soon,
 * is damaged, or is followed by something else; with `CompressionBomb`, `CompressionRefused` (it needs too much
 * memory), `CommandNotFound`, `CommandFailed` (the program was ended), or the signal's reason. What came out before
 * its end is not proved by any checksum.
 */
export function decompress(
  source: Readable,
  kind: CompressionKind,
  { signal, limits, onSpawn, onProgress }: DecompressOptions = {},
): Readable {
  const { args, isSilent } = PROGRAMS[kind];
  const line = [kind, ['--decompress', '--stdout', ...args]] as const;
  return filter(async () => confine(...line, { cpuSeconds: CPU_SECONDS, uses: 'streams' }), source, {
    signal,
    onSpawn,
    isSilent,
    ...outputGuard(`the ${kind} data`, limits, onProgress),
    asError: (failure) => meaningOf(kind, failure),
  });
}

/** Where gzip 1.12, xz 5.4, zstd 1.5 and bzip2 1.0 say so; later versions have kept their words so far. */
const ENDS_TOO_SOON = /unexpected end|ends unexpectedly|premature end|incomplete|truncated/i;
const IS_FOLLOWED = /trailing garbage|unsupported format|unknown header/i;
const NEEDS_MEMORY = /memory usage limit|too much memory|window size larger|cannot allocate/i;
const LINK_OF_THE_CHAIN = /^(?:nice|prlimit|unshare|setpriv): /m;

/** Undefined for what is not the data's fault. */
function meaningOf(kind: CompressionKind, { signal, stderr }: Failure): HostError | undefined {
  if (signal !== undefined) return new HostError('CommandFailed', `${kind} was ended by ${signal}`);
  if (LINK_OF_THE_CHAIN.test(stderr)) return undefined;
  const [said = 'no reason given'] = stderr.split('\n').filter(Boolean);
  if (NEEDS_MEMORY.test(stderr))
    return new HostError('CompressionRefused', `the ${kind} data needs too much memory to be unpacked`, {
      hint: 'if you trust its author, unpack it yourself and import the result',
      details: [said],
    });
  const what = ENDS_TOO_SOON.test(stderr)
    ? 'ends too soon'
    : IS_FOLLOWED.test(stderr)
      ? 'is followed by something else'
      : 'is damaged';
  return new HostError('ImageCorrupt', `the ${kind} data ${what}`, { details: [said] });
}
