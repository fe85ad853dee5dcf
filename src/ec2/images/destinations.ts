import { createHash } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Ec2Error, HostError } from '../../core/errors.ts';
import { namingFullFolder, syncFolder } from '../../host/disk/durable.ts';
import type { Ec2Context } from '../context.ts';
import type { S3Place } from './sources/open-source.ts';

/** Where an export goes: all of it arrives, or nothing is seen there. */
export interface Destination {
  /** Writes a stream. */
  write(chunks: AsyncIterable<Buffer>): Promise<Delivered>;
  /** Lets `make` write the file itself; undefined where there is no file. */
  readonly writeFile?: (make: (path: string) => Promise<void>) => Promise<void>;
}

export interface Delivered {
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** A file on this host. Throws `FileExists` unless it may be replaced, which only a file may ever be. */
export async function fileDestination(
  path: string,
  { replace }: { readonly replace: boolean },
): Promise<Destination> {
  const there = await stat(path).catch(() => undefined);
  if (there && !there.isFile())
    throw new HostError('NotAFile', `'${path}' is there already, and not a file`, { hint: 'another name' });
  if (there && !replace)
    throw new HostError('FileExists', `'${path}' is there already`, { hint: 'another name, or --force' });
  const unfinished = `${path}.part`;
  const whole = async <T>(make: () => Promise<T>): Promise<T> => {
    try {
      await rm(unfinished, { force: true });
      const made = await make();
      await rename(unfinished, path);
      await syncFolder(dirname(path));
      return made;
    } catch (error) {
      await rm(unfinished, { force: true });
      throw namingFullFolder(error, dirname(path));
    }
  };
  return {
    write: async (chunks) => whole(async () => writeStream(unfinished, chunks)),
    writeFile: async (make) => whole(async () => make(unfinished)),
  };
}

async function writeStream(path: string, chunks: AsyncIterable<Buffer>): Promise<Delivered> {
  const file = await open(path, 'wx', 0o644);
  try {
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of chunks) {
      hash.update(chunk);
      await file.writeFile(chunk);
      bytes += chunk.length;
    }
    await file.sync();
    return { bytes, sha256: hash.digest('hex') };
  } finally {
    await file.close();
  }
}

/** An object in an S3-compatible store. */
export async function objectDestination(
  ctx: Ec2Context,
  url: string,
  place: S3Place = {},
): Promise<Destination> {
  const { openS3 } = await import('../../host/s3/client.ts');
  const { putObject } = await import('../../host/s3/put-object.ts');
  const { parseS3Url } = await import('../../host/s3/s3-url.ts');
  const object = parseS3Url(url);
  return {
    async write(chunks) {
      const s3 = await openS3({ ...place, signal: ctx.signal });
      try {
        return await putObject(s3, object, chunks, {
          onProgress: (done) => ctx.report.progress({ label: `uploading to ${url}`, done, unit: 'bytes' }),
        });
      } finally {
        s3.close();
      }
    },
  };
}

/** The destination that an address or path means. */
export async function openDestination(
  ctx: Ec2Context,
  destination: string,
  { replace, s3 }: { readonly replace: boolean; readonly s3?: S3Place | undefined },
): Promise<Destination> {
  if (destination.startsWith('s3://')) return objectDestination(ctx, destination, s3);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(destination))
    throw new Ec2Error('InvalidParameterValue', `bonami cannot write to '${destination}'`, {
      hint: 'a path, or s3://bucket/key',
    });
  return fileDestination(destination, { replace });
}
