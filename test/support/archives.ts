// Hand-made archives, with every field open to abuse, and what tests ask of streams.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { generator } from './random.ts';

export interface TarFields {
  readonly name: string;
  readonly type?: string;
  readonly content?: Buffer | string;
  /** What the header says; the content's length when not given. A string is written as it is. */
  readonly size?: number | string;
  readonly linkName?: string;
  readonly prefix?: string;
  readonly magic?: string;
  readonly checksum?: string;
  readonly nameBytes?: Buffer;
}

const END = Buffer.alloc(1024);

/** An archive's bytes, with its end. */
export function tar(...entries: readonly TarFields[]): Buffer {
  return Buffer.concat([...entries.map(tarEntry), END]);
}

/** A header and its content, padded. */
export function tarEntry(fields: TarFields): Buffer {
  const content = Buffer.from(fields.content ?? '');
  return Buffer.concat([
    header(fields, content.length),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]);
}

function header(
  {
    name,
    type = '0',
    size,
    linkName = '',
    prefix = '',
    magic = 'ustar\x0000',
    checksum,
    nameBytes,
  }: TarFields,
  length: number,
): Buffer {
  const block = Buffer.alloc(512);
  (nameBytes ?? Buffer.from(name)).copy(block, 0, 0, 100);
  block.write('0000644\x000000000\x000000000\0', 100, 'latin1');
  block.write(
    typeof size === 'string' ? size : (size ?? length).toString(8).padStart(11, '0'),
    124,
    12,
    'latin1',
  );
  block.write('00000000000', 136, 'latin1');
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write(linkName, 157, 100);
  block.write(magic, 257, 'latin1');
  block.write(prefix, 345, 155);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(checksum ?? `${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** The content of an extended header. */
export function paxRecords(records: Readonly<Record<string, string>>): string {
  return Object.entries(records)
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = Buffer.byteLength(rest) + 1;
      while (`${length}${rest}`.length !== length) length++;
      return `${length}${rest}`;
    })
    .join('');
}

/** A stream that gives bytes in pieces of this size. */
export function inPieces(bytes: Buffer, size = 1000): Readable {
  return Readable.from(
    (function* () {
      for (let offset = 0; offset < bytes.length; offset += size) yield bytes.subarray(offset, offset + size);
    })(),
    { objectMode: false },
  );
}

export async function bytesOf(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What a program of the host makes of these bytes. */
export function through(input: Buffer, command: string, ...args: readonly string[]): Buffer {
  return execFileSync(command, [...args], { input, maxBuffer: 2 ** 30, stdio: ['pipe', 'pipe', 'ignore'] });
}

/** Whether a process is there and has not ended: an orphan may wait long for somebody to collect its exit code. */
export function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

/** Bytes that look random and are the same each time. */
export function noise(length: number, seed = 1): Buffer {
  const next = generator(seed);
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = Math.floor(next() * 256);
  return bytes;
}
