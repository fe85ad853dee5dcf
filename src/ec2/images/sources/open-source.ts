import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Readable, addAbortSignal } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { Ec2Error, HostError, errnoOf } from '../../../core/errors.ts';
import type { Ec2Context } from '../../context.ts';
import type { FetchOptions } from './https.ts';

/** As much as a disk can hold. */
const MAX_DOWNLOAD_BYTES = 2 * 2 ** 40;

/** Where an image comes from, opened. */
export type OpenedSource = (OpenedFile | OpenedStream) & {
  /** The file's name, for the name of the image; empty when there is none. */
  readonly file: string;
  /** How messages call it. */
  readonly shown: string;
};
interface OpenedFile {
  readonly kind: 'file';
  /** Absolute. */
  readonly path: string;
}
interface OpenedStream {
  readonly kind: 'stream';
  readonly stream: Readable;
  /** Bytes, where they are known beforehand. */
  readonly length: number | undefined;
}

export interface SourceOptions {
  /** Where `-` is read from. */
  readonly stdin?: Readable | undefined;
  /** Host names that may stand for addresses which are not on the public internet. */
  readonly allowedHosts?: readonly string[] | undefined;
  /** Whether a digest will be checked: then even plain http may be used. */
  readonly isVerified: boolean;
  readonly s3?: S3Place | undefined;
  /** How to connect; for tests and mirrors. */
  readonly connection?: Pick<FetchOptions, 'ca' | 'isAllowed' | 'connectTimeoutMs'> | undefined;
}

/** A store that speaks S3, where it is not Amazon's own. */
export interface S3Place {
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
}

/**
 * Opens a path, `http(s)://…`, `s3://bucket/key`, or `-` for standard input. Throws `FileUnreadable`, and what the
 * download's own room throws.
 */
export async function openSource(
  ctx: Ec2Context,
  source: string,
  options: SourceOptions,
): Promise<OpenedSource> {
  if (source === '-') return openStandardInput(ctx, options.stdin);
  const [, scheme] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(source) ?? [];
  switch (scheme?.toLowerCase()) {
    case undefined:
      return openFile(resolve(source));
    case 'file':
      return openFile(pathOf(source));
    case 'http':
    case 'https':
      return openWeb(ctx, source, options);
    case 's3':
      return openObject(ctx, source, options.s3);
    default:
      throw new Ec2Error('InvalidParameterValue', `bonami cannot read from '${scheme}://'`, {
        hint: 'a file, http(s)://…, s3://bucket/key, or - for standard input',
      });
  }
}

function openStandardInput({ signal }: Ec2Context, stdin: Readable | undefined): OpenedSource {
  if (stdin === undefined) throw new Ec2Error('InvalidParameterValue', 'there is no standard input to read');
  // It may be silent for ever.
  addAbortSignal(signal, stdin);
  return { kind: 'stream', stream: stdin, length: undefined, file: '', shown: 'standard input' };
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new Ec2Error('InvalidParameterValue', `${JSON.stringify(url)} is not a file of this host`, {
      hint: 'file:///path/to/disk.qcow2, or the path alone',
      cause,
    });
  }
}

async function openFile(path: string): Promise<OpenedSource> {
  // Without O_NONBLOCK, opening a named pipe would wait for its other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new HostError(
      'FileUnreadable',
      `'${path}' ${errnoOf(cause) === 'ENOENT' ? 'does not exist' : 'cannot be read'}`,
      { cause },
    );
  });
  try {
    if (!(await file.stat()).isFile())
      throw new HostError('FileUnreadable', `'${path}' is not a regular file`);
  } finally {
    await file.close();
  }
  return { kind: 'file', path, file: basename(path), shown: path };
}

async function openWeb(ctx: Ec2Context, url: string, options: SourceOptions): Promise<OpenedSource> {
  const { openUrl } = await import('./https.ts');
  if (/^http:/i.test(url) && !options.isVerified)
    throw new HostError(
      'AddressNotAllowed',
      `'${withoutUser(url)}' is plain http: anybody on the way could change it`,
      {
        hint: 'use https, or say what it must be with --sha256',
      },
    );
  const { stream, length, file } = await openUrl(url, {
    ...options.connection,
    signal: ctx.signal,
    maxBytes: MAX_DOWNLOAD_BYTES,
    allowHttp: options.isVerified,
    ...(options.allowedHosts === undefined ? {} : { allowedHosts: options.allowedHosts }),
  });
  return { kind: 'stream', stream, length, file, shown: url };
}

async function openObject(ctx: Ec2Context, url: string, place: S3Place = {}): Promise<OpenedSource> {
  const { openS3 } = await import('../../../host/s3/client.ts');
  const { getObject } = await import('../../../host/s3/get-object.ts');
  const { parseS3Url } = await import('../../../host/s3/s3-url.ts');
  const object = parseS3Url(url);
  const s3 = await openS3({ ...place, signal: ctx.signal });
  const { stream, length } = await getObject(s3, object).catch((error: unknown) => {
    s3.close();
    throw error;
  });
  stream.once('close', () => s3.close());
  return { kind: 'stream', stream, length, file: basename(object.key), shown: url };
}

/** What stands before an @ may be a password: it is not repeated. */
function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/?#]*@/i, '$1');
}
