// The sequences of a block: so many literals, then so many bytes from so far back. RFC 8878, sections 3.1.1.3.2,
// 3.1.1.4 and 3.1.1.5.
import { BackwardBits, damagedZstd } from './bits.ts';
import { FseState, type FseTable, buildFseTable, constantFseTable, readFseTable } from './fse.ts';

/** What a length's symbol stands for: a least value, and so many bits to add. */
interface Codes {
  readonly bases: readonly number[];
  readonly bits: readonly number[];
}

interface Part {
  readonly maxLog: number;
  readonly maxSymbol: number;
  /** What both sides know without being told; section 3.1.1.3.2.2. */
  readonly predefined: FseTable;
}

const LITERAL_LENGTHS = codes(0, [
  ...times(16, 0),
  1,
  1,
  1,
  1,
  2,
  2,
  3,
  3,
  4,
  6,
  7,
  8,
  9,
  10,
  11,
  12,
  13,
  14,
  15,
  16,
]);
const MATCH_LENGTHS = codes(3, [
  ...times(32, 0),
  ...[1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16],
]);
/** An offset of so many bits would lead out of any block's reach. */
const MAX_OFFSET_BITS = 24;

const PARTS: Readonly<Record<'literals' | 'offsets' | 'matches', Part>> = {
  literals: {
    maxLog: 9,
    maxSymbol: 35,
    predefined: buildFseTable(
      [4, 3, ...times(11, 2), 1, 1, 1, ...times(9, 2), 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
      6,
    ),
  },
  offsets: {
    maxLog: 8,
    maxSymbol: 31,
    predefined: buildFseTable([...times(6, 1), 2, 2, 2, ...times(15, 1), ...times(5, -1)], 5),
  },
  matches: {
    maxLog: 9,
    maxSymbol: 52,
    predefined: buildFseTable([1, 4, 3, ...times(6, 2), ...times(37, 1), ...times(7, -1)], 6),
  },
};

function times(count: number, value: number): readonly number[] {
  return Array.from({ length: count }, () => value);
}

/** Each symbol's values begin where those of the one before it end. */
function codes(first: number, bits: readonly number[]): Codes {
  const bases: number[] = [];
  let base = first;
  for (const width of bits) {
    bases.push(base);
    base += 2 ** width;
  }
  return { bases, bits };
}

/** What a frame's blocks hand on to each other. */
export interface SequenceHistory {
  tables: Partial<Record<keyof typeof PARTS, FseTable>>;
  /** The last three offsets, the latest first. */
  offsets: [number, number, number];
}

/** Where a frame's bytes go; they are also what later bytes are copied from. */
export interface Output {
  readonly bytes: Buffer;
  length: number;
}

/** Writes what a block's literals and sequences stand for. */
export function runSequences(
  section: Buffer,
  literals: Buffer,
  { history, output }: { history: SequenceHistory; output: Output },
): void {
  const { count, length } = readCount(section);
  if (count === 0) {
    if (length !== section.length) throw damagedZstd('something follows a block without sequences');
    append(output, literals);
    return;
  }
  const { tables, at } = readTables(section, length, history);
  const bits = new BackwardBits(section.subarray(at));
  const states = {
    literals: new FseState(tables.literals, bits),
    offsets: new FseState(tables.offsets, bits),
    matches: new FseState(tables.matches, bits),
  };
  let used = 0;
  for (let index = 0; index < count; index++) {
    const sequence = readSequence(states, bits, history);
    const end = used + sequence.literals;
    if (end > literals.length) throw damagedZstd('a sequence asks for more literals than there are');
    append(output, literals.subarray(used, end));
    used = end;
    copyBack(output, sequence.offset, sequence.match);
    if (index === count - 1) break;
    states.literals.advance();
    states.matches.advance();
    states.offsets.advance();
  }
  if (bits.left !== 0) throw damagedZstd('the sequences of a block do not fill their stream');
  append(output, literals.subarray(used));
}

function readCount(section: Buffer): { count: number; length: number } {
  const [first = 0, second = 0, third = 0] = section;
  const result =
    first < 128
      ? { count: first, length: 1 }
      : first < 255
        ? { count: (first - 128) * 256 + second, length: 2 }
        : { count: second + third * 256 + 0x7f00, length: 3 };
  if (result.length > section.length) throw damagedZstd('the sequences of a block are cut off');
  return result;
}

/** A byte says for each part where its table comes from; those that are described follow in this order. */
function readTables(
  section: Buffer,
  length: number,
  history: SequenceHistory,
): { tables: Record<keyof typeof PARTS, FseTable>; at: number } {
  const modes = section[length] ?? 0;
  if (modes & 3) throw damagedZstd('a block has a table of no known kind');
  let at = length + 1;
  const next = (part: keyof typeof PARTS, mode: number): FseTable => {
    const read = readTable(section.subarray(at), PARTS[part], { mode, before: history.tables[part] });
    at += read.length;
    return read.table;
  };
  const tables = {
    literals: next('literals', modes >> 6),
    offsets: next('offsets', (modes >> 4) & 3),
    matches: next('matches', (modes >> 2) & 3),
  };
  history.tables = tables;
  return { tables, at };
}

function readTable(
  bytes: Buffer,
  part: Part,
  { mode, before }: { mode: number; before: FseTable | undefined },
): { table: FseTable; length: number } {
  if (mode === 0) return { table: part.predefined, length: 0 };
  if (mode === 2) return readFseTable(bytes, part);
  if (mode === 3) {
    if (!before) throw damagedZstd('a block repeats a table that no block has');
    return { table: before, length: 0 };
  }
  const symbol = bytes[0] ?? 256;
  if (symbol > part.maxSymbol) throw damagedZstd('a block has a table of a symbol without meaning');
  return { table: constantFseTable(symbol), length: 1 };
}

interface Sequence {
  readonly literals: number;
  readonly match: number;
  readonly offset: number;
}

function readSequence(
  states: Record<keyof typeof PARTS, FseState>,
  bits: BackwardBits,
  history: SequenceHistory,
): Sequence {
  const width = states.offsets.symbol;
  if (width > MAX_OFFSET_BITS) throw damagedZstd('a sequence copies from before the beginning');
  const value = (1 << width) + bits.read(width);
  const match = readLength(MATCH_LENGTHS, states.matches.symbol, bits);
  const literals = readLength(LITERAL_LENGTHS, states.literals.symbol, bits);
  return { literals, match, offset: nextOffset(history, value, literals) };
}

function readLength({ bases, bits: widths }: Codes, symbol: number, bits: BackwardBits): number {
  return (bases[symbol] ?? 0) + bits.read(widths[symbol] ?? 0);
}

/** Values from 1 to 3 mean offsets that were used before; without literals, the one after. Section 3.1.1.5. */
function nextOffset(history: SequenceHistory, value: number, literals: number): number {
  const [first, second, third] = history.offsets;
  const repeat = value > 3 ? 4 : value + (literals === 0 ? 1 : 0);
  switch (repeat) {
    case 1:
      return first;
    case 2:
      history.offsets = [second, first, third];
      return second;
    case 3:
      history.offsets = [third, first, second];
      return third;
    default: {
      const offset = value > 3 ? value - 3 : first - 1;
      history.offsets = [offset, first, second];
      return offset;
    }
  }
}

export function append(output: Output, bytes: Buffer): void {
  if (output.length + bytes.length > output.bytes.length) throw tooLong();
  bytes.copy(output.bytes, output.length);
  output.length += bytes.length;
}

/** The bytes may run into themselves: an offset of one repeats a byte. */
function copyBack(output: Output, offset: number, length: number): void {
  const { bytes, length: end } = output;
  if (offset <= 0 || offset > end) throw damagedZstd('a sequence copies from before the beginning');
  if (end + length > bytes.length) throw tooLong();
  if (offset >= length) bytes.copyWithin(end, end - offset, end - offset + length);
  else for (let at = end; at < end + length; at++) bytes[at] = bytes[at - offset] ?? 0;
  output.length += length;
}

export function tooLong(): Error {
  return damagedZstd('it is longer than it may be');
}
