// Fetching from names that a catalog or a user gave. A name is resolved once, all its addresses are checked, and
// the connection goes to a checked address, so that no answer can change between check and use.
import { createHash } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { createWriteStream } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { type RequestOptions, get } from 'node:https';
import type { LookupFunction } from 'node:net';
import { dirname } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostError, errnoOf, messageOf } from '../../../core/errors.ts';
import { isPublicAddress } from '../../../core/public-address.ts';
import { isNoSpace, requireSpace } from '../../../host/disk/durable.ts';

const MAX_REDIRECTS = 5;

export interface FetchOptions {
  readonly signal: AbortSignal;
  /** A longer answer is refused. */
  readonly maxBytes: number;
  /** Until the connection stands, names included: an offline host finds out soon. */
  readonly connectTimeoutMs?: number;
  /** Silence that ends a transfer. */
  readonly idleTimeoutMs?: number;
  readonly onProgress?: (progress: { readonly done: number; readonly total?: number }) => void;
  /** Which addresses may be connected to; the public internet's when not given. */
  readonly isAllowed?: (address: string) => boolean;
  /** Certificates to trust instead of the system's. */
  readonly ca?: string;
}

export type DigestAlgorithm = 'sha256' | 'sha512';

/**
 * Downloads to a new file and returns the hex digest of its bytes. Throws `Unreachable` when no connection came
 * about, `AddressNotAllowed`, `DownloadFailed`, `NoSpace`; the file may then be there in part.
 */
export async function fetchToFile(
  url: string,
  { path, algorithm, ...options }: FetchOptions & { path: string; algorithm: DigestAlgorithm },
): Promise<string> {
  const response = await follow(url, options);
  const total = lengthOf(response);
  const hash = createHash(algorithm);
  try {
    await requireSpace(dirname(path), total ?? 0);
    const count = counted(url, { ...options, total, seen: (chunk) => hash.update(chunk) });
    await pipeline(response, count, createWriteStream(path, { flags: 'wx', mode: 0o600 }), {
      signal: options.signal,
    });
  } catch (cause) {
    response.destroy();
    throw asDownloadError(cause, url, options.signal);
  }
  return hash.digest('hex');
}

/** Downloads a small text. Throws as `fetchToFile` does. */
export async function fetchText(url: string, options: FetchOptions): Promise<string> {
  const response = await follow(url, options);
  const chunks: Buffer[] = [];
  try {
    const count = counted(url, {
      ...options,
      total: lengthOf(response),
      seen: (chunk) => chunks.push(chunk),
    });
    await pipeline(response, count.resume(), {
      signal: options.signal,
    });
  } catch (cause) {
    throw asDownloadError(cause, url, options.signal);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The answer to a GET, after redirects, each of which is checked like the first request. */
async function follow(url: string, options: FetchOptions): Promise<IncomingMessage> {
  let place = new URL(url);
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await request(place, options);
    const { statusCode = 0, headers } = response;
    if (statusCode === 200) return response;
    // The body is never shown: a refused request must not become a window into someone's network.
    response.destroy();
    if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined)
      throw new HostError('DownloadFailed', `'${place.href}' answered with status ${statusCode}`);
    place = new URL(headers.location, place);
  }
  throw new HostError('DownloadFailed', `'${url}' was redirected more than ${MAX_REDIRECTS} times`);
}

