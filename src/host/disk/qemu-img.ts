// Every call names the format of every file it opens: a guest may write another format's header into its disk, and
// a program that guesses would then open whatever file that header names.
import { rm } from 'node:fs/promises';
import { basename, dirname, isAbsolute } from 'node:path';
import * as z from 'zod';
import { HostError } from '../../core/errors.ts';
import { run, type CommandOptions } from '../command.ts';
import { confine } from '../confine.ts';
import { namingFullFolder, syncFile, syncFolder } from './durable.ts';

/** Formats that qemu-img is asked to read, by its own names: `vpc` is VHD. */
export const DISK_FORMATS = ['qcow2', 'raw', 'vmdk', 'vpc', 'vhdx', 'vdi'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

/** What qemu-img may use up on a file whose author is not trusted. */
const SMALL_JOB = { cpuSeconds: 30, wallSeconds: 120 };
const LARGE_JOB = { cpuSeconds: 4 * 3600, wallSeconds: 8 * 3600 };
/** Compressing a large disk. */
const EXPORT_JOB = { cpuSeconds: 24 * 3600, wallSeconds: 24 * 3600 };
/** Tables of a fully allocated qcow2 are about 0.02 % of it; the rest is for rounding. */
const METADATA_ALLOWANCE = { factor: 1.002, bytes: 64 * 2 ** 20 };

export interface OverlayRequest {
  readonly path: string;
  /** A qcow2 file in the same folder; never written to. */
  readonly backingPath: string;
  /** What the guest sees; not less than the backing file's. */
  readonly sizeBytes: number;
}

/**
 * Makes a qcow2 file that holds only the differences from another. Durable when it returns.
 * Subclusters (extended_l2) let a guest's first 4 KiB write to a cluster copy 4 KiB instead of 64: with these
 * options such writes were seven times faster and took an eighth of the space, and making the overlay as fast.
 */
export async function createOverlay({ path, backingPath, sizeBytes }: OverlayRequest): Promise<void> {
  // By its bare name: the two stay together wherever their folder is moved or linked to.
  const backing = ['-F', 'qcow2', '-b', basename(absolute(backingPath))];
  await create(path, sizeBytes, [...backing, '-o', 'extended_l2=on,cluster_size=128k']);
}

/** Makes a qcow2 file of zeros. Durable when it returns. */
export async function createEmpty({
  path,
  sizeBytes,
}: Pick<OverlayRequest, 'path' | 'sizeBytes'>): Promise<void> {
  await create(path, sizeBytes, ['-o', 'extended_l2=on,cluster_size=128k']);
}

async function create(path: string, sizeBytes: number, options: readonly string[]): Promise<void> {
  try {
    await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...options, '--', absolute(path), `${sizeBytes}`]);
    await syncFile(path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(path, { force: true });
    throw namingFullFolder(error, dirname(path));
  }
}

const infoAnswer = z.object({
  format: z.string(),
  'virtual-size': z.number(),
  'backing-filename': z.string().optional(),
  encrypted: z.boolean().optional(),
  snapshots: z.array(z.unknown()).optional(),
  'format-specific': z.object({ data: z.object({ 'data-file': z.string().optional() }).loose() }).optional(),
});

export interface DiskInfo {
  readonly format: string;
  /** Bytes. */
  readonly virtualSize: number;
  /** Another file that this one leads to; undefined when it stands alone. */
  readonly otherFile: string | undefined;
  readonly encrypted: boolean;
  readonly snapshots: number;
}

export interface SandboxOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What qemu-img itself reads in a disk file of this format. Confined: the file's author is not trusted. */
export async function info(
  path: string,
  format: DiskFormat,
  { signal }: SandboxOptions = {},
): Promise<DiskInfo> {
  const args = ['info', '-U', '-f', format, '--output=json', '--', absolute(path)];
  const answer = infoAnswer.parse(JSON.parse(await confined(args, { ...SMALL_JOB, signal })));
  return {
    format: answer.format,
    virtualSize: answer['virtual-size'],
    otherFile: answer['backing-filename'] ?? answer['format-specific']?.data['data-file'],
    encrypted: answer.encrypted ?? false,
    snapshots: answer.snapshots?.length ?? 0,
  };
}

