// From a disk that somebody gave us to a layer of our own: judged by its bytes, read once, written as plain qcow2.
// Whatever the source was, the same contents have the same digest.
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HostError } from '../../core/errors.ts';
import { peek } from '../archive/peek.ts';
import { openFileSource } from './byte-source.ts';
import { requireSpace, syncFile } from './durable.ts';
import { beginsRaw, inspect, inspectFile, type InspectedDisk } from './inspector/inspect.ts';
import { HEAD_BYTES, TAIL_BYTES, type Window } from './inspector/window.ts';
import { canAdopt, cloneFile } from './qcow2/adopt.ts';
import { contentDigest } from './qcow2/content-digest.ts';
import type { DiskContent } from './qcow2/content.ts';
import { importContent } from './qcow2/import-content.ts';
import { dataRanges, openRaw } from './qcow2/raw.ts';
import { openQcow2 } from './qcow2/reader.ts';
import { convert, info, measure, type DiskFormat } from './qemu-img.ts';
import { writeSparse } from './sparse-file.ts';

/** EBS' limit for a volume that is booted by way of an MBR. */
export const MAX_VIRTUAL_SIZE = 2 * 2 ** 40;

export interface TakeOptions {
  /** Made; one whole layer, durable. */
  readonly to: string;
  /** What the user says the disk is. */
  readonly format?: DiskFormat | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (step: TakeProgress) => void;
}

export interface TakeProgress {
  readonly label: string;
  readonly done: number;
  readonly total?: number;
}

/** A disk that has become a layer. */
export interface TakenDisk {
  /** Of its content: `content-sha256:<hex>`. */
  readonly digest: string;
  /** Bytes. */
  readonly virtualSize: number;
}

export interface FileOptions extends TakeOptions {
  /** It lies in a folder of ours and nobody else needs it: it may be moved instead of copied. */
  readonly isOurs: boolean;
}

/**
 * Makes a layer of a disk file. Throws the inspector's refusals before anything else opens it, `ImageDisputed`,
 * `ImageChanged` when it was written to meanwhile, `NoSpace`. On failure there may be a part of the layer.
 */
export async function takeDiskFile(path: string, options: FileOptions): Promise<TakenDisk> {
  const before = await fingerprint(path);
  const disk = await inspectFile(path, { format: options.format });
  const taken = await takeAs(path, disk, options);
  if (taken.virtualSize !== disk.virtualSize) throw disputed(path, disk, { virtualSize: taken.virtualSize });
  if (!options.isOurs && (await fingerprint(path)) !== before)
    throw new HostError('ImageChanged', `'${path}' was changed while it was being read`, {
      hint: 'try again when nothing writes to it',
    });
  return taken;
}

async function takeAs(path: string, disk: InspectedDisk, options: FileOptions): Promise<TakenDisk> {
  if (disk.format === 'raw')
    return withSource(path, async (file) =>
      copyContent(openRaw(file, await dataRanges(path, options)), options),
    );
  if (disk.format !== 'qcow2') return convertDisk(path, disk, options);
  if (await adopt(path, options)) return digestLayer(options, 'checking');
  return withSource(path, async (file) => {
    try {
      return await copyContent(await openQcow2(file), options);
    } catch (error) {
      if (!(error instanceof HostError && error.code === 'Qcow2Unsupported')) throw error;
      await rm(options.to, { force: true });
      return convertDisk(path, disk, options);
    }
  });
}

async function copyContent(
  content: DiskContent,
  { to, signal, onProgress }: TakeOptions,
): Promise<TakenDisk> {
  await requireSpace(dirname(to), {
    most: content.size,
    exact: async () => content.allocatedBytes({ signal }),
  });
  return importContent({
    content,
    to,
    signal,
    maxVirtualSize: MAX_VIRTUAL_SIZE,
    onProgress: (done) => onProgress({ label: 'importing', done, total: content.size }),
  });
}

/** A normal qcow2 file of our own, or on a file system that shares blocks, becomes the layer as it is. */
async function adopt(path: string, { to, isOurs, signal }: FileOptions): Promise<boolean> {
  // Sharing blocks takes no time, unlike looking whether it pays; and nobody writes to what is then looked at.
  const isCloned = !isOurs && (await cloneFile(path, to));
  if (!isOurs && !isCloned) return false;
  const candidate = isOurs ? path : to;
  if (!(await canAdopt(candidate, { signal }))) {
    if (isCloned) await rm(to, { force: true });
    return false;
  }
  if (isOurs) await rename(path, to);
  await syncFile(to);
  return true;
}

/** For formats that only qemu-img reads. A second opinion first: where two readers differ, one can be deceived. */
async function convertDisk(
  path: string,
  disk: InspectedDisk,
  { to, signal, onProgress }: TakeOptions,
): Promise<TakenDisk> {
  const seen = await info(path, disk.format, { signal });
  if (
    seen.format !== disk.format ||
    seen.virtualSize !== disk.virtualSize ||
    seen.encrypted ||
    seen.snapshots > 0 ||
    seen.otherFile !== undefined
  )
    throw disputed(path, disk, seen);
  await requireSpace(dirname(to), {
    most: disk.virtualSize,
    exact: async () => measure(path, disk.format, { signal }),
  });
  const total = disk.virtualSize;
  await convert({
    from: path,
    to,
    format: disk.format,
    virtualSize: total,
    signal,
    onProgress: (percent) =>
      onProgress({ label: 'converting', done: Math.round((percent / 100) * total), total }),
  });
  return digestLayer({ to, signal, onProgress }, 'checking');
}

