import type { Readable } from 'node:stream';
import { corrupt } from './archive-errors.ts';

const NOTHING = Buffer.alloc(0);

/** Takes a stream apart by byte counts, holding no more than the piece that came last. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Buffer>;
  #piece: Buffer = NOTHING;
  #position = 0;

  constructor(source: Readable) {
    // Errors are thrown to whoever reads; between two reads they must not end the process.
    source.on('error', () => {});
    this.#pieces = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  /** The next bytes, at least one and at most `max`; none at the end of the stream. */
  async some(max: number): Promise<Buffer> {
    while (this.#piece.length === 0) {
      const { value, done } = await this.#pieces.next();
      if (done === true) return NOTHING;
      this.#piece = value;
    }
    const taken = this.#piece.subarray(0, max);
    this.#piece = this.#piece.subarray(taken.length);
    this.#position += taken.length;
    return taken;
  }

  /** The same, where the stream must not end yet. Throws `ArchiveCorrupt` when it does. */
  async oneOrMore(max: number): Promise<Buffer> {
    const piece = await this.some(max);
    if (piece.length === 0) throw corrupt('ends too soon');
    return piece;
  }

  /** Exactly these many bytes, which are held in memory. Throws `ArchiveCorrupt` when the stream has fewer. */
  async exactly(length: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for (let missing = length; missing > 0;) {
      const piece = await this.oneOrMore(missing);
      missing -= piece.length;
      pieces.push(piece);
    }
    return Buffer.concat(pieces);
  }
}
