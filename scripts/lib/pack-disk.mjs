// pack-disk.mjs DISK PACKED: a disk's size, then {number, content} of each of its blocks that are not zeros, gzipped.
// test/support/packed-disk.ts reads it.
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BLOCK_BYTES = 4096;
const [disk, packed] = process.argv.slice(2);
const bytes = readFileSync(disk);
const zeros = Buffer.alloc(BLOCK_BYTES);
const size = Buffer.alloc(4);
size.writeUInt32BE(bytes.length);
const parts = [size];
for (let at = 0; at < bytes.length; at += BLOCK_BYTES) {
  const block = bytes.subarray(at, at + BLOCK_BYTES);
  if (block.equals(zeros)) continue;
  const number = Buffer.alloc(4);
  number.writeUInt32BE(at / BLOCK_BYTES);
  parts.push(number, block);
}
writeFileSync(packed, gzipSync(Buffer.concat(parts), { level: 9 }));
