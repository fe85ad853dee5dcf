import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { partitions } from '../../../../../src/host/disk/files/partition-table.ts';
import {
  generator,
  makeDisk,
  missingTools,
  mutate,
  scratchFolder,
  sourceOf,
} from '../../../../support/file-systems.ts';

const MIB = 2 ** 20;
const missing = missingTools('sfdisk');
const scratch = scratchFolder();
afterAll(scratch.remove);

const made = new Map<string, Buffer>();

/** A disk of 16 MiB with this script's table, for the caller to change. */
function disk(script: string): Buffer {
  const path = join(scratch.path, 'disk.raw');
  if (!made.has(script)) {
    makeDisk(path, 16, script);
    made.set(script, readFileSync(path));
  }
  return Buffer.from(made.get(script) ?? '');
}

const GPT = `label: gpt
1: start=4096, size=8192, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name="root é"
14: start=2048, size=2048, type=21686148-6449-6E6F-744E-656564454649, attrs="LegacyBIOSBootable"
15: start=12288, size=4096, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B`;

const MBR = `label: dos
1: start=2048, size=2048, type=ef
2: start=4096, size=4096, type=83, bootable
3: start=8192, size=20480, type=5
5: start=10240, size=2048, type=83
6: start=14336, size=2048, type=82
7: start=18432, size=4096, type=8e`;

