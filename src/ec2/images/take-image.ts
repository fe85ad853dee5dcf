import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { isTar, recogniseCompression } from '../../host/archive/recognise.ts';
import { unwrap } from '../../host/archive/unwrap.ts';
import { HEAD_BYTES } from '../../host/disk/inspector/window.ts';
import { layerPath } from '../../host/disk/layers.ts';
import type { DiskFormat } from '../../host/disk/qemu-img.ts';
import {
  headOf,
  takeDiskFile,
  takeDiskStream,
  type TakenDisk,
  type TakeProgress,
} from '../../host/disk/take-disk.ts';
import { closed } from '../../host/streams.ts';
import type { BlockDeviceMapping } from '../../store/images.ts';
import type { Ec2Context } from '../context.ts';
import type { Said } from './image-description.ts';
import type { ArrivedDisk, ArrivedMapping, Arrivals } from './receive-image.ts';
import type { OpenedSource } from './sources/open-source.ts';
import { type Expected, verified, verifyFile } from './sources/verified.ts';
import { takeArchive } from './take-archive.ts';

/** The disks of an image, arrived, and what came with them. */
export interface TakenImage {
  /** Its device name is settled later. */
  readonly root: Omit<ArrivedMapping, 'deviceName'>;
  readonly others: readonly ArrivedMapping[];
  readonly otherMappings: readonly BlockDeviceMapping[];
  /** What an OVA's descriptor or a bundle's manifest says. */
  readonly origin: Said;
}

export interface TakeImageOptions {
  readonly arrivals: Arrivals;
  /** What the source's bytes must be. */
  readonly expected: Expected | undefined;
  readonly format: DiskFormat | undefined;
}

/**
 * Brings the disks that a source holds: a disk, a compressed one, or an archive of disks. Everything is read once, as
 * a stream where that is possible, and what the source must be is checked on the way.
 */
export async function takeImage(
  ctx: Ec2Context,
  opened: OpenedSource,
  { arrivals, expected, format }: TakeImageOptions,
): Promise<TakenImage> {
  const source = { ctx, arrivals, format, name: opened.shown };
  if (opened.kind === 'stream') return takeStream(source, opened.stream, { expected, length: opened.length });
  const { path } = opened;
  const head = await headOf(path, HEAD_BYTES);
  if (recogniseCompression(head) !== undefined || isTar(head))
    return takeStream(source, createReadStream(path, { highWaterMark: 1 << 20 }), { expected });
  if (expected !== undefined)
    await verifyFile(path, expected, {
      signal: ctx.signal,
      onProgress: progressOf(ctx, `verifying ${opened.file}`),
    });
  return takeOne(source, async (to) => takeDiskFile(path, { ...commonOptions(source, to), isOurs: false }));
}

/** Takes the qcow2 file that a recipe of ours has made; it is moved. */
export async function takeBuilt(ctx: Ec2Context, path: string, arrivals: Arrivals): Promise<TakenImage> {
  const source = { ctx, arrivals, format: 'qcow2' as const, name: path };
  return takeOne(source, async (to) => takeDiskFile(path, { ...commonOptions(source, to), isOurs: true }));
}

/** What all ways of taking something have in common. */
export interface Source {
  readonly ctx: Ec2Context;
  readonly arrivals: Arrivals;
  readonly format: DiskFormat | undefined;
  /** How messages call it. */
  readonly name: string;
  /** Its progress is told by how far it is read. */
  readonly isMeasured?: boolean;
}

async function takeStream(
  source: Source,
  stream: Readable,
  { expected, length }: { readonly expected: Expected | undefined; readonly length?: number | undefined },
): Promise<TakenImage> {
  const measured = { ...source, isMeasured: length !== undefined };
  const counted = length === undefined ? stream : withProgress(source, stream, length);
  const whole = Readable.from(expected ? verified(counted, expected, source.name) : counted, {
    objectMode: false,
  });
  const { layers, head, content } = await unwrap(whole, { signal: source.ctx.signal });
  try {
    const taken = isTar(head)
      ? await takeArchive(measured, content)
      : await takeDisk(measured, content, layers.length === 0 ? length : undefined);
    // Whatever follows belongs to what was expected, too.
    for await (const _ of content);
    return taken;
  } finally {
    await closed(content);
  }
}

async function takeDisk(source: Source, stream: Readable, length: number | undefined): Promise<TakenImage> {
  return takeOne(source, async (to) =>
    takeDiskStream(stream, {
      ...commonOptions(source, to),
      workFolder: source.arrivals.workFolder,
      name: source.name,
      length,
    }),
  );
}

async function takeOne({ arrivals }: Source, take: (to: string) => Promise<TakenDisk>): Promise<TakenImage> {
  return { root: { disk: await takeInto(arrivals, take) }, others: [], otherMappings: [], origin: {} };
}

/** Makes the one layer of an arriving disk. */
export async function takeInto(
  arrivals: Arrivals,
  take: (to: string) => Promise<TakenDisk>,
): Promise<ArrivedDisk> {
  return arrivals.take(async (folder) => {
    const { digest, virtualSize } = await take(layerPath(folder, 0));
    return { layers: [digest], virtualSize };
  });
}

export function commonOptions({ ctx, format, isMeasured }: Source, to: string) {
  return {
    to,
    format,
    signal: ctx.signal,
    onProgress: (step: TakeProgress): void => {
      if (isMeasured !== true) ctx.report.progress({ ...step, unit: 'bytes' });
    },
  };
}

function progressOf(ctx: Ec2Context, label: string): (done: number) => void {
  return (done) => ctx.report.progress({ label, done, unit: 'bytes' });
}

/** Of a source whose length is known, how far it is read tells more than how much came out of it. */
async function* withProgress(
  { ctx, name }: Source,
  stream: AsyncIterable<Buffer>,
  total: number,
): AsyncGenerator<Buffer> {
  let done = 0;
  for await (const chunk of stream) {
    done += chunk.length;
    ctx.report.progress({ label: `reading ${name}`, done, total, unit: 'bytes' });
    yield chunk;
  }
}
