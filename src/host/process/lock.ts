import { closeSync, constants, openSync, readFileSync, writeSync, ftruncateSync } from 'node:fs';
import { HostError, errnoOf } from '../../core/errors.ts';
import { runWithDescriptor, waitWithDescriptor } from '../command.ts';

// A lock is a flock on an open file description, taken by util-linux' flock(1) on a descriptor that we opened and
// it inherits: the lock belongs to the description, so it stays with us, and with every process that inherits it,
// and the kernel frees it when the last of them is gone, however that happened. Lock files are never deleted while
// their folder lives: unlink and re-create would give two locks.

/** A lock we hold. `descriptor` may be handed to a child, which then holds it too. */
export interface HeldLock {
  readonly descriptor: number;
  release(): void;
}

function open(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
}

function held(descriptor: number): HeldLock {
  let released = false;
  return {
    descriptor,
    release: () => {
      if (!released) closeSync(descriptor);
      released = true;
    },
  };
}

/** Takes the lock at once, or answers undefined because somebody holds it. */
export function tryLock(path: string): HeldLock | undefined {
  const descriptor = open(path);
  if (runWithDescriptor('flock', ['-n', '-x', '3'], descriptor) === 0) return held(descriptor);
  closeSync(descriptor);
  return undefined;
}

/**
 * Whether somebody holds the lock. Asks with a shared lock, so that two askers do not see each other.
 * A missing file means that nobody does.
 */
export function isLocked(path: string): boolean {
  let descriptor: number;
  try {
    descriptor = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    return runWithDescriptor('flock', ['-n', '-s', '3'], descriptor) !== 0;
  } finally {
    closeSync(descriptor);
  }
}

export interface LockOptions {
  readonly timeoutMs?: number;
  /** What is being done under the lock; shown to whoever has to wait. */
  readonly purpose: string;
}

/**
 * Takes the lock, waiting for its holder. Throws `ResourceBusy`, naming the holder, when the time is over.
 * The first attempt is the common case and costs one short process.
 */
export async function lock(path: string, { timeoutMs = 60_000, purpose }: LockOptions): Promise<HeldLock> {
  const descriptor = open(path);
  const seconds = String(Math.ceil(timeoutMs / 1000));
  const status = await waitWithDescriptor('flock', ['-w', seconds, '-x', '3'], descriptor);
  if (status !== 0) {
    const holder = holderOf(path);
    closeSync(descriptor);
    throw new HostError('ResourceBusy', `waited ${seconds} s to ${purpose}, but ${holder} is still at work`, {
      hint: 'try again when it is done',
    });
  }
  // Information for whoever waits; the lock itself is the kernel's.
  ftruncateSync(descriptor);
  writeSync(descriptor, `process ${process.pid} (${purpose})`, 0);
  return held(descriptor);
}

/** Runs `work` under the lock. */
export async function withLock<T>(path: string, options: LockOptions, work: () => Promise<T>): Promise<T> {
  const mine = await lock(path, options);
  try {
    return await work();
  } finally {
    mine.release();
  }
}

function holderOf(path: string): string {
  try {
    return readFileSync(path, 'utf8') || 'another process';
  } catch {
    return 'another process';
  }
}
