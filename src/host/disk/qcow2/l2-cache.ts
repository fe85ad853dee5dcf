import { setImmediate as othersTurn } from 'node:timers/promises';
import type { ByteSource } from '../byte-source.ts';

/** Memory for tables: 32 GiB of disk at the usual cluster size, two tables at the largest. */
const CACHE_BYTES = 4 * 2 ** 20;
/** Tables that may be walked, some milliseconds long, before everybody else has a turn: a signal, say. */
const TURN_BYTES = 2 ** 20;

/** Tables of a file, read once while they are in use; those unused for longest make room. */
export class L2Cache {
  readonly #file: ByteSource;
  readonly #tableBytes: number;
  readonly #tables = new Map<number, Promise<Buffer>>();
  #given = 0;

  constructor(file: ByteSource, tableBytes: number) {
    this.#file = file;
    this.#tableBytes = tableBytes;
  }

  /** The table at this byte of the file; throws `ImageCorrupt` when it is not inside. */
  async at(fileOffset: number): Promise<Buffer> {
    const table = this.#tables.get(fileOffset) ?? this.#file.read(fileOffset, this.#tableBytes);
    this.#tables.delete(fileOffset);
    this.#tables.set(fileOffset, table);
    const [oldest] = this.#tables.keys();
    if (oldest !== undefined && this.#tables.size * this.#tableBytes > CACHE_BYTES)
      this.#tables.delete(oldest);
    return this.#inTurn(await table);
  }

  /** Promises that are kept already wait for nobody: a file whose entries all lead to one table would keep us busy. */
  async #inTurn(table: Buffer): Promise<Buffer> {
    this.#given += this.#tableBytes;
    if (this.#given < TURN_BYTES) return table;
    this.#given = 0;
    await othersTurn();
    return table;
  }
}