/** Bytes that an uncompressed qcow2 copy of this disk will take. */
export async function measure(
  path: string,
  format: DiskFormat,
  { signal }: SandboxOptions = {},
): Promise<number> {
  const args = ['measure', '-U', '--output=json', '-f', format, '-O', 'qcow2', '--', absolute(path)];
  const answer = await confined(args, { ...SMALL_JOB, signal });
  return z.object({ required: z.number() }).parse(JSON.parse(answer)).required;
}

export interface ConvertRequest {
  readonly from: string;
  readonly format: DiskFormat;
  /** Made; an uncompressed qcow2. */
  readonly to: string;
  /** What the source was found to hold; bounds what may be written. */
  readonly virtualSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Percent, 0 to 100. */
  readonly onProgress?: (percent: number) => void;
}

/**
 * Copies a disk into a qcow2 file of our own: no compression (that would cost time at every cold read), holes kept.
 * The contents are on the disk when this returns. Confined: the source's author is not trusted.
 */
export async function convert(request: ConvertRequest): Promise<void> {
  try {
    // qemu-img's own default cache mode is `unsafe`: a power cut could leave a file that only looks whole.
    await convertWith('none', request).catch(async (error: unknown) => {
      if (!refusesDirectIo(error)) throw error;
      await convertWith('writeback', request);
    });
    await syncFile(request.to);
  } catch (error) {
    await rm(request.to, { force: true });
    throw namingFullFolder(error, dirname(request.to));
  }
}

async function convertWith(
  cache: 'none' | 'writeback',
  { from, format, to, virtualSize, signal, onProgress }: ConvertRequest,
): Promise<void> {
  const formats = ['-f', format, '-O', 'qcow2', '-t', cache];
  const fileBytes = Math.ceil(virtualSize * METADATA_ALLOWANCE.factor) + METADATA_ALLOWANCE.bytes;
  await confined(['convert', '-p', ...formats, '--', absolute(from), absolute(to)], {
    ...LARGE_JOB,
    fileBytes,
    signal,
    onStdoutLine: percentTo(onProgress),
  });
}

function refusesDirectIo(error: unknown): boolean {
  return error instanceof HostError && [error.message, ...error.details].some((l) => /O_DIRECT/.test(l));
}

export interface FlattenRequest {
  /** The disk's layers, the lowest first. */
  readonly layers: readonly string[];
  /** Made, absolute. */
  readonly to: string;
  /** qemu-img's name of the new file's format, and its options. */
  readonly driver: 'qcow2' | 'raw' | 'vmdk' | 'vpc' | 'vhdx' | 'vdi';
  readonly options: readonly string[];
  /** Bytes the guest sees. */
  readonly virtualSize: number;
  readonly signal: AbortSignal;
  /** Percent, 0 to 100. */
  readonly onProgress: (percent: number) => void;
}

/** Writes a disk of layers as one file; there whole and durable, or not at all. */
export async function flatten({
  layers,
  to,
  driver,
  options,
  virtualSize,
  signal,
  onProgress,
}: FlattenRequest): Promise<void> {
  const target = absolute(to);
  try {
    const formats = ['--image-opts', '-O', driver, ...options];
    // The layers are ours, but what is in them was written by guests. Room for tables and for what does not compress.
    const fileBytes = Math.ceil(virtualSize * 1.01) + 64 * 2 ** 20;
    await confined(['convert', '-p', '-U', ...formats, '--', imageOptions(layers), target], {
      ...EXPORT_JOB,
      fileBytes,
      signal,
      onStdoutLine: percentTo(onProgress),
    });
    await syncFile(to);
  } catch (error) {
    await rm(to, { force: true });
    throw namingFullFolder(error, dirname(to));
  }
}

