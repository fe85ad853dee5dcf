// What the answers to range requests mean (RFC 9110, sections 8.8, 13.1.5, 14 and 15.3.7).
import type { IncomingHttpHeaders } from 'node:http';
import { HostError } from '../../../core/errors.ts';

/** A file as its first answer described it. */
export interface Version {
  /** Names exactly these bytes; undefined when the server offers nothing that does. */
  readonly validator: string | undefined;
  readonly length: number | undefined;
}

export interface Reply {
  readonly statusCode?: number | undefined;
  readonly headers: IncomingHttpHeaders;
}

export function versionOf({ headers }: Reply): Version {
  return { validator: strongValidator(headers), length: wholeNumber(headers['content-length']) };
}

/** The request for everything from byte `from` on, of this version only. */
export function rangeHeaders({ validator = '' }: Version, from: number): Readonly<Record<string, string>> {
  return { range: `bytes=${from}-`, 'if-range': validator };
}

/**
 * How many bytes at the beginning of this answer are here already, when the file is wanted from byte `from` on: none
 * of a range, all of them when the server sends the same version from its beginning. Throws `DownloadChanged` when it
 * is another version, or cannot be told from one; `DownloadFailed` when it is a range that nobody asked for.
 */
export function bytesToSkip(reply: Reply, { version, from, place }: Wanted): number {
  if (reply.statusCode !== 206) {
    const { validator, length } = versionOf(reply);
    // Without a name for the version its length has to do, as long as nothing was handed on.
    const isNamedAlike = version.validator === undefined ? from === 0 : validator === version.validator;
    if (!isNamedAlike || length !== version.length) throw changed(place);
    return from;
  }
  const range = parseContentRange(reply.headers['content-range']);
  const declared = wholeNumber(reply.headers['content-length']);
  if (
    range === undefined ||
    range.start !== from ||
    (declared !== undefined && declared !== range.end - range.start + 1)
  )
    throw new HostError('DownloadFailed', `'${place}' answered with a range that nobody asked for`, {
      hint: 'try again, or take another mirror',
    });
  if (version.length !== undefined && range.total !== version.length) throw changed(place);
  if (!agrees(reply.headers, version)) throw changed(place);
  return 0;
}

interface Wanted {
  readonly version: Version;
  readonly from: number;
  /** For people. */
  readonly place: string;
}

export function changed(place: string): HostError {
  return new HostError('DownloadChanged', `'${place}' was replaced while it was being downloaded`, {
    hint: 'try again',
  });
}

/**
 * A strong ETag, or else the time of the last change when the server's clock was past it already: within one second a
 * file may change twice. A weak ETag says nothing about bytes.
 */
function strongValidator(headers: IncomingHttpHeaders): string | undefined {
  const { etag, date, 'last-modified': modified } = headers;
  if (etag !== undefined && /^"[\u0021\u0023-\u007E\u0080-\u00FF]{1,256}"$/.test(etag)) return etag;
  if (modified === undefined || date === undefined) return undefined;
  return Date.parse(date) - Date.parse(modified) >= 1000 ? modified : undefined;
}

/** A range may be silent about its version, but not contradict. */
function agrees({ etag, 'last-modified': modified }: IncomingHttpHeaders, { validator }: Version): boolean {
  const named = validator?.startsWith('"') ? etag : modified;
  return named === undefined || named === validator;
}

interface ContentRange {
  readonly start: number;
  readonly end: number;
  readonly total: number;
}

function parseContentRange(text = ''): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/i.exec(text);
  if (match === null) return undefined;
  const [start = 0, end = 0, total = 0] = match.slice(1).map(Number);
  return start <= end && end < total ? { start, end, total } : undefined;
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
