import { HostError } from '../../core/errors.ts';

/** Control and format characters, and separators of lines: nothing that a name needs, all that a terminal obeys. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A stranger's text, fit to be a part of a message. */
export function shown(text: string): string {
  const clean = text.replaceAll(UNPRINTABLE, '?');
  return clean.length > 100 ? `${clean.slice(0, 100)}…` : clean;
}

/** Throws `ArchiveHostile` unless this is the name of a file in no folder; `what` begins the sentence. */
export function requirePlainName(name: string, what: string, maxBytes = 255): void {
  const flaw = flawOf(name, maxBytes);
  if (flaw !== undefined)
    throw new HostError('ArchiveHostile', `${what} '${shown(name)}', which ${flaw}; plain names are allowed`);
}

function flawOf(name: string, maxBytes: number): string | undefined {
  if (name === '') return 'is empty';
  if (name === '.' || name === '..') return 'is no name';
  if (name.startsWith('/')) return 'is an absolute path';
  if (name.split('/').includes('..')) return 'leads out of the archive';
  if (name.includes('/')) return 'is a path';
  if (name.search(UNPRINTABLE) >= 0) return 'has control characters';
  if (name.includes('\ufffd')) return 'is not UTF-8';
  if (Buffer.byteLength(name) > maxBytes) return `is longer than ${maxBytes} bytes`;
  return undefined;
}

/** A stranger's text as one line that can be shown and stored; undefined when nothing of it is left. */
export function plainText(text: string | undefined): string | undefined {
  const line = text?.replaceAll(/\s+/g, ' ').replaceAll(UNPRINTABLE, '').trim().slice(0, 255);
  return line === '' ? undefined : line;
}
