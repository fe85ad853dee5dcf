// What the entries of an L2 table say. QEMU: docs/interop/qcow2.txt, "Cluster mapping"; where the document leaves a
// choice, QEMU's own reader decides (block/qcow2-cluster.c), so that both see the same disk.
import { damaged, type Qcow2Header } from './header.ts';

/** A run of a guest's bytes that one read, one fill or one decompression makes. */
export interface Piece {
  readonly kind: 'plain' | 'zero' | 'compressed';
  readonly offset: number;
  readonly length: number;
  /** Where it lies in the file; 0 for zeros. */
  readonly fileOffset: number;
  /** Of a compressed cluster: bytes in the file. */
  readonly fileLength: number;
}

export type Geometry = Pick<Qcow2Header, 'version' | 'clusterBits' | 'clusterBytes'> & {
  readonly fileSize: number;
};

/** What part of the table is meant, in clusters, and which guest byte its first entry is for. */
export interface TablePart {
  readonly first: number;
  readonly end: number;
  readonly tableOffset: number;
}

const COMPRESSED = 0x4000_0000;
const ZERO_FLAG = 1;
const SECTOR_BYTES = 512;

/** The clusters of a part of a table in order, those that follow each other in the file as one piece. */
export function* piecesOf(table: Buffer, part: TablePart, geometry: Geometry): Generator<Piece> {
  const { clusterBytes } = geometry;
  let run: Cluster = ZERO;
  let offset = part.tableOffset + part.first * clusterBytes;
  let length = 0;
  for (let index = part.first; index < part.end; index++) {
    const cluster = clusterAt(table, index, geometry);
    if (length > 0 && !continues(run, length, cluster)) {
      yield pieceOf(run, offset, length);
      offset += length;
      length = 0;
    }
    if (length === 0) run = cluster;
    length += clusterBytes;
  }
  if (length > 0) yield pieceOf(run, offset, length);
}

function continues(run: Cluster, length: number, next: Cluster): boolean {
  if (run.kind !== next.kind) return false;
  return run.kind === 'zero' || (run.kind === 'plain' && run.fileOffset + length === next.fileOffset);
}

/** Written out: spreading an object costs as much as twenty entries, and there may be many. */
function pieceOf({ kind, fileOffset, fileLength }: Cluster, offset: number, length: number): Piece {
  return { kind, offset, length, fileOffset, fileLength };
}

type Cluster = Pick<Piece, 'kind' | 'fileOffset' | 'fileLength'>;

const ZERO: Cluster = { kind: 'zero', fileOffset: 0, fileLength: 0 };

/** What kind of cluster an entry is for, whether or not it makes sense. */
export function kindAt(table: Buffer, index: number): Piece['kind'] {
  const high = table.readUInt32BE(index * 8);
  const low = table.readUInt32BE(index * 8 + 4);
  if (high & COMPRESSED) return 'compressed';
  return low & ZERO_FLAG || hostOffset(high, low) === 0 ? 'zero' : 'plain';
}

/** One entry. Throws `ImageCorrupt` for one that leads where no cluster can be. */
function clusterAt(table: Buffer, index: number, geometry: Geometry): Cluster {
  const kind = kindAt(table, index);
  if (kind === 'compressed') return compressedAt(table.readBigUInt64BE(index * 8), geometry);
  const low = table.readUInt32BE(index * 8 + 4);
  const fileOffset = hostOffset(table.readUInt32BE(index * 8), low);
  if (fileOffset % geometry.clusterBytes !== 0)
    throw damaged(`a cluster is said to be at byte ${fileOffset}, between two`);
  if (low & ZERO_FLAG && geometry.version === 2)
    throw damaged('it marks zeros in a way that its version does not know');
  if (kind === 'zero') return ZERO;
  if (fileOffset >= geometry.fileSize)
    throw damaged(`a cluster is said to be at byte ${fileOffset}, behind its end`);
  return { kind, fileOffset, fileLength: geometry.clusterBytes };
}

/** Bits 9 to 55 of an entry of L1 or of a standard one of L2. */
export function hostOffset(high: number, low: number): number {
  return (high & 0x00ff_ffff) * 2 ** 32 + ((low & 0xffff_fe00) >>> 0);
}

/** Compressed data is counted in sectors, the one that it begins in included; the last may lie behind the file's end. */
function compressedAt(entry: bigint, { clusterBits, fileSize }: Geometry): Cluster {
  const offsetBits = BigInt(62 - (clusterBits - 8));
  const fileOffset = Number(entry & ((1n << offsetBits) - 1n));
  if (fileOffset >= fileSize)
    throw damaged(`a compressed cluster is said to be at byte ${fileOffset}, behind its end`);
  const sectors = Number((entry & ((1n << 62n) - 1n)) >> offsetBits) + 1;
  const fileLength = sectors * SECTOR_BYTES - (fileOffset % SECTOR_BYTES);
  return { kind: 'compressed', fileOffset, fileLength: Math.min(fileLength, fileSize - fileOffset) };
}
