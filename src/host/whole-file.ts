import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';

/** Writes a file that others may read at any moment: whole or not at all. */
export function writeWhole(path: string, content: string | Uint8Array, mode: number): void {
  const incoming = `${path}.${process.pid}.new`;
  try {
    writeFileSync(incoming, content, { mode: 0o600 });
    chmodSync(incoming, mode);
    renameSync(incoming, path);
  } finally {
    rmSync(incoming, { force: true });
  }
}

/** A file's text; undefined when there is no such file. */
export function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
