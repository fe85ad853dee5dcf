// The literals of a block, as they are or coded by Huffman. RFC 8878, sections 3.1.1.3.1 and 4.2.
import { BackwardBits, damagedZstd } from './bits.ts';
import { FseState, readFseTable } from './fse.ts';

/** RFC 8878, section 3.1.1.2.4: Block_Maximum_Size. */
export const MAX_BLOCK_BYTES = 128 * 1024;
const MAX_CODE_BITS = 11;
const MAX_WEIGHTS_LOG = 6;

/** For each value of the next `log` bits, the byte that they begin with and how many of them are its code. */
export interface HuffmanTable {
  readonly log: number;
  readonly symbols: Uint8Array;
  readonly bits: Uint8Array;
}

export interface Literals {
  readonly bytes: Buffer;
  /** The table that a later block may go on with. */
  readonly huffman: HuffmanTable | undefined;
  /** Bytes of the block that the literals take. */
  readonly length: number;
}

interface Header {
  readonly kind: 'raw' | 'repeated' | 'coded' | 'coded as before';
  readonly streams: 1 | 4;
  readonly headerBytes: number;
  /** Bytes of literals. */
  readonly size: number;
  /** Bytes that the code takes. */
  readonly coded: number;
}

export function readLiterals(block: Buffer, before: HuffmanTable | undefined): Literals {
  const header = readHeader(block);
  const { kind, headerBytes, size, coded } = header;
  if (size > MAX_BLOCK_BYTES) throw damagedZstd(`a block has ${size} literals`);
  const length = headerBytes + coded;
  if (length > block.length) throw damagedZstd('the literals of a block are cut off');
  const body = block.subarray(headerBytes, length);
  switch (kind) {
    case 'raw':
      return { bytes: body, huffman: before, length };
    case 'repeated':
      return { bytes: Buffer.alloc(size, body), huffman: before, length };
    case 'coded': {
      const { table, length: tableBytes } = readHuffmanTable(body);
      return { bytes: decodeStreams(body.subarray(tableBytes), header, table), huffman: table, length };
    }
    case 'coded as before':
      if (!before) throw damagedZstd('a block repeats a table that no block has');
      return { bytes: decodeStreams(body, header, before), huffman: before, length };
  }
}

function readHeader(block: Buffer): Header {
  const first = block[0] ?? 0;
  const word = first | ((block[1] ?? 0) << 8) | ((block[2] ?? 0) << 16);
  const format = (first >> 2) & 3;
  if ((first & 2) === 0) {
    const isRaw = (first & 1) === 0;
    const headerBytes = [1, 2, 1, 3][format] ?? 1;
    const size = [first >> 3, (word >> 4) & 0xfff, first >> 3, word >> 4][format] ?? 0;
    return { kind: isRaw ? 'raw' : 'repeated', streams: 1, headerBytes, size, coded: isRaw ? size : 1 };
  }
  const headerBytes = [3, 3, 4, 5][format] ?? 3;
  const sizeBits = [10, 10, 14, 18][format] ?? 10;
  // Forty bits at most, which is more than the bitwise operators hold.
  const bits = (word + (block[3] ?? 0) * 2 ** 24 + (block[4] ?? 0) * 2 ** 32) / 16;
  return {
    kind: (first & 1) === 0 ? 'coded' : 'coded as before',
    streams: format === 0 ? 1 : 4,
    headerBytes,
    size: Math.floor(bits) % 2 ** sizeBits,
    coded: Math.floor(bits / 2 ** sizeBits) % 2 ** sizeBits,
  };
}

function readHuffmanTable(bytes: Buffer): { table: HuffmanTable; length: number } {
  const first = bytes[0] ?? 0;
  const coded = first < 128 ? first : Math.ceil((first - 127) / 2);
  const body = bytes.subarray(1, 1 + coded);
  if (body.length < coded) throw damagedZstd('a Huffman table is cut off');
  const weights = first < 128 ? codedWeights(body) : plainWeights(body, first - 127);
  return { table: buildHuffmanTable(weights), length: 1 + coded };
}

/** Four bits each, the upper ones first. */
function plainWeights(bytes: Buffer, count: number): number[] {
  return Array.from({ length: count }, (_, index) => {
    const pair = bytes[index >> 1] ?? 0;
    return index % 2 === 0 ? pair >> 4 : pair & 15;
  });
}

/** Two states take turns until the bits run out; then the other one has a last symbol. */
function codedWeights(bytes: Buffer): number[] {
  const { table, length } = readFseTable(bytes, { maxLog: MAX_WEIGHTS_LOG, maxSymbol: 255 });
  const bits = new BackwardBits(bytes.subarray(length));
  let current = new FseState(table, bits);
  let other = new FseState(table, bits);
  const weights: number[] = [];
  while (weights.length < 255) {
    weights.push(current.symbol);
    current.advance();
    if (bits.left < 0) {
      weights.push(other.symbol);
      return weights;
    }
    [current, other] = [other, current];
  }
  throw damagedZstd('a Huffman table has too many weights');
}

/**
 * A weight w stands for 2^(w-1) of the table's places, zero for none. The last symbol's weight is not written: it
 * takes what is left of a power of two.
 */
function buildHuffmanTable(written: readonly number[]): HuffmanTable {
  if (written.some((weight) => weight > MAX_CODE_BITS)) throw damagedZstd('a code of Huffman is too long');
  const taken = written.reduce((sum, weight) => sum + ((2 ** weight) >> 1), 0);
  const log = 32 - Math.clz32(taken);
  const left = 2 ** log - taken;
  if (taken === 0 || log > MAX_CODE_BITS || written.length > 255 || 2 ** Math.floor(Math.log2(left)) !== left)
    throw damagedZstd('the weights of a Huffman table make no sense');
  const weights = [...written, Math.log2(left) + 1];
  const symbols = new Uint8Array(2 ** log);
  const bits = new Uint8Array(2 ** log);
  let place = 0;
  for (let weight = 1; weight <= log; weight++)
    for (const [symbol, its] of weights.entries()) {
      if (its !== weight) continue;
      const end = place + 2 ** (weight - 1);
      symbols.fill(symbol, place, end);
      bits.fill(log + 1 - weight, place, end);
      place = end;
    }
  return { log, symbols, bits };
}

function decodeStreams(bytes: Buffer, { streams, size }: Header, table: HuffmanTable): Buffer {
  const literals = Buffer.allocUnsafe(size);
  if (streams === 1) {
    decodeStream(bytes, table, literals);
    return literals;
  }
  // Three sizes of two bytes each; the fourth stream has the rest.
  const share = Math.ceil(size / 4);
  if (bytes.length < 6 || share * 3 > size) throw damagedZstd('the streams of a block are cut off');
  for (let stream = 0, at = 6; stream < 4; stream++) {
    const end = stream < 3 ? at + bytes.readUInt16LE(stream * 2) : bytes.length;
    const place = literals.subarray(stream * share, stream < 3 ? (stream + 1) * share : size);
    decodeStream(bytes.subarray(at, end), table, place);
    at = end;
  }
  return literals;
}

function decodeStream(bytes: Buffer, { log, symbols, bits: widths }: HuffmanTable, place: Buffer): void {
  const bits = new BackwardBits(bytes);
  for (let index = 0; index < place.length; index++) {
    const code = bits.peek(log);
    place[index] = symbols[code] ?? 0;
    bits.left -= widths[code] ?? 0;
  }
  if (bits.left !== 0) throw damagedZstd('the literals of a block do not fill their streams');
}
