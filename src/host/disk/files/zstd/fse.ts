// Finite State Entropy: a symbol for each state, and how many bits choose the next one. RFC 8878, section 4.1.
import { type BackwardBits, ForwardBits, damagedZstd } from './bits.ts';

/** A table of 2^`log` states. */
export interface FseTable {
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
  /** The next state is this and the bits that are read. */
  readonly bases: Uint16Array;
}

export interface FseLimits {
  readonly maxLog: number;
  /** The largest symbol that means something. */
  readonly maxSymbol: number;
}

/** The table that these bytes describe, and how many of them do. */
export function readFseTable(
  bytes: Buffer,
  { maxLog, maxSymbol }: FseLimits,
): { table: FseTable; length: number } {
  const bits = new ForwardBits(bytes);
  const log = bits.read(4) + 5;
  if (log > maxLog) throw damagedZstd(`a table has 2^${log} states`);
  const counts: number[] = [];
  for (let left = 2 ** log; left > 0;) {
    const count = readCount(bits, left);
    left -= Math.abs(count);
    counts.push(count);
    if (count === 0) skipSymbols(bits, counts, maxSymbol);
    if (counts.length > maxSymbol + 1) throw damagedZstd('a table has too many symbols');
    if (left < 0) throw damagedZstd('a table promises more states than it has');
  }
  return { table: buildFseTable(counts, log), length: bits.bytesRead() };
}

/** After a count of zero, two bits say how many more follow; three of them may not be all. */
function skipSymbols(bits: ForwardBits, counts: number[], maxSymbol: number): void {
  for (let zeros = 3; zeros === 3 && counts.length <= maxSymbol;) {
    zeros = bits.read(2);
    for (let zero = 0; zero < zeros; zero++) counts.push(0);
  }
}

/** A value below `left + 2`; the small ones take a bit less. -1 stands for "less than one state", which takes one. */
function readCount(bits: ForwardBits, left: number): number {
  const width = 32 - Math.clz32(left + 1);
  const value = bits.read(width);
  const half = 2 ** (width - 1) - 1;
  const shortOnes = 2 ** width - 1 - (left + 1);
  if ((value & half) < shortOnes) {
    bits.back(1);
    return (value & half) - 1;
  }
  return (value > half ? value - shortOnes : value) - 1;
}

/** The table of these counts, which sum up to 2^`log`; section 4.1.1, "From Normalized Distribution to Decoding Tables". */
export function buildFseTable(counts: readonly number[], log: number): FseTable {
  const size = 2 ** log;
  const symbols = spread(counts, size);
  const bits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  const next = counts.map((count) => Math.abs(count));
  for (let state = 0; state < size; state++) {
    const symbol = symbols[state] ?? 0;
    const rank = next[symbol] ?? 1;
    next[symbol] = rank + 1;
    const width = log - (31 - Math.clz32(rank));
    bits[state] = width;
    bases[state] = (rank << width) - size;
  }
  return { log, symbols, bits, bases };
}

function spread(counts: readonly number[], size: number): Uint8Array {
  const symbols = new Uint8Array(size);
  let rareFrom = size;
  for (const [symbol, count] of counts.entries()) if (count === -1) symbols[--rareFrom] = symbol;
  const step = (size >> 1) + (size >> 3) + 3;
  let state = 0;
  for (const [symbol, count] of counts.entries())
    for (let placed = 0; placed < count; placed++) {
      symbols[state] = symbol;
      do state = (state + step) & (size - 1);
      while (state >= rareFrom);
    }
  return symbols;
}

/** The table of a symbol that repeats: no bits are read for it. */
export function constantFseTable(symbol: number): FseTable {
  return { log: 0, symbols: Uint8Array.of(symbol), bits: new Uint8Array(1), bases: new Uint16Array(1) };
}

/** A place in a table, moved by bits. */
export class FseState {
  readonly #table: FseTable;
  readonly #bits: BackwardBits;
  #state: number;

  constructor(table: FseTable, bits: BackwardBits) {
    this.#table = table;
    this.#bits = bits;
    this.#state = bits.read(table.log);
  }

  get symbol(): number {
    return this.#table.symbols[this.#state] ?? 0;
  }

  advance(): void {
    const { bases, bits } = this.#table;
    this.#state = (bases[this.#state] ?? 0) + this.#bits.read(bits[this.#state] ?? 0);
  }
}