/** Every layer by its path and format (qemu-img(1), "--image-opts"): what a header says is not followed. */
function imageOptions(layers: readonly string[]): string {
  return layers
    .toReversed()
    .flatMap((path, depth) => {
      const prefix = 'backing.'.repeat(depth);
      // A comma would begin another option; our own paths have none.
      if (path.includes(',')) throw new HostError('InvalidArgument', `'${path}' has a comma`);
      return [
        `${prefix}driver=qcow2`,
        `${prefix}file.driver=file`,
        `${prefix}file.filename=${absolute(path)}`,
      ];
    })
    .join(',');
}

function percentTo(onProgress: ((percent: number) => void) | undefined): (line: string) => void {
  return (line) => {
    const percent = /\((\d+(?:\.\d+)?)\/100%\)/.exec(line)?.[1];
    if (percent !== undefined) onProgress?.(Number(percent));
  };
}

export interface Soundness {
  /** Damage, and places that could not be looked at. */
  readonly corruptions: number;
  /** Clusters that nothing refers to: they only waste space. */
  readonly leaks: number;
  readonly compressedClusters: number;
}

/** What `qemu-img check` finds in a qcow2 file. Confined: its author may not be trusted. */
export async function check(path: string, { signal }: SandboxOptions = {}): Promise<Soundness> {
  // 2: corruptions found, 3: leaks found. Both are answers; 1 is a file that could not be checked.
  const args = ['check', '-f', 'qcow2', '--output=json', '--', absolute(path)];
  const answer: unknown = JSON.parse(await confined(args, { ...SMALL_JOB, signal, answers: [2, 3] }));
  const count = z.number().default(0);
  const fields = { corruptions: count, 'check-errors': count, leaks: count, 'compressed-clusters': count };
  const found = z.object(fields).parse(answer);
  return {
    corruptions: found.corruptions + found['check-errors'],
    leaks: found.leaks,
    compressedClusters: found['compressed-clusters'],
  };
}

/** Bytes of a file, from `start` up to `end`. */
export interface FileRange {
  readonly start: number;
  readonly end: number;
}

/** Lines of a map that are kept: some 12 MiB of text. */
const MAX_MAP_LINES = 100_000;
const MAP_LINE = /"start": (\d+), "length": (\d+), .*"zero": (true|false)/;

/**
 * The parts of a raw file of `size` bytes that are not holes, in order. What is not understood, or too much, counts as
 * no hole.
 */
export async function mapRaw(
  path: string,
  size: number,
  { signal }: SandboxOptions = {},
): Promise<readonly FileRange[]> {
  const enough = new AbortController();
  const ranges: FileRange[] = [];
  let lines = 0;
  let known = 0;
  const onStdoutLine = (line: string): void => {
    const [, start, length, zero] = MAP_LINE.exec(line) ?? [];
    if (Number(start) !== known || ++lines > MAX_MAP_LINES) enough.abort();
    if (enough.signal.aborted) return;
    known = Math.min(size, known + Number(length));
    if (zero === 'false') ranges.push({ start: Number(start), end: known });
  };
  const either = AbortSignal.any([enough.signal, ...(signal ? [signal] : [])]);
  const args = ['map', '-U', '-f', 'raw', '--output=json', '--', absolute(path)];
  await confined(args, { ...SMALL_JOB, signal: either, onStdoutLine }).catch((error: unknown) => {
    if (!enough.signal.aborted || signal?.aborted) throw error;
  });
  return known < size ? [...ranges, { start: known, end: size }] : ranges;
}

interface Limits extends Pick<CommandOptions, 'signal' | 'onStdoutLine' | 'answers'> {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  /** Largest file it may write. */
  readonly fileBytes?: number;
}

/** Runs qemu-img on a file that may have been made to break it: confined, and for so long at most. */
async function confined(
  args: readonly string[],
  { cpuSeconds, wallSeconds, fileBytes, ...options }: Limits,
): Promise<string> {
  const line = await confine('qemu-img', args, { cpuSeconds, fileBytes, uses: 'files' });
  const result = await run(line.command, line.args, { ...options, timeoutMs: wallSeconds * 1000 });
  return result.stdout;
}

function absolute(path: string): string {
  // A relative name with a colon in it would be a protocol to qemu-img.
  if (!isAbsolute(path)) throw new HostError('InvalidArgument', `'${path}' is not an absolute path`);
  return path;
}
