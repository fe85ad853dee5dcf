import type { ByteSource } from '../byte-source.ts';
import { BlockCount } from './blocks.ts';
import type { SurveyOptions } from './content.ts';
import { damaged, type Qcow2Header } from './header.ts';
import { L2Cache } from './l2-cache.ts';
import { hostOffset, kindAt, piecesOf, type Geometry, type Piece } from './l2-table.ts';

export interface Survey {
  readonly allocatedBytes: number;
  readonly hasCompressed: boolean;
}

/** Where a qcow2 file keeps each of the guest's bytes. */
export class ClusterMap {
  readonly #size: number;
  readonly #l1: Buffer;
  readonly #geometry: Geometry;
  readonly #tables: L2Cache;
  /** Guest bytes that one L2 table is for. */
  readonly #reach: number;

  private constructor(file: ByteSource, header: Qcow2Header, l1: Buffer) {
    this.#size = header.virtualSize;
    this.#l1 = l1;
    this.#geometry = { ...header, fileSize: file.size };
    this.#tables = new L2Cache(file, header.clusterBytes);
    this.#reach = header.clusterBytes * (header.clusterBytes / 8);
  }

  static async read(file: ByteSource, header: Qcow2Header): Promise<ClusterMap> {
    return new ClusterMap(file, header, await file.read(header.l1Offset, header.l1Entries * 8));
  }

  /** The pieces that make up these bytes of the disk, cut to fit them. */
  async *pieces(from: number, to: number): AsyncGenerator<Piece> {
    for (let at = from; at < to;) {
      const hole = Math.min(to, this.#holeEnd(at));
      if (hole > at) {
        yield { kind: 'zero', offset: at, length: hole - at, fileOffset: 0, fileLength: 0 };
        at = hole;
      } else {
        const end = Math.min(to, this.#tableEnd(at));
        yield* this.#piecesOfTable(await this.#tableFor(at), at, end);
        at = end;
      }
    }
  }

  *#piecesOfTable(table: Buffer, from: number, to: number): Generator<Piece> {
    const { clusterBytes } = this.#geometry;
    const tableOffset = this.#tableEnd(from) - this.#reach;
    const first = Math.floor((from - tableOffset) / clusterBytes);
    const end = Math.ceil((to - tableOffset) / clusterBytes);
    for (const piece of piecesOf(table, { first, end, tableOffset }, this.#geometry))
      yield cut(piece, from, to);
  }

  /** What all the tables say together, sense or not: takes time for tables, not for data. */
  async survey({ signal }: SurveyOptions = {}): Promise<Survey> {
    const count = new BlockCount();
    let hasCompressed = false;
    for (let at = this.#holeEnd(0); at < this.#size; at = this.#holeEnd(this.#tableEnd(at))) {
      signal?.throwIfAborted();
      const table = await this.#tableFor(at);
      const end = Math.min(this.#size, this.#tableEnd(at));
      for (let index = 0, offset = at; offset < end; index++, offset += this.#geometry.clusterBytes) {
        const kind = kindAt(table, index);
        if (kind === 'zero') continue;
        hasCompressed ||= kind === 'compressed';
        count.add(offset, Math.min(end, offset + this.#geometry.clusterBytes));
      }
    }
    return { allocatedBytes: count.bytes, hasCompressed };
  }

  async #tableFor(offset: number): Promise<Buffer> {
    const fileOffset = this.#entryFor(offset);
    if (fileOffset % this.#geometry.clusterBytes !== 0)
      throw damaged(`an L2 table is said to be at byte ${fileOffset}, between two clusters`);
    return this.#tables.at(fileOffset);
  }

  /** The end of the L1 entries without a table from this byte of the disk on; the byte itself when there is one. */
  #holeEnd(offset: number): number {
    let end = offset;
    while (end < this.#size && this.#entryFor(end) === 0) end = this.#tableEnd(end);
    return Math.min(end, this.#size);
  }

  /** The first byte of the disk that the table for this one has nothing to do with. */
  #tableEnd(offset: number): number {
    return (Math.floor(offset / this.#reach) + 1) * this.#reach;
  }

  #entryFor(offset: number): number {
    const entry = Math.floor(offset / this.#reach) * 8;
    return hostOffset(this.#l1.readUInt32BE(entry), this.#l1.readUInt32BE(entry + 4));
  }
}

/** The part of a piece between two bytes of the disk. A part of a compressed cluster keeps all that it is made from. */
function cut(piece: Piece, from: number, to: number): Piece {
  const offset = Math.max(piece.offset, from);
  const length = Math.min(piece.offset + piece.length, to) - offset;
  const skipped = piece.kind === 'plain' ? offset - piece.offset : 0;
  const { kind, fileOffset, fileLength } = piece;
  return { kind, offset, length, fileOffset: fileOffset + skipped, fileLength };
}
