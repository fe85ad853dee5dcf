// Fetching from names that a catalog or a user gave: see `addresses.ts` for what may be reached, `connection.ts` for
// redirects, `download.ts` for what happens when a connection breaks.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { basename, dirname } from 'node:path';
import { type Readable, addAbortSignal } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { HostError, messageOf } from '../../../core/errors.ts';
import { isNoSpace, requireSpace } from '../../../host/disk/durable.ts';
import type { DigestAlgorithm } from './checksum-file.ts';
import { shown } from './connection.ts';
import { Download, type DownloadOptions } from './download.ts';

export type { DigestAlgorithm } from './checksum-file.ts';
export type { DownloadOptions as FetchOptions } from './download.ts';

export interface OpenedUrl {
  /** The bytes as they lie there, each once and in order, or an error. Destroying it ends the connection. */
  readonly stream: Readable;
  /** What the server says; undefined when it does not. */
  readonly length: number | undefined;
  /** Last segment of the final path, fit for a file name. */
  readonly file: string;
  /** Where redirects ended. */
  readonly finalUrl: string;
}

/**
 * Begins a download that survives dropped connections and silences. Throws `Unreachable` when no first connection came
 * about, `AddressNotAllowed`, `DownloadMissing` (404, 410), `DownloadFailed`. The stream fails with the same, or with
 * `DownloadChanged` when the file was replaced meanwhile.
 */
export async function openUrl(url: string, options: DownloadOptions): Promise<OpenedUrl> {
  const origin = parseUrl(url);
  const stream = await Download.start(origin, options).catch((cause: unknown) => {
    throw asDownloadError(cause, shown(origin), options.signal);
  });
  // Whoever reads it learns of its errors; nobody may be reading yet.
  stream.on('error', () => {});
  addAbortSignal(options.signal, stream);
  return {
    stream,
    length: stream.version.length,
    file: fileName(stream.place) ?? fileName(origin) ?? 'download',
    finalUrl: stream.place.href,
  };
}

/**
 * Downloads to a new file and returns the hex digest of its bytes. Throws as `openUrl` does, and `NoSpace`; the file
 * may then be there in part.
 */
export async function fetchToFile(
  url: string,
  { path, algorithm, ...options }: DownloadOptions & { path: string; algorithm: DigestAlgorithm },
): Promise<string> {
  const { stream, length = 0 } = await openUrl(url, options);
  const hash = createHash(algorithm);
  const hashed = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  try {
    await requireSpace(dirname(path), length);
    await pipeline(stream, hashed, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
  } catch (cause) {
    stream.destroy();
    throw asDownloadError(cause, url, options.signal);
  }
  return hash.digest('hex');
}

/** Downloads a small text. Throws as `openUrl` does. */
export async function fetchText(url: string, options: DownloadOptions): Promise<string> {
  const { stream } = await openUrl(url, options);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parseUrl(url: string): URL {
  if (URL.canParse(url)) return new URL(url);
  throw new HostError('AddressNotAllowed', `${JSON.stringify(url)} is not an address`, {
    hint: 'https://HOST/PATH',
  });
}

/** A path's last segment, made of characters that are harmless everywhere. */
function fileName({ pathname }: URL): string | undefined {
  const name = decoded(basename(pathname)).replaceAll(/[^\w.+~-]+/g, '-');
  return /^[.-]*$/.test(name) ? undefined : name.replace(/^-+/, '').slice(-200);
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function asDownloadError(cause: unknown, place: string, signal: AbortSignal): unknown {
  if (cause instanceof HostError || signal.aborted || isNoSpace(cause)) return cause;
  return new HostError('DownloadFailed', `the download of '${place}' failed: ${messageOf(cause)}`, {
    hint: 'try again',
    cause,
  });
}