describe.skipIf(missing !== '')('tables that sfdisk writes', () => {
  test('a GPT', async () => {
    await expect(partitions(sourceOf(disk(GPT)))).resolves.toEqual({
      scheme: 'gpt',
      partitions: [
        {
          number: 1,
          start: 2 * MIB,
          size: 4 * MIB,
          type: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709',
          name: 'root é',
          isBootable: false,
        },
        {
          number: 14,
          start: MIB,
          size: MIB,
          type: '21686148-6449-6e6f-744e-656564454649',
          name: '',
          isBootable: true,
        },
        {
          number: 15,
          start: 6 * MIB,
          size: 2 * MIB,
          type: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
          name: '',
          isBootable: false,
        },
      ],
    });
  });

  test('an MBR with logical partitions, numbered as Linux does', async () => {
    const table = await partitions(sourceOf(disk(MBR)));
    expect(table.scheme).toBe('mbr');
    expect(
      table.partitions.map(({ number, start, size, type, isBootable }) => [
        number,
        start / MIB,
        size / MIB,
        type,
        isBootable,
      ]),
    ).toEqual([
      [1, 1, 1, '0xef', false],
      [2, 2, 2, '0x83', true],
      [5, 5, 1, '0x83', false],
      [6, 7, 1, '0x82', false],
      [7, 9, 2, '0x8e', false],
    ]);
  });

  test('an empty MBR is as good as none', async () => {
    await expect(partitions(sourceOf(disk('label: dos')))).resolves.toEqual({
      scheme: 'none',
      partitions: [],
    });
  });

  test('a partition that begins with the table itself is none: mformat writes one into its boot sector', async () => {
    const formatted = disk(MBR);
    formatted.writeUInt32LE(0, 446 + 8);
    await expect(partitions(sourceOf(formatted))).resolves.toMatchObject({ scheme: 'none' });
  });

  test('an MBR over the leavings of a GPT is an MBR', async () => {
    const both = disk(GPT);
    disk(MBR).copy(both, 0, 0, 512);
    await expect(partitions(sourceOf(both))).resolves.toMatchObject({ scheme: 'mbr' });
  });

  test('a GPT without an MBR in front is a GPT', async () => {
    const bare = disk(GPT).fill(0, 0, 512);
    await expect(partitions(sourceOf(bare))).resolves.toMatchObject({ scheme: 'gpt' });
  });

  test.each<[string, number]>([
    ['its header', 512 + 40],
    ['its entries', 1024 + 32],
  ])('a GPT with a flaw in %s is refused', async (_where, offset) => {
    const flawed = disk(GPT);
    flawed.writeUInt8(flawed.readUInt8(offset) ^ 1, offset);
    await expect(partitions(sourceOf(flawed))).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test('a GPT that is announced and not there is refused', async () => {
    const gone = disk(GPT).fill(0, 512, 1024);
    await expect(partitions(sourceOf(gone))).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });

  test('extended partitions that form a ring end', async () => {
    const ring = disk(MBR);
    // The table in front of the last logical partition leads back to the first one.
    ring.writeUInt8(5, 8 * MIB + 446 + 16 + 4);
    ring.writeUInt32LE(0, 8 * MIB + 446 + 16 + 8);
    ring.writeUInt32LE(1, 8 * MIB + 446 + 16 + 12);
    const source = sourceOf(ring);
    const table = await partitions(source);
    expect(table.partitions.length).toBeLessThan(100);
    expect(source.cost.reads).toBeLessThan(100);
  });

  test('no mutation brings out anything but a table or a refusal', async () => {
    const random = generator(20_260_102);
    const disks = [disk(GPT), disk(MBR)];
    for (let round = 0; round < 2000; round++) {
      const bytes = disks[round % 2] ?? Buffer.alloc(0);
      const inTables = [[0, 2048] as const, [440, 600] as const, [4 * MIB, 4 * MIB + 512] as const];
      const undo = mutate(bytes, random, inTables[Math.floor(random() * 3)] ?? [0, 512]);
      // A forger repairs the checksums.
      if (round % 4 === 0) sealGpt(bytes);
      const source = sourceOf(bytes);
      await partitions(source).catch((error: unknown) => {
        if (!(error instanceof HostError) || error.code !== 'ImageCorrupt') throw error;
      });
      expect(source.cost.bytes).toBeLessThan(3 * MIB);
      undo();
      if (round % 4 === 0) sealGpt(bytes);
    }
  });
});

function sealGpt(bytes: Buffer): void {
  const place = 1024;
  bytes.writeUInt32LE(crc32(bytes.subarray(place, place + 128 * 128)), 512 + 88);
  const header = Buffer.from(bytes.subarray(512, 512 + 92));
  header.writeUInt32LE(0, 16);
  bytes.writeUInt32LE(crc32(header), 512 + 16);
}

/** What parted writes on a disk with sectors of 4096 bytes, less the second copy. */
function gptOnLargeSectors(entryBytes = 128, entries = 4): Buffer {
  const bytes = Buffer.alloc(4 * MIB);
  const table = bytes.subarray(8192, 8192 + entryBytes * entries);
  table.write('af3dc60f838472478e793d69d8477de4', entryBytes, 'hex');
  table.writeBigUInt64LE(256n, entryBytes + 32);
  table.writeBigUInt64LE(511n, entryBytes + 40);
  table.write('data', entryBytes + 56, 'utf16le');
  bytes.write('EFI PART', 4096, 'latin1');
  bytes.writeUInt32LE(92, 4096 + 12);
  bytes.writeBigUInt64LE(2n, 4096 + 72);
  bytes.writeUInt32LE(entries, 4096 + 80);
  bytes.writeUInt32LE(entryBytes, 4096 + 84);
  bytes.writeUInt32LE(crc32(table), 4096 + 88);
  bytes.writeUInt32LE(crc32(bytes.subarray(4096, 4096 + 92)), 4096 + 16);
  return bytes;
}

test.each([128, 256])('a GPT on sectors of 4096 bytes, with entries of %i', async (entryBytes) => {
  await expect(partitions(sourceOf(gptOnLargeSectors(entryBytes)))).resolves.toEqual({
    scheme: 'gpt',
    partitions: [
      {
        number: 2,
        start: MIB,
        size: MIB,
        type: '0fc63daf-8483-4772-8e79-3d69d8477de4',
        name: 'data',
        isBootable: false,
      },
    ],
  });
});

test('a GPT with more entries than anybody has is refused before it is read', async () => {
  const bytes = gptOnLargeSectors();
  bytes.writeUInt32LE(0x7fffffff, 4096 + 80);
  bytes.writeUInt32LE(0, 4096 + 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(4096, 4096 + 92)), 4096 + 16);
  const source = sourceOf(bytes);
  await expect(partitions(source)).rejects.toMatchObject({ code: 'ImageCorrupt' });
  expect(source.cost.bytes).toBeLessThan(16_384);
});

test.each([0, 1, 511, 512, 1023, 4096, 5000])('a disk of %i zero bytes has no table', async (bytes) => {
  await expect(partitions(sourceOf(Buffer.alloc(bytes)))).resolves.toEqual({
    scheme: 'none',
    partitions: [],
  });
});
