import { type ByteSource, readInto, requireInside } from '../byte-source.ts';
import { ClusterMap, type Survey } from './cluster-map.ts';
import type { DiskContent, Extent, SurveyOptions } from './content.ts';
import { type Qcow2Header, readHeader } from './header.ts';
import { inflateCluster } from './inflate.ts';
import type { Piece } from './l2-table.ts';

export interface Qcow2Options {
  /** Bytes; 2 TiB when not given. Bounds the time that walking the tables can take. */
  readonly maxVirtualSize?: number;
}

/**
 * What a guest sees on a qcow2 file of version 2 or 3. Throws the inspector's refusals, and `Qcow2Unsupported` for a
 * sound file that QEMU can read and this cannot: a backing or data file, encryption, subclusters, zstd, unknown
 * features. Reading throws `ImageCorrupt` for tables that make no sense; nothing in them can lead out of the file.
 */
export async function openQcow2(file: ByteSource, options: Qcow2Options = {}): Promise<DiskContent> {
  const header = await readHeader(file, options);
  return new Qcow2Content(file, header, await ClusterMap.read(file, header));
}

class Qcow2Content implements DiskContent {
  readonly size: number;
  readonly #file: ByteSource;
  readonly #clusterBytes: number;
  readonly #map: ClusterMap;
  #surveyed: Survey | undefined;

  constructor(file: ByteSource, { virtualSize, clusterBytes }: Qcow2Header, map: ClusterMap) {
    this.size = virtualSize;
    this.#file = file;
    this.#clusterBytes = clusterBytes;
    this.#map = map;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    requireInside(this, offset, length);
    const target = Buffer.allocUnsafe(length);
    await this.readInto(offset, target);
    return target;
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    requireInside(this, offset, target.length);
    for await (const piece of this.#map.pieces(offset, offset + target.length)) {
      const start = piece.offset - offset;
      await this.#fill(piece, target.subarray(start, start + piece.length));
    }
  }

  async *extents(): AsyncGenerator<Extent> {
    for await (const piece of this.#map.pieces(0, this.size)) {
      const { kind, offset, length, fileOffset } = piece;
      if (kind === 'compressed') yield { kind: 'data', offset, length };
      else if (kind === 'zero') yield { kind, offset, length };
      else {
        const stored = this.#stored(piece);
        yield { kind: 'data', offset, length: stored, fileOffset };
        if (stored < length) yield { kind: 'zero', offset: offset + stored, length: length - stored };
      }
    }
  }

  async allocatedBytes(options?: SurveyOptions): Promise<number> {
    return (await this.#survey(options)).allocatedBytes;
  }

  async hasCompressed(options?: SurveyOptions): Promise<boolean> {
    return (await this.#survey(options)).hasCompressed;
  }

  async #survey(options?: SurveyOptions): Promise<Survey> {
    return (this.#surveyed ??= await this.#map.survey(options));
  }

  async #fill(piece: Piece, target: Uint8Array): Promise<void> {
    if (piece.kind === 'zero') target.fill(0);
    else if (piece.kind === 'compressed') {
      const packed = await this.#file.read(piece.fileOffset, piece.fileLength);
      const start = piece.offset % this.#clusterBytes;
      const cluster = await inflateCluster(packed, this.#clusterBytes);
      target.set(cluster.subarray(start, start + piece.length));
    } else {
      const stored = this.#stored(piece);
      await readInto(this.#file, piece.fileOffset, target.subarray(0, stored));
      target.fill(0, stored);
    }
  }

  /** A file may end within its last cluster, as QEMU leaves it; the rest reads as zeros. */
  #stored({ fileOffset, length }: Piece): number {
    return Math.max(0, Math.min(length, this.#file.size - fileOffset));
  }
}