/** The digest of a layer that is already whole. */
async function digestLayer(
  { to, signal, onProgress }: Pick<TakeOptions, 'to' | 'signal' | 'onProgress'>,
  label: string,
): Promise<TakenDisk> {
  return withSource(to, async (file) => {
    const content = await openQcow2(file);
    const digest = await contentDigest(content, {
      signal,
      onProgress: (done) => onProgress({ label, done, total: content.size }),
    });
    return { digest, virtualSize: content.size };
  });
}

export interface StreamOptions extends TakeOptions {
  /** For what cannot be read in one go. */
  readonly workFolder: string;
  /** Bytes of the stream, where they are known. */
  readonly length?: number | undefined;
  /** How messages call it. */
  readonly name: string;
}

/**
 * Makes a layer of a disk that arrives as a stream of bytes. A raw disk is written as it comes; any other format has
 * its tables all over the file, so it is put into a file first, which then becomes the layer or goes away.
 */
export async function takeDiskStream(stream: Readable, options: StreamOptions): Promise<TakenDisk> {
  const head = await peek(stream, HEAD_BYTES);
  // A VHD of fixed size is a raw disk up to its last sector.
  const mayBeVhd = options.format === undefined && /\.vhd\b/i.test(options.name);
  if (!mayBeVhd && beginsRaw(head, options)) return takeRawStream(head, stream, options);
  const path = join(options.workFolder, 'arrived');
  try {
    await requireSpace(options.workFolder, options.length ?? head.length);
    await pipeline(stream, async (pieces: AsyncIterable<Buffer>) => writeSparse(path, pieces), {
      signal: options.signal,
    });
    return await takeDiskFile(path, { ...options, isOurs: true });
  } catch (error) {
    throw renamed(error, path, options.name);
  } finally {
    await rm(path, { force: true });
  }
}

async function takeRawStream(
  head: Buffer,
  stream: Readable,
  { to, signal, onProgress, format, name }: StreamOptions,
): Promise<TakenDisk> {
  const tail = new Tail();
  const taken = await importContent({
    stream: tail.watch(stream),
    to,
    signal,
    maxVirtualSize: MAX_VIRTUAL_SIZE,
    onProgress: (done) => onProgress({ label: 'importing', done }),
  });
  // Some formats say what they are in their last bytes only.
  const window = { head, tail: tail.bytes, part: Buffer.alloc(0), size: tail.length };
  const found = inspected(window, { format, name });
  if (found !== 'raw')
    throw new HostError(
      'ImageFormatAmbiguous',
      `'${name}' began like a raw disk and ended like a ${found} image`,
      {
        hint: `--format ${found === 'vpc' ? 'vhd' : found}`,
      },
    );
  return taken;
}

function inspected(window: Window, { format, name }: Pick<StreamOptions, 'format' | 'name'>): DiskFormat {
  try {
    return inspect(window, { format }).format;
  } catch (error) {
    throw renamed(error, 'the file', name);
  }
}

/** Remembers the last bytes of a stream. */
class Tail {
  readonly #pieces: Buffer[] = [];
  #kept = 0;
  length = 0;

  async *watch(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of stream) {
      this.#pieces.push(piece);
      this.#kept += piece.length;
      this.length += piece.length;
      // Whole pieces are kept, as few as hold enough: copying the end of each would cost more.
      for (
        let [first] = this.#pieces;
        first && this.#kept - first.length >= TAIL_BYTES;
        [first] = this.#pieces
      ) {
        this.#kept -= first.length;
        this.#pieces.shift();
      }
      yield piece;
    }
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#pieces).subarray(-TAIL_BYTES);
  }
}

async function withSource<T>(
  path: string,
  work: (file: Awaited<ReturnType<typeof openFileSource>>) => Promise<T>,
): Promise<T> {
  const file = await openFileSource(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

function disputed(
  path: string,
  disk: InspectedDisk,
  seen: { readonly format?: string; readonly virtualSize: number; readonly otherFile?: string | undefined },
): HostError {
  return new HostError(
    'ImageDisputed',
    `'${path}' looks different to another reader (${seen.format ?? disk.format}, ${seen.virtualSize} bytes${
      seen.otherFile === undefined ? '' : ', leading to another file'
    }) than to bonami (${disk.format}, ${disk.virtualSize} bytes)`,
  );
}

/** An error about a file that nobody knows, in words about what the user named. */
function renamed(error: unknown, path: string, name: string): unknown {
  if (!(error instanceof HostError)) return error;
  const { code, message, hint, details } = error;
  return new HostError(code, message.replace(`'${path}'`, path).replace(path, `'${name}'`), {
    details,
    cause: error.cause,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Changes when the file is written to or replaced. */
async function fingerprint(path: string): Promise<string> {
  const { dev, ino, size, mtimeNs } = await stat(path, { bigint: true });
  return [dev, ino, size, mtimeNs].join(' ');
}

/** The first bytes of a file. */
export async function headOf(path: string, bytes: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
