import { promisify } from 'node:util';
import { constants, inflateRaw } from 'node:zlib';
import { damaged } from './header.ts';

const inflate = promisify(inflateRaw);

/**
 * A cluster that was compressed by zlib: raw deflate, whose end is not marked in the file. Never makes more memory than
 * a cluster takes; throws `ImageCorrupt` for data that makes anything but exactly one.
 */
export async function inflateCluster(packed: Buffer, clusterBytes: number): Promise<Buffer> {
  const options = {
    // QEMU's own window. A little more room than is needed: a full buffer would be asked for more.
    windowBits: 12,
    chunkSize: clusterBytes + 512,
    maxOutputLength: clusterBytes,
    finishFlush: constants.Z_SYNC_FLUSH,
  };
  const cluster = await inflate(packed, options).catch((cause: unknown) => {
    throw damaged('a compressed cluster cannot be decompressed', cause);
  });
  if (cluster.length === clusterBytes) return cluster;
  throw damaged(`a compressed cluster holds ${cluster.length} bytes instead of ${clusterBytes}`);
}
