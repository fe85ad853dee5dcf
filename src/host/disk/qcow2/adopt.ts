// A qcow2 file that is as good as what we would write can be kept as it is, without reading its data.
import { constants } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { HostError, errnoOf } from '../../../core/errors.ts';
import { openFileSource } from '../byte-source.ts';
import { check } from '../qemu-img.ts';
import { readHeader } from './header.ts';

const MIN_CLUSTER_BYTES = 65536;

export interface AdoptOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes; 2 TiB when not given. */
  readonly maxVirtualSize?: number;
}

/**
 * Whether a qcow2 file can serve as it is: alone, uncompressed, without features that cost time or need care, and
 * without a fault that `qemu-img check` finds. Throws the inspector's refusals. Only the caller knows whether somebody
 * else could still write to the file.
 */
export async function canAdopt(path: string, { signal, ...options }: AdoptOptions = {}): Promise<boolean> {
  const file = await openFileSource(path);
  try {
    const { incompatible, autoclear, clusterBytes } = await readHeader(file, options);
    // Dirty, or with bitmaps of somebody's backup program.
    if (incompatible !== 0n || autoclear !== 0n || clusterBytes < MIN_CLUSTER_BYTES) return false;
  } catch (error) {
    if (error instanceof HostError && error.code === 'Qcow2Unsupported') return false;
    throw error;
  } finally {
    await file.close();
  }
  try {
    const { corruptions, leaks, compressedClusters } = await check(path, { signal });
    return corruptions + leaks + compressedClusters === 0;
  } catch (error) {
    // It could not even be checked, or is being written to.
    if (error instanceof HostError && error.code === 'CommandFailed') return false;
    throw error;
  }
}

/** How file systems say that they share no blocks, or not between these two. */
const CANNOT_CLONE = new Set(['ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY', 'EXDEV', 'EINVAL']);

/**
 * Makes `to` a file that shares `from`'s blocks until either is written to; takes no time and no space. False, and no
 * file, where the file system cannot do that.
 */
export async function cloneFile(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE);
    return true;
  } catch (error) {
    if (!CANNOT_CLONE.has(errnoOf(error) ?? '')) throw error;
    await rm(to, { force: true });
    return false;
  }
}
