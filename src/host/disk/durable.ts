import { constants } from 'node:fs';
import { open, rename, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HostError, errnoOf, messageOf } from '../../core/errors.ts';

/** The file's bytes are on the disk when this returns; its name is not, see `syncFolder`. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The names in the folder are on the disk when this returns. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A rename that survives a power cut: both parents are synced. The contents must have been synced before. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
}

/** Bytes that are needed, where it takes time to know how many. */
export interface Need {
  /** It is not more than that: where there is plenty, the exact number does not matter. */
  readonly most: number;
  readonly exact: () => Promise<number>;
}

/** Tables and the like are not counted by those who know the most. */
const PLENTY = 1.01;

/**
 * Throws `NoSpace` when the file system of `folder` has less left for us than is needed. Whoever writes at the same
 * time is not foreseen: running full later is the same error.
 */
export async function requireSpace(folder: string, need: number | Need): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (typeof need !== 'number' && free >= need.most * PLENTY) return;
  const bytes = typeof need === 'number' ? need : await need.exact();
  if (free < bytes)
    throw new HostError('NoSpace', `'${folder}' has ${inMiB(free)} free, but ${inMiB(bytes)} are needed`, {
      hint: `free some space in '${folder}', or set BONAMI_HOME to a folder on a larger disk`,
    });
}

/** Whether an error, of ours or of a program, says that a disk or a quota is full. */
export function isNoSpace(error: unknown): boolean {
  if (errnoOf(error) === 'ENOSPC' || errnoOf(error) === 'EDQUOT') return true;
  const lines = error instanceof HostError ? [error.message, ...error.details] : [];
  return lines.some((line) => /No space left on device|Disk quota exceeded/.test(line));
}

/** Any way of running out of space as the one error `NoSpace` that names the folder; other errors as they are. */
export function namingFullFolder(error: unknown, folder: string): unknown {
  if (!isNoSpace(error)) return error;
  if (error instanceof HostError && error.code === 'NoSpace') return error;
  return new HostError('NoSpace', `the disk with '${folder}' is full: ${messageOf(error)}`, {
    hint: `free some space in '${folder}', or set BONAMI_HOME to a folder on a larger disk`,
    cause: error,
  });
}

function inMiB(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20).toLocaleString('en')} MiB`;
}
