// Disk files to measure with. They are made, not found: every host then measures the same thing.
import { randomFillSync, randomInt } from 'node:crypto';
import { execa } from 'execa';
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';

const MIB = 2 ** 20;

export interface RawDisk {
  readonly sizeMiB: number;
  readonly dataMiB: number;
  /** Shrinks to about a third, as real disks do, instead of not at all. */
  readonly isCompressible?: boolean;
}

/** A folder on the file system of the homes, for as long as `work` takes. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync('/var/tmp/bonami-bench-');
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A raw disk with a partition table whose data lies in two stretches. */
export async function makeRaw(path: string, { sizeMiB, dataMiB, isCompressible }: RawDisk): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    const phrases = Array.from({ length: 4096 }, () => randomFillSync(Buffer.alloc(randomInt(8, 65))));
    const piece = Buffer.alloc(MIB);
    for (let index = 0; index < dataMiB; index += 1) {
      if (isCompressible === true) fillWithPhrases(piece, phrases);
      else randomFillSync(piece);
      if (index === 0) partitionTable(sizeMiB).copy(piece);
      const place = index < dataMiB / 2 ? index : sizeMiB - dataMiB + index;
      await file.write(piece, 0, MIB, place * MIB);
    }
    await file.truncate(sizeMiB * MIB);
    await file.sync();
  } finally {
    await file.close();
  }
}

function fillWithPhrases(piece: Buffer, phrases: readonly Buffer[]): void {
  randomFillSync(piece);
  // Between any two phrases something new is left.
  for (let at = 0; at < piece.length; at += 10)
    at += phrases[randomInt(phrases.length)]?.copy(piece, at) ?? 0;
}

/** An MBR with one Linux partition behind its first MiB. */
function partitionTable(sizeMiB: number): Buffer {
  const sector = Buffer.alloc(512);
  sector[446 + 4] = 0x83;
  sector.writeUInt32LE(2048, 446 + 8);
  sector.writeUInt32LE((sizeMiB - 1) * 2048, 446 + 12);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

export async function convert(from: string, to: string, format: string): Promise<string> {
  const source = from.endsWith('.raw') ? 'raw' : 'qcow2';
  await execa('qemu-img', ['convert', '-f', source, '-O', format, from, to]);
  await execa('sync', [to]);
  return to;
}

/** Two files of one disk, as `qemu-img convert` makes them. */
export async function makeDisk(
  folder: string,
  disk: RawDisk,
): Promise<{ readonly raw: string; readonly qcow2: string }> {
  const raw = join(folder, 'disk.raw');
  await makeRaw(raw, disk);
  return { raw, qcow2: await convert(raw, join(folder, 'disk.qcow2'), 'qcow2') };
}
