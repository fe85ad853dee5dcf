import type { Volume } from './boot-sector.ts';
import { corrupt } from './corrupt.ts';

/** The first `length` bytes of the chain of clusters that begins with `first`. */
export async function chainContent(volume: Volume, first: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let missing = length;
  for await (const { cluster, count } of chain(volume, first, Math.ceil(length / volume.clusterBytes))) {
    const bytes = Math.min(missing, count * volume.clusterBytes);
    parts.push(await volume.source.read(placeOf(volume, cluster), bytes));
    missing -= bytes;
  }
  if (missing > 0) throw corrupt('it has a file that ends too early');
  return Buffer.concat(parts);
}

/** The clusters of a chain, one after the other, at most `limit`. */
export async function* clusterBlocks(volume: Volume, first: number, limit: number): AsyncGenerator<Buffer> {
  for await (const { cluster, count } of chain(volume, first, limit))
    for (let next = cluster; next < cluster + count; next++)
      yield await volume.source.read(placeOf(volume, next), volume.clusterBytes);
}

interface Run {
  readonly cluster: number;
  readonly count: number;
}

/** Clusters that lie one behind the other come as one run. A chain that is a ring ends with the limit. */
async function* chain(volume: Volume, first: number, limit: number): AsyncGenerator<Run> {
  let run: Run | undefined;
  let cluster = first;
  for (let visited = 0; visited < limit && !isEnd(volume, cluster); visited++) {
    if (cluster < 2 || cluster > volume.clusterCount + 1) throw corrupt(`it refers to cluster ${cluster}`);
    if (run && cluster === run.cluster + run.count) run = { ...run, count: run.count + 1 };
    else {
      if (run) yield run;
      run = { cluster, count: 1 };
    }
    if (visited + 1 < limit) cluster = await successor(volume, cluster);
  }
  if (run) yield run;
}

/** The last cluster's entry is one of the eight highest. */
function isEnd({ bits }: Volume, cluster: number): boolean {
  return cluster >= { 12: 0xff8, 16: 0xfff8, 32: 0x0ffffff8 }[bits];
}

async function successor({ source, bits, tableAt }: Volume, cluster: number): Promise<number> {
  const bytes = await source.read(tableAt + Math.floor((cluster * bits) / 8), bits === 32 ? 4 : 2);
  if (bits === 32) return bytes.readUInt32LE(0) & 0x0fffffff;
  const value = bytes.readUInt16LE(0);
  if (bits === 16) return value;
  // Two entries of 12 bits share three bytes.
  return cluster % 2 === 0 ? value & 0xfff : value >> 4;
}

function placeOf({ clustersAt, clusterBytes }: Volume, cluster: number): number {
  return clustersAt + (cluster - 2) * clusterBytes;
}
