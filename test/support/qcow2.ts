// Disks to read and to write: bytes that are easy to tell apart, and the reference they are compared with, qemu-img.
import { execFileSync, spawnSync } from 'node:child_process';
import { type ByteSource, openFileSource, requireInside } from '../../src/host/disk/byte-source.ts';
import { dataRanges, openRaw } from '../../src/host/disk/qcow2/raw.ts';
import { openQcow2 } from '../../src/host/disk/qcow2/reader.ts';
import type { DiskContent } from '../../src/host/disk/qcow2/content.ts';
import { type ImportedContent, importContent } from '../../src/host/disk/qcow2/import-content.ts';

export const MAX = 2 ** 41;

/** qemu-img and qemu-io come in one package. */
export const hasQemuImg = ['qemu-img', 'qemu-io'].every((name) => spawnSync(name, ['-V']).status === 0);

export function qemuImg(...args: readonly string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** qemu-io's commands on a qcow2 file, in order. */
export function qemuIo(path: string, ...commands: readonly string[]): void {
  const options = ['-f', 'qcow2', '-d', 'unmap', ...commands.flatMap((command) => ['-c', command]), path];
  const { status, stdout, stderr } = spawnSync('qemu-io', options, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`qemu-io: ${stdout}${stderr}`);
}

/** mulberry32: small, seeded, good enough to vary bytes. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Bytes that do not repeat within a disk of test size; the same for the same seed. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(Math.ceil(length / 4) * 4);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const random = generator(seed);
  for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32;
  return bytes.subarray(0, length);
}

export function memorySource(bytes: Buffer): ByteSource {
  return {
    size: bytes.length,
    async read(offset, length) {
      requireInside({ size: bytes.length }, offset, length);
      return Buffer.from(bytes.subarray(offset, offset + length));
    },
  };
}

export async function withContent<T>(
  path: string,
  format: 'raw' | 'qcow2',
  use: (content: DiskContent) => Promise<T>,
): Promise<T> {
  const file = await openFileSource(path);
  try {
    return await use(format === 'qcow2' ? await openQcow2(file) : openRaw(file, await dataRanges(path)));
  } finally {
    await file.close();
  }
}

export async function importFile(
  path: string,
  format: 'raw' | 'qcow2',
  to: string,
): Promise<ImportedContent> {
  return withContent(path, format, async (content) => importContent({ content, to, maxVirtualSize: MAX }));
}

/** Throws unless qemu-img finds no fault in a file of ours and the same bytes as in the other. */
export function requireSame(stored: string, other: string, format: 'raw' | 'qcow2'): void {
  const found = JSON.parse(qemuImg('check', '-f', 'qcow2', '--output=json', stored));
  if (found.corruptions || found.leaks || found['check-errors']) throw new Error(JSON.stringify(found));
  if (!qemuImg('compare', '-f', 'qcow2', '-F', format, stored, other).includes('identical'))
    throw new Error(`${stored} and ${other} differ`);
}
