// Zstandard: RFC 8878. Node 20 has none; what btrfs compresses is small enough for a decoder without any tricks.
import { damagedZstd } from './zstd/bits.ts';
import { type HuffmanTable, MAX_BLOCK_BYTES, readLiterals } from './zstd/literals.ts';
import { type Output, type SequenceHistory, append, runSequences, tooLong } from './zstd/sequences.ts';

const MAGIC = 0xfd2fb528;
const BLOCK_HEADER_BYTES = 3;
const CONTENT_SIZE_BYTES = [0, 2, 4, 8] as const;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const;

/**
 * The content of the frame that these bytes begin with; what follows it is ignored. Never more than `maxBytes`: a
 * frame that holds more, needs a dictionary, or makes no sense is `ImageCorrupt`. Its checksum is not verified.
 */
export function decompressZstd(input: Buffer, maxBytes: number): Buffer {
  const { size, length } = readFrameHeader(input);
  if (size !== undefined && size > maxBytes) throw tooLong();
  const output: Output = { bytes: Buffer.alloc(size ?? maxBytes), length: 0 };
  readBlocks(input.subarray(length), output);
  if (size !== undefined && output.length !== size) throw damagedZstd('it is shorter than it says');
  return output.bytes.subarray(0, output.length);
}

/** Section 3.1.1.1. The size of the window is of no interest: all of the output is kept. */
function readFrameHeader(input: Buffer): { size: number | undefined; length: number } {
  if (input.length < 6 || input.readUInt32LE(0) !== MAGIC) throw damagedZstd('it does not begin like any');
  const descriptor = input.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if (descriptor & 0x08) throw damagedZstd('its header has a reserved bit');
  const dictionaryAt = isSingleSegment ? 5 : 6;
  const sizeAt = dictionaryAt + (DICTIONARY_ID_BYTES[descriptor & 3] ?? 0);
  if (input.subarray(dictionaryAt, sizeAt).some((byte) => byte !== 0))
    throw damagedZstd('it needs a dictionary');
  const sizeCode = descriptor >> 6;
  const sizeBytes = sizeCode === 0 && isSingleSegment ? 1 : (CONTENT_SIZE_BYTES[sizeCode] ?? 0);
  const length = sizeAt + sizeBytes;
  if (length > input.length) throw damagedZstd('its header is cut off');
  const size = Number(littleEndian(input.subarray(sizeAt, length)));
  return { size: sizeBytes === 0 ? undefined : size + (sizeBytes === 2 ? 256 : 0), length };
}

function littleEndian(bytes: Buffer): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

interface Frame {
  readonly output: Output;
  readonly history: SequenceHistory;
  huffman: HuffmanTable | undefined;
}

/** Section 3.1.1.2. Every block takes some of the input, so there is an end. */
function readBlocks(blocks: Buffer, output: Output): void {
  const frame: Frame = { output, history: { tables: {}, offsets: [1, 4, 8] }, huffman: undefined };
  for (let at = 0, isLast = false; !isLast;) {
    if (at + BLOCK_HEADER_BYTES > blocks.length) throw damagedZstd('it is cut off');
    const header = blocks.readUIntLE(at, BLOCK_HEADER_BYTES);
    const kind = (header >> 1) & 3;
    const size = header >> 3;
    if (size > MAX_BLOCK_BYTES) throw damagedZstd(`it has a block of ${size} bytes`);
    const start = at + BLOCK_HEADER_BYTES;
    at = start + (kind === 1 ? 1 : size);
    if (at > blocks.length) throw damagedZstd('it is cut off');
    readBlock(frame, blocks.subarray(start, at), { kind, size });
    isLast = (header & 1) !== 0;
  }
}

function readBlock(frame: Frame, body: Buffer, { kind, size }: { kind: number; size: number }): void {
  const { output, history } = frame;
  switch (kind) {
    case 0:
      append(output, body);
      return;
    case 1:
      append(output, Buffer.alloc(size, body));
      return;
    case 2: {
      const literals = readLiterals(body, frame.huffman);
      frame.huffman = literals.huffman;
      runSequences(body.subarray(literals.length), literals.bytes, { history, output });
      return;
    }
    default:
      throw damagedZstd('it has a block of no known kind');
  }
}
