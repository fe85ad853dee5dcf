import { closeSync, openSync, readSync } from 'node:fs';
import { UsageError, errnoOf, messageOf } from '../core/errors.ts';

/** Far above everything that is read whole; far below what hurts a host. */
const LIMIT = 1024 * 1024;

/**
 * A small file that a person names, or standard input for `-`. `what` names it in errors. Throws a usage error when
 * it cannot be read, or is larger than a MiB: a device or a pipe may never end.
 */
export function readInput(path: string, what: string): Buffer {
  try {
    const descriptor = path === '-' ? 0 : openSync(path, 'r');
    try {
      return readBounded(descriptor);
    } finally {
      if (descriptor !== 0) closeSync(descriptor);
    }
  } catch (cause) {
    throw new UsageError(`${what} '${path}' cannot be read: ${messageOf(cause)}`, {
      hint: 'give a file, or - for standard input',
      cause,
    });
  }
}

function readBounded(descriptor: number): Buffer {
  const buffer = Buffer.alloc(LIMIT + 1);
  let length = 0;
  for (;;) {
    const count = readSome(descriptor, buffer.subarray(length));
    length += count;
    if (length > LIMIT) throw new Error(`it is larger than ${LIMIT} bytes`);
    if (count === 0) return Buffer.from(buffer.subarray(0, length));
  }
}

/** Standard input may be a terminal that somebody made non-blocking: nothing yet is not the end. */
function readSome(descriptor: number, into: Buffer): number {
  for (;;) {
    try {
      return readSync(descriptor, into);
    } catch (error) {
      if (errnoOf(error) === 'EOF') return 0;
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}
