// Real file systems for tests of the readers: those of test/fixtures/file-systems, and those that mkfs fills.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type ByteSource, requireInside } from '../../src/host/disk/byte-source.ts';
import type { FileNode, FileSystem } from '../../src/host/disk/files/file-system.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures/file-systems');
const BLOCK_BYTES = 4096;
const PATH = `${process.env['PATH']}:/usr/sbin:/sbin`;

/** A disk in memory; what is not in `blocks` is zeros. */
export interface Disk extends ByteSource {
  readonly blocks: Map<number, Buffer>;
}

/** A disk that scripts/make-file-systems has made. */
export function fixtureDisk(name: string): Disk {
  const packed = gunzipSync(readFileSync(join(FIXTURES, `${name}.gz`)));
  const blocks = new Map<number, Buffer>();
  for (let at = 4; at < packed.length; at += 4 + BLOCK_BYTES)
    blocks.set(packed.readUInt32BE(at), packed.subarray(at + 4, at + 4 + BLOCK_BYTES));
  return diskOf(packed.readUInt32BE(0), blocks);
}

export function diskOf(size: number, blocks: Map<number, Buffer>): Disk {
  return {
    size,
    blocks,
    read: async (offset, length) => {
      requireInside({ size }, offset, length);
      const bytes = Buffer.alloc(length);
      for (let block = Math.floor(offset / BLOCK_BYTES); block * BLOCK_BYTES < offset + length; block++) {
        const at = block * BLOCK_BYTES - offset;
        blocks.get(block)?.copy(bytes, Math.max(0, at), Math.max(0, -at));
      }
      return Promise.resolve(bytes);
    },
  };
}

/** The same disk with some bytes written over. */
export function patched(disk: Disk, offset: number, bytes: Buffer): Disk {
  const blocks = new Map(disk.blocks);
  for (const [index, byte] of bytes.entries()) {
    const number = Math.floor((offset + index) / BLOCK_BYTES);
    const block = Buffer.from(blocks.get(number) ?? Buffer.alloc(BLOCK_BYTES));
    block[(offset + index) % BLOCK_BYTES] = byte;
    blocks.set(number, block);
  }
  return diskOf(disk.size, blocks);
}

export function hasProgram(name: string): boolean {
  return spawnSync(name, ['--version'], { env: { PATH } }).error === undefined;
}

/** A disk of so many MiB that mkfs has filled from a folder; the image is the last argument. */
export function madeDisk(megabytes: number, [program = '', ...args]: readonly string[]): Disk {
  const folder = mkdtempSync(join(tmpdir(), 'bonami-mkfs-'));
  const image = join(folder, 'image');
  try {
    writeFileSync(image, '');
    truncateSync(image, megabytes * 2 ** 20);
    // mkfs.xfs makes file systems below 300 MB for those who say that they test.
    const env = { PATH, TEST_DIR: 'x', TEST_DEV: 'x', QA_CHECK_FS: 'x' };
    const { status, stderr } = spawnSync(program, [...args, image], { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${program}: ${stderr}`);
    return diskOf(megabytes * 2 ** 20, blocksOf(readFileSync(image)));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function blocksOf(image: Buffer): Map<number, Buffer> {
  const zeros = Buffer.alloc(BLOCK_BYTES);
  const blocks = new Map<number, Buffer>();
  for (let at = 0; at < image.length; at += BLOCK_BYTES) {
    const block = image.subarray(at, at + BLOCK_BYTES);
    if (!block.equals(zeros)) blocks.set(at / BLOCK_BYTES, Buffer.from(block));
  }
  return blocks;
}

/** As text() in scripts/make-file-systems. */
export function textOf(lines: number): string {
  return Array.from({ length: lines }, (_, index) => `line ${index + 1}: the quick brown fox\n`).join('');
}

/** As names() in scripts/make-file-systems. */
export function namesOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `name-${index + 1}`);
}

/** What lies at this path from the root on; links are not followed. */
export async function find(fs: FileSystem, path: string): Promise<FileNode> {
  let node = await fs.root();
  for (const name of path.split('/').filter(Boolean)) {
    const next = await fs.lookup(node, name);
    if (!next) throw new Error(`no '${name}' on the way to '${path}'`);
    node = next;
  }
  return node;
}

export async function read(fs: FileSystem, path: string, maxBytes = 2 ** 24): Promise<Buffer> {
  return fs.content(await find(fs, path), maxBytes);
}

export async function readText(fs: FileSystem, path: string): Promise<string> {
  return (await read(fs, path)).toString();
}
