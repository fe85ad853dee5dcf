import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf } from '../../core/errors.ts';

/** The bytes of a growing log from `offset` on; empty when there is no file yet. */
export function readFrom(path: string, offset: number): Buffer {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const length = Math.max(0, fstatSync(descriptor).size - offset);
    const buffer = Buffer.alloc(length);
    return buffer.subarray(0, readSync(descriptor, buffer, 0, length, offset));
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Console text made safe for a terminal: colour and cursor sequences and other control characters are removed,
 * because a guest may print anything.
 */
export function plainText(bytes: Uint8Array): string {
  return (
    Buffer.from(bytes)
      .toString('utf8')
      // eslint-disable-next-line no-control-regex -- removing control characters is the point
      .replaceAll(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-_])/g, '')
      .replaceAll('\r\n', '\n')
      .replaceAll('\r', '\n')
      // eslint-disable-next-line no-control-regex -- as above
      .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '')
  );
}