async function request(url: URL, options: FetchOptions): Promise<IncomingMessage> {
  const { signal, connectTimeoutMs = 5000, idleTimeoutMs = 30_000, ca } = options;
  if (url.protocol !== 'https:' || url.username !== '' || url.password !== '')
    throw new HostError('AddressNotAllowed', `'${url.origin}' is not plain https`);
  const deadline = performance.now() + connectTimeoutMs;
  const addresses = await checkedAddresses(url, options);
  const settings: RequestOptions = {
    agent: false,
    headers: { 'user-agent': 'bonami', 'accept-encoding': 'identity' },
    lookup: answering(addresses),
    signal,
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const silence = new Error(`silence for ${idleTimeoutMs} ms`);
    const outgoing = get(url, settings, (response) => {
      // From here on an error of the request would reach the reader only as "aborted".
      outgoing.setTimeout(0).removeAllListeners('timeout');
      resolve(response.setTimeout(idleTimeoutMs, () => response.destroy(silence)));
    });
    const unreachable = (why: string): HostError =>
      new HostError('Unreachable', `'${url.hostname}' cannot be reached: ${why}`);
    let isConnected = false;
    const timer = setTimeout(
      () => outgoing.destroy(unreachable(`no connection in ${connectTimeoutMs} ms`)),
      Math.max(1, deadline - performance.now()),
    );
    outgoing.once('socket', (socket) =>
      // A TLS error comes after `connect`: that host was reached, but is not who it says.
      socket.once('connect', () => (isConnected = true)).once('secureConnect', () => clearTimeout(timer)),
    );
    outgoing.setTimeout(idleTimeoutMs, () => outgoing.destroy(silence));
    outgoing.once('error', (cause) => {
      clearTimeout(timer);
      const isOwn = cause instanceof HostError || isConnected || signal.aborted;
      reject(
        isOwn ? asDownloadError(cause, url.href, signal) : unreachable(errnoOf(cause) ?? messageOf(cause)),
      );
    });
  });
}

interface CheckedAddress {
  readonly address: string;
  readonly family: number;
}

async function checkedAddresses(
  { hostname }: URL,
  { isAllowed = isPublicAddress, connectTimeoutMs = 5000, signal }: FetchOptions,
): Promise<readonly CheckedAddress[]> {
  const name = hostname.replace(/^\[(.*)\]$/, '$1');
  const over = new AbortController();
  const addresses = await Promise.race([
    lookup(name, { all: true }).catch((cause: unknown) =>
      unresolved(name, errnoOf(cause) ?? messageOf(cause)),
    ),
    sleep(connectTimeoutMs, undefined, { signal: over.signal, ref: false }).then(() =>
      unresolved(name, `no answer in ${connectTimeoutMs} ms`),
    ),
  ]).finally(() => over.abort());
  signal.throwIfAborted();
  const forbidden = addresses.find(({ address }) => !isAllowed(address));
  if (forbidden)
    throw new HostError(
      'AddressNotAllowed',
      `'${name}' is ${forbidden.address}, which is not an address on the public internet`,
    );
  return addresses;
}

function unresolved(name: string, why: string): never {
  throw new HostError('Unreachable', `'${name}' cannot be reached: its name has no address (${why})`);
}

/** A name lookup that only ever gives the addresses which were checked. */
function answering(addresses: readonly CheckedAddress[]): LookupFunction {
  return (_name, { all }, callback) => {
    const [first] = addresses;
    if (all) callback(null, [...addresses]);
    else callback(null, first?.address ?? '', first?.family ?? 4);
  };
}

interface Counting extends Pick<FetchOptions, 'maxBytes' | 'onProgress'> {
  readonly total: number | undefined;
  readonly seen: (chunk: Buffer) => void;
}

function counted(url: string, { maxBytes, onProgress, total, seen }: Counting): Transform {
  let done = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      done += chunk.length;
      if (done > maxBytes) {
        callback(new HostError('DownloadFailed', `'${url}' is longer than ${maxBytes} bytes`));
        return;
      }
      seen(chunk);
      onProgress?.(total === undefined ? { done } : { done, total });
      callback(null, chunk);
    },
  });
}

function lengthOf({ headers }: IncomingMessage): number | undefined {
  const length = Number(headers['content-length']);
  return Number.isSafeInteger(length) && length >= 0 ? length : undefined;
}

function asDownloadError(cause: unknown, url: string, signal: AbortSignal): unknown {
  if (cause instanceof HostError || signal.aborted || isNoSpace(cause)) return cause;
  return new HostError('DownloadFailed', `the download of '${url}' failed: ${messageOf(cause)}`, {
    hint: 'try again',
    cause,
  });
}
