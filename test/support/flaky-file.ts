import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';

/** A file on a server, and how well it is served. All of it may be changed between two requests. */
export interface FlakyFile {
  body: Buffer;
  etag?: string | undefined;
  lastModified?: string | undefined;
  /** Without it the whole file comes, whatever was asked for. */
  hasRanges: boolean;
  /** Leaves the length out. */
  isChunked: boolean;
  /** How many bytes of the nth answer are sent before the connection breaks; undefined for all. */
  cut: (request: number) => number | undefined;
  /** Says nothing more instead of breaking. */
  isSilent: boolean;
  /** A say before all else; true when it has answered. */
  before: (request: IncomingMessage, response: ServerResponse, count: number) => boolean;
  /** Changes the headers of a partial answer into lies. */
  lie: (headers: Record<string, string>) => Record<string, string>;
}

export interface FlakyServer {
  readonly file: FlakyFile;
  readonly listener: RequestListener;
  /** The `Range` of every request so far. */
  readonly ranges: (string | undefined)[];
  readonly conditions: (string | undefined)[];
}

/** A listener that serves one file as servers do (RFC 9110, section 14), but for what `file` says. */
export function flakyServer(given: Partial<FlakyFile> & Pick<FlakyFile, 'body'>): FlakyServer {
  const file: FlakyFile = {
    hasRanges: true,
    isChunked: false,
    cut: () => undefined,
    isSilent: false,
    before: () => false,
    lie: (headers) => headers,
    ...given,
  };
  const ranges: (string | undefined)[] = [];
  const conditions: (string | undefined)[] = [];
  const listener: RequestListener = (request, response) => {
    const count = ranges.push(request.headers.range) - 1;
    conditions.push(request.headers['if-range'] as string | undefined);
    if (!file.before(request, response, count)) answer(file, request, response, count);
  };
  return { file, listener, ranges, conditions };
}

function answer(file: FlakyFile, request: IncomingMessage, response: ServerResponse, count: number): void {
  const { body, etag, lastModified } = file;
  const condition = request.headers['if-range'];
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  const isCurrent = condition === undefined || condition === (etag ?? lastModified);
  const isPartial = file.hasRanges && request.headers.range !== undefined && isCurrent;
  if (isPartial && from >= body.length) {
    response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end();
    return;
  }
  const start = isPartial ? from : 0;
  const headers: Record<string, string> = {
    ...(etag === undefined ? {} : { etag }),
    ...(lastModified === undefined ? {} : { 'last-modified': lastModified }),
    ...(file.isChunked ? {} : { 'content-length': String(body.length - start) }),
    ...(isPartial ? { 'content-range': `bytes ${start}-${body.length - 1}/${body.length}` } : {}),
  };
  response.writeHead(isPartial ? 206 : 200, isPartial ? file.lie(headers) : headers);
  const cut = file.cut(count);
  if (cut === undefined) response.end(body.subarray(start));
  // Nothing to send: the headers must be on their way all the same.
  else if (cut === 0) response.flushHeaders();
  else response.write(body.subarray(start, start + cut));
  if (cut !== undefined && !file.isSilent) setTimeout(() => response.socket?.end(), 2);
}
