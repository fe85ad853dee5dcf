import { createHash } from 'node:crypto';
import { lstat, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { Ec2Error, HostError, errnoOf } from '../../core/errors.ts';
import { namingFullFolder, syncFolder } from '../../host/disk/durable.ts';
import { type HeldLock, tryLock } from '../../host/process/lock.ts';
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

const SUFFIX = '.part';
/** Of a file's name (limits.h, NAME_MAX). */
const MAX_NAME_BYTES = 255;

/**
 * A file on this host. Throws `FileExists` unless it may be replaced, and `FileUnwritable` for what no file can become:
 * only a regular file is ever replaced.
 */
export async function fileDestination(
  path: string,
  { replace }: { readonly replace: boolean },
): Promise<Destination> {
  await requireWritable(path, { replace });
  const unfinished = `${path}${SUFFIX}`;
  const whole = async <T>(make: () => Promise<T>): Promise<T> => {
    const mine = await claim(unfinished);
    try {
      const made = await make();
      // Something else may have come there meanwhile.
      await requireWritable(path, { replace });
      await rename(unfinished, path);
      await syncFolder(dirname(path));
      return made;
    } catch (error) {
      await rm(unfinished, { force: true });
      throw namingFullFolder(error, dirname(path));
    } finally {
      mine.release();
    }
  };
  return {
    write: async (chunks) => whole(async () => writeStream(unfinished, chunks)),
    writeFile: async (make) => whole(async () => make(unfinished)),
  };
}

async function requireWritable(path: string, { replace }: { readonly replace: boolean }): Promise<void> {
  if (/\p{Cc}/u.test(path)) throw unwritable(path, 'has control characters in its name');
  if (Buffer.byteLength(basename(path)) > MAX_NAME_BYTES - SUFFIX.length)
    throw unwritable(path, 'has too long a name');
  const folder = await orMissing(stat(dirname(path)));
  if (folder?.isDirectory() !== true) throw unwritable(path, 'is in no folder that is there');
  // Not where a link leads: a device or a folder would be replaced as readily as a file.
  const there = await orMissing(lstat(path));
  if (there === undefined) return;
  if (!there.isFile()) throw unwritable(path, 'is there already, and is no regular file');
  if (!replace)
    throw new HostError('FileExists', `'${path}' is there already`, { hint: 'another name, or --force' });
}

async function orMissing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Removes what a dead export left, and keeps others from writing there too. Throws `ResourceBusy`. */
async function claim(unfinished: string): Promise<HeldLock> {
  const there = await orMissing(lstat(unfinished));
  if (there !== undefined && !there.isFile())
    throw unwritable(unfinished, 'is needed on the way, and is no regular file');
  const held = tryLock(unfinished);
  if (held === undefined)
    throw new HostError('ResourceBusy', `another command is writing '${unfinished}'`, {
      hint: 'wait for it, or choose another name',
    });
  return held;
}

function unwritable(path: string, why: string): HostError {
  return new HostError('FileUnwritable', `'${path}' ${why}`, { hint: 'choose another name' });
}

async function writeStream(path: string, chunks: AsyncIterable<Buffer>): Promise<Delivered> {
  const file = await open(path, 'w', 0o644);
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
  if (destination === '' || destination === '-')
    throw new Ec2Error('InvalidParameterValue', 'bonami writes images to files and objects only', {
      hint: 'a path, or s3://bucket/key',
    });
  return fileDestination(resolve(destination), { replace });
}
