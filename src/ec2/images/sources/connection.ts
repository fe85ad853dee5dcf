// One request to a place that a catalog or a user gave, with all redirects, each checked like the first.
import { type IncomingMessage, get as getPlain } from 'node:http';
import { type RequestOptions, get as getSecure } from 'node:https';
import { HostError, errnoOf, messageOf } from '../../../core/errors.ts';
import { type AddressRules, CONNECT_TIMEOUT_MS, answering, checkedAddresses } from './addresses.ts';

const MAX_REDIRECTS = 5;
export const IDLE_TIMEOUT_MS = 30_000;

export interface ConnectionOptions extends AddressRules {
  /** Silence that ends a connection. */
  readonly idleTimeoutMs?: number;
  /** Plain http is taken too; only for whoever has a digest from elsewhere. Never from https back to http. */
  readonly allowHttp?: boolean;
  /** Certificates to trust instead of the system's. */
  readonly ca?: string;
}

export interface Answer {
  readonly response: IncomingMessage;
  /** Where it came from in the end. */
  readonly url: URL;
}

/** An answer that is not the file. `DownloadMissing` when there is no such file (any more). */
export class StatusError extends HostError {
  readonly status: number;

  constructor(status: number, url: URL) {
    const code = status === 404 || status === 410 ? 'DownloadMissing' : 'DownloadFailed';
    super(code, `'${shown(url)}' answered with status ${status}`);
    this.status = status;
  }
}

/**
 * The answer to a GET: 200, or 206 when `headers` ask for a range. Throws `Unreachable` when no connection came about,
 * `AddressNotAllowed`, `StatusError`, `DownloadFailed`; and what went wrong with the connection, as it is.
 */
export async function follow(
  from: URL,
  options: ConnectionOptions,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  let url = from;
  let mayBeHttp = options.allowHttp === true;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    requireScheme(url, mayBeHttp);
    mayBeHttp &&= url.protocol === 'http:';
    const response = await request(url, options, headers);
    const { statusCode = 0 } = response;
    if (statusCode === 200 || (statusCode === 206 && 'range' in headers))
      return { response: plainly(response, url), url };
    // The body is never shown: a refused request must not become a window into someone's network.
    response.destroy();
    const { location } = response.headers;
    if (![301, 302, 303, 307, 308].includes(statusCode) || location === undefined)
      throw new StatusError(statusCode, url);
    url = new URL(location, url);
  }
  throw new HostError('DownloadFailed', `'${shown(from)}' was redirected more than ${MAX_REDIRECTS} times`);
}

/** A URL for people: what follows the path of a redirect may be somebody's signature. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

function requireScheme(url: URL, mayBeHttp: boolean): void {
  const hasScheme = url.protocol === 'https:' || (url.protocol === 'http:' && mayBeHttp);
  if (hasScheme && url.username === '' && url.password === '') return;
  const place = url.origin === 'null' ? url.protocol : url.origin;
  throw new HostError('AddressNotAllowed', `'${place}' is not plain https`, {
    hint: 'give an https:// address without a user name; http:// is taken only together with --sha256 HEX',
  });
}

/** Bytes as they lie there are wanted: a digest or a position means nothing in a compressed transfer. */
function plainly(response: IncomingMessage, url: URL): IncomingMessage {
  const { 'content-encoding': content = 'identity', 'transfer-encoding': transfer = 'chunked' } =
    response.headers;
  if (content.toLowerCase() === 'identity' && transfer.toLowerCase() === 'chunked') return response;
  response.destroy();
  throw new HostError(
    'DownloadFailed',
    `'${shown(url)}' answers compressed (${content}, ${transfer}), which nobody asked for`,
  );
}

async function request(
  url: URL,
  options: ConnectionOptions,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const { signal, connectTimeoutMs = CONNECT_TIMEOUT_MS, idleTimeoutMs = IDLE_TIMEOUT_MS, ca } = options;
  const isSecure = url.protocol === 'https:';
  const deadline = performance.now() + connectTimeoutMs;
  const settings: RequestOptions = {
    agent: false,
    headers: { 'user-agent': 'bonami', 'accept-encoding': 'identity', ...headers },
    lookup: answering(await checkedAddresses(url, options)),
    signal,
    ...(ca === undefined ? {} : { ca }),
  };
  return new Promise((resolve, reject) => {
    const outgoing = (isSecure ? getSecure : getPlain)(url, settings, (response) => {
      // From here on whoever reads listens for silence: an error of the request would say no more than "aborted".
      outgoing.setTimeout(0).removeAllListeners('timeout');
      resolve(response);
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
      socket
        .once('connect', () => (isConnected = true))
        .once(isSecure ? 'secureConnect' : 'connect', () => clearTimeout(timer)),
    );
    outgoing.setTimeout(idleTimeoutMs, () => outgoing.destroy(silence(idleTimeoutMs)));
    outgoing.on('error', (cause) => {
      clearTimeout(timer);
      const isOwn = cause instanceof HostError || isConnected || signal.aborted;
      reject(isOwn ? cause : unreachable(errnoOf(cause) ?? messageOf(cause)));
    });
  });
}

export function silence(milliseconds: number): Error {
  return new Error(`silence for ${milliseconds} ms`);
}
