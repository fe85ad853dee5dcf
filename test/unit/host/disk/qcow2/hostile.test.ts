import { deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { HostError } from '../../../../../src/core/errors.ts';
import { contentDigest } from '../../../../../src/host/disk/qcow2/content-digest.ts';
import { openQcow2 } from '../../../../../src/host/disk/qcow2/reader.ts';
import { generator, memorySource } from '../../../../support/qcow2.ts';

const SIZE = 2 ** 19;

interface Shape {
  readonly clusterBits: number;
  readonly version: number;
}

/** A disk of 512 KiB: L1 in the third cluster, L2 tables behind it, then data, then a compressed cluster. */
function sound({ clusterBits, version }: Shape): Buffer {
  const cluster = 2 ** clusterBits;
  const perTable = cluster / 8;
  const clusters = Math.ceil(SIZE / cluster);
  const tables = Math.ceil(clusters / perTable);
  const l1Clusters = Math.ceil((tables * 8) / cluster);
  const dataStart = (2 + l1Clusters + tables) * cluster;
  const packed = deflateRawSync(Buffer.alloc(cluster, 'compressed'), { windowBits: 12 });
  const file = Buffer.alloc(dataStart + 3 * cluster + Math.max(512, packed.length));
  file.write('QFI\xfb', 0, 'latin1');
  file.writeUInt32BE(version, 4);
  file.writeUInt32BE(clusterBits, 20);
  file.writeBigUInt64BE(BigInt(SIZE), 24);
  file.writeUInt32BE(tables, 36);
  file.writeBigUInt64BE(BigInt(2 * cluster), 40);
  file.writeBigUInt64BE(BigInt(cluster), 48);
  file.writeUInt32BE(1, 56);
  if (version === 3) {
    file.writeUInt32BE(4, 96);
    file.writeUInt32BE(104, 100);
  }
  for (let table = 0; table < tables; table++)
    file.writeBigUInt64BE(BigInt((2 + l1Clusters + table) * cluster) | (1n << 63n), 2 * cluster + table * 8);
  const sectors = BigInt(Math.ceil(packed.length / 512) - 1);
  const kinds = [
    0n,
    BigInt(dataStart) | (1n << 63n),
    BigInt(dataStart + cluster) | (1n << 63n),
    BigInt(dataStart + 2 * cluster),
    version === 3 ? 1n : 0n,
    (1n << 62n) | (sectors << BigInt(62 - (clusterBits - 8))) | BigInt(dataStart + 3 * cluster),
  ];
  for (let index = 0; index < Math.min(clusters, 4 * kinds.length); index++)
    file.writeBigUInt64BE(kinds[index % kinds.length] ?? 0n, (2 + l1Clusters) * cluster + index * 8);
  file.fill('data', dataStart, dataStart + 3 * cluster);
  packed.copy(file, dataStart + 3 * cluster);
  return file;
}

const SHAPES: readonly Shape[] = [9, 12, 16].flatMap((clusterBits) => [
  { clusterBits, version: 2 },
  { clusterBits, version: 3 },
]);

/** Reads all that there is to read, as long as it is not too much; `fine` or the code of the refusal. */
async function read(file: Buffer, isThorough: boolean): Promise<string> {
  try {
    const content = await openQcow2(memorySource(file));
    let end = 0;
    for await (const { offset, length, fileOffset } of content.extents()) {
      if (offset !== end || length <= 0) throw new Error(`a gap at ${end}`);
      end += length;
      if (fileOffset !== undefined && fileOffset + length > file.length)
        throw new Error('outside of the file');
    }
    if (end !== content.size) throw new Error(`ends at ${end}`);
    await content.read(0, Math.min(content.size, SIZE));
    if (isThorough && (await content.allocatedBytes()) <= 4 * SIZE) await contentDigest(content);
    return 'fine';
  } catch (error) {
    if (!(error instanceof HostError) || !/^the .+[^.]$/.test(error.message)) throw error;
    return error.code;
  }
}

test.each(SHAPES)('the file before any change is sound: %o', async (shape) => {
  expect(await read(sound(shape), true)).toBe('fine');
});

test('no change to header or tables brings out anything but a refusal', { timeout: 120_000 }, async () => {
  const random = generator(20_260_202);
  const pick = (below: number): number => Math.floor(random() * below);
  const verdicts = new Set<string>();
  const begun = performance.now();
  const originals = SHAPES.map((shape) => ({ shape, file: sound(shape) }));
  for (let round = 0; round < 4000; round++) {
    const { shape, file: original } = originals[pick(originals.length)] ?? fail();
    const file = Buffer.from(original);
    const tables = 2 * 2 ** shape.clusterBits;
    for (let change = pick(4); change >= 0; change--) {
      const place = pick(3);
      if (place === 0) file.writeUInt8(pick(256), pick(112));
      else {
        // Within L1 and the first L2 tables: any number, a number near the end of the file, or a bit.
        const at = tables + pick(Math.min(200, (file.length - tables) / 8)) * 8;
        const numbers = [
          BigInt(pick(2 ** 31)) << BigInt(pick(33)),
          BigInt(file.length + (pick(5) - 2) * 2 ** shape.clusterBits),
          file.readBigUInt64BE(at) ^ (1n << BigInt(pick(64))),
          2n ** 64n - 1n,
          (1n << 62n) | BigInt(pick(file.length)),
        ];
        file.writeBigUInt64BE(BigInt.asUintN(64, numbers[pick(numbers.length)] ?? 0n), at);
      }
    }
    const end = random() < 0.1 ? pick(file.length) : file.length;
    verdicts.add(await read(file.subarray(0, end), round % 8 === 0));
  }
  expect(performance.now() - begun).toBeLessThan(100_000);
  expect(process.memoryUsage.rss()).toBeLessThan(2 ** 30);
  expect([...verdicts]).toEqual(expect.arrayContaining(['fine', 'ImageCorrupt', 'Qcow2Unsupported']));
});

test('a walk through a million tables that are one can be stopped', { timeout: 60_000 }, async () => {
  const entries = 2 ** 20;
  const file = Buffer.alloc(1024 + entries * 8 + 512);
  sound({ clusterBits: 9, version: 3 }).copy(file, 0, 0, 1024);
  file.writeBigUInt64BE(BigInt(entries) * 32_768n, 24);
  file.writeUInt32BE(entries, 36);
  for (let entry = 0; entry < entries; entry++)
    file.writeBigUInt64BE(BigInt(file.length - 512), 1024 + entry * 8);
  const content = await openQcow2(memorySource(file));
  for (const walk of [
    async (signal: AbortSignal) => contentDigest(content, { signal }),
    async (signal: AbortSignal) => content.allocatedBytes({ signal }),
  ])
    await expect(walk(AbortSignal.timeout(50))).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(await content.allocatedBytes()).toBe(0);
});

function fail(): never {
  throw new Error('nothing to pick from');
}
