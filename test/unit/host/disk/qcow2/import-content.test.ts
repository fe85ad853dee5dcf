import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { contentDigest } from '../../../../../src/host/disk/qcow2/content-digest.ts';
import { importContent } from '../../../../../src/host/disk/qcow2/import-content.ts';
import { openRaw } from '../../../../../src/host/disk/qcow2/raw.ts';
import {
  MAX,
  generator,
  hasQemuImg,
  importFile,
  memorySource,
  noise,
  qemuImg,
  qemuIo,
  requireSame,
  withContent,
} from '../../../../support/qcow2.ts';

const MIB = 2 ** 20;

let folder: string;
let to: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-import-'));
  to = join(folder, 'stored.qcow2');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Data, holes and ends of every alignment that a chunk, a block or a sector can have. */
function mixedDisk(size: number): Buffer {
  const disk = Buffer.alloc(size);
  const random = generator(size);
  for (let at = 0; at < size;) {
    const length = Math.ceil(random() ** 4 * 5 * MIB);
    if (random() < 0.5) noise(Math.min(length, size - at), length).copy(disk, at);
    at += length;
  }
  return disk;
}

async function* inPieces(bytes: Buffer, seed: number): AsyncGenerator<Uint8Array> {
  const random = generator(seed);
  for (let at = 0; at < bytes.length;) {
    const length = Math.floor(random() ** 6 * 6 * MIB);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** The digest as it is defined, without the code that computes it. */
function definedDigest(disk: Buffer): string {
  const hash = createHash('sha256');
  const padded = Buffer.concat([disk, Buffer.alloc(65536)]);
  const number = (value: number): Buffer => Buffer.from(value.toString(16).padStart(16, '0'), 'hex');
  for (let index = 0; index * 65536 < disk.length; index++) {
    const block = padded.subarray(index * 65536, (index + 1) * 65536);
    if (!block.equals(Buffer.alloc(65536))) hash.update(number(index)).update(block);
  }
  return `content-sha256:${hash.update(number(disk.length)).digest('hex')}`;
}

describe.skipIf(!hasQemuImg)('a raw disk becomes the same disk in qcow2', { timeout: 60_000 }, () => {
  test.each([
    ['one byte', noise(1)],
    ['one sector', noise(512)],
    ['less than a cluster', noise(65_000)],
    ['a cluster', noise(65_536)],
    ['a cluster and a byte', noise(65_537)],
    ['a chunk', noise(2 * MIB)],
    ['zeros', Buffer.alloc(3 * MIB)],
    ['zeros and a last byte', Buffer.concat([Buffer.alloc(5 * MIB + 7), Buffer.from('x')])],
    ['random bytes', noise(9 * MIB)],
    ['data and holes', mixedDisk(40 * MIB + 1000)],
  ])('%s', async (_name, disk) => {
    const raw = join(folder, 'raw');
    writeFileSync(raw, disk);
    const { digest, virtualSize } = await importFile(raw, 'raw', to);
    const padded = Buffer.concat([disk, Buffer.alloc(Math.ceil(disk.length / 512) * 512 - disk.length)]);
    expect(virtualSize).toBe(padded.length);
    expect(digest).toBe(definedDigest(padded));
    requireSame(to, raw, 'raw');
    expect(statSync(to).mode & 0o777).toBe(0o600);

    const streamed = join(folder, 'streamed.qcow2');
    const stream = inPieces(disk, disk.length);
    expect(await importContent({ stream, to: streamed, maxVirtualSize: MAX })).toEqual({
      digest,
      virtualSize,
    });
    expect(readFileSync(streamed).equals(readFileSync(to))).toBe(true);
  });
});

describe.skipIf(!hasQemuImg)('one disk has one digest and one file', { timeout: 60_000 }, () => {
  test('whatever format and layout it comes in', async () => {
    const disk = mixedDisk(12 * MIB);
    const raw = join(folder, 'raw');
    writeFileSync(raw, disk);
    const { digest } = await importFile(raw, 'raw', to);
    const options = [
      ['-o', 'cluster_size=512'],
      ['-o', 'cluster_size=4k,compat=0.10'],
      ['-o', 'cluster_size=2M'],
      ['-o', 'preallocation=full'],
      ['-c'],
      ['-c', '-o', 'cluster_size=16k'],
      ['-S', '0'],
    ];
    for (const [index, option] of options.entries()) {
      const other = join(folder, `${index}.qcow2`);
      const stored = join(folder, `${index}.stored`);
      qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...option, raw, other);
      expect(await importFile(other, 'qcow2', stored)).toEqual({ digest, virtualSize: disk.length });
      expect(readFileSync(stored).equals(readFileSync(to))).toBe(true);
    }
    expect(await withContent(to, 'qcow2', async (content) => contentDigest(content))).toBe(digest);
  });

  test('another disk has another', async () => {
    const digestOf = async (disk: Buffer): Promise<string> => contentDigest(openRaw(memorySource(disk)));
    const some = [
      Buffer.alloc(65536),
      Buffer.alloc(131072),
      Buffer.alloc(65536, 1),
      Buffer.concat([Buffer.alloc(65536, 1), Buffer.alloc(65536)]),
      Buffer.concat([Buffer.alloc(65536), Buffer.alloc(65536, 1)]),
      Buffer.alloc(131072, 1),
    ];
    expect(new Set(await Promise.all(some.map(digestOf))).size).toBe(some.length);
  });

  test('the definition holds for ever', async () => {
    const disk = Buffer.alloc(3 * 65536 + 512);
    disk.write('bonami', 65536);
    disk.write('mon ami', 3 * 65536);
    expect(await contentDigest(openRaw(memorySource(disk)))).toBe(definedDigest(disk));
    expect(definedDigest(disk)).toBe(
      'content-sha256:1648706d3d32f6774d1b2e5792c27cf18ce8da66942522e4ea25adf66e1b413e',
    );
  });
});

describe('a huge disk with data at both ends', { timeout: 60_000 }, () => {
  const SIZE = 2 ** 40;

  test.skipIf(!hasQemuImg)('in qcow2', async () => {
    const disk = join(folder, 'huge.qcow2');
    qemuImg('create', '-q', '-f', 'qcow2', disk, `${SIZE}`);
    qemuIo(disk, 'write -P 1 0 1M', `write -P 2 ${SIZE - MIB} 1M`);
    const begun = performance.now();
    await importFile(disk, 'qcow2', to);
    expect(performance.now() - begun).toBeLessThan(5000);
    requireSame(to, disk, 'qcow2');
    expect(statSync(to).size).toBeLessThan(3 * MIB);
  });

  test.skipIf(!hasQemuImg)('in a sparse raw file', async () => {
    const disk = join(folder, 'huge.raw');
    const file = openSync(disk, 'w');
    writeSync(file, noise(MIB), 0, MIB, 0);
    writeSync(file, noise(MIB), 0, MIB, SIZE - MIB);
    closeSync(file);
    const begun = performance.now();
    await importFile(disk, 'raw', to);
    expect(performance.now() - begun).toBeLessThan(5000);
    requireSame(to, disk, 'raw');
  });
});

describe('what goes wrong', () => {
  const raw = (disk: Buffer) => openRaw(memorySource(disk));

  test('a disk larger than allowed is refused before anything is made', async () => {
    const request = { content: raw(noise(2 * MIB)), to, maxVirtualSize: MIB };
    await expect(importContent(request)).rejects.toMatchObject({ code: 'ImageTooLarge' });
    expect(existsSync(to)).toBe(false);
  });

  test('a stream is not read beyond what is allowed', async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        given += 65536;
        yield Buffer.alloc(65536, 1);
      }
    }
    await expect(importContent({ stream: endless(), to, maxVirtualSize: MIB })).rejects.toMatchObject({
      code: 'ImageTooLarge',
    });
    expect(given).toBe(MIB + 65536);
    expect(looksLikeDisk()).toBe(false);
  });

  test('a stream of nothing is no disk', async () => {
    const request = { stream: inPieces(Buffer.alloc(0), 1), to, maxVirtualSize: MIB };
    await expect(importContent(request)).rejects.toMatchObject({ code: 'ImageCorrupt' });
    expect(looksLikeDisk()).toBe(false);
  });

  test("a stream's own error is what comes out", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield noise(5 * MIB);
      throw new Error('connection reset');
    }
    await expect(importContent({ stream: broken(), to, maxVirtualSize: MAX })).rejects.toThrow(
      'connection reset',
    );
    expect(looksLikeDisk()).toBe(false);
  });

  test('a file that is there is not written to', async () => {
    writeFileSync(to, 'precious');
    const request = { content: raw(noise(MIB)), to, maxVirtualSize: MAX };
    await expect(importContent(request)).rejects.toMatchObject({ code: 'EEXIST' });
    expect(readFileSync(to, 'utf8')).toBe('precious');
  });

  test.skipIf(!existsSync('/dev/full'))('a full disk names its folder', async () => {
    const failing = { ...raw(noise(MIB)), readInto: async () => Promise.reject(full()) };
    const full = (): Error => Object.assign(new Error('write'), { code: 'ENOSPC' });
    await expect(importContent({ content: failing, to, maxVirtualSize: MAX })).rejects.toMatchObject({
      code: 'NoSpace',
      message: expect.stringContaining(folder),
    });
    expect(looksLikeDisk()).toBe(false);
  });

  test('a source that shrinks while it is read is an error', async () => {
    const path = join(folder, 'raw');
    writeFileSync(path, noise(16 * MIB));
    await withContent(path, 'raw', async (content) => {
      truncateSync(path, 3 * MIB);
      await expect(importContent({ content, to, maxVirtualSize: MAX })).rejects.toMatchObject({
        code: 'ImageCorrupt',
      });
    });
    expect(looksLikeDisk()).toBe(false);
  });

  test('an end at any moment leaves nothing that looks like a disk', async () => {
    const disk = noise(12 * MIB);
    for (let at = 0; at <= 7; at++) {
      const controller = new AbortController();
      let steps = 0;
      const request = {
        to,
        maxVirtualSize: MAX,
        signal: controller.signal,
        onProgress: () => ++steps === at && controller.abort(),
        ...(at % 2 === 0 ? { content: raw(disk) } : { stream: inPieces(disk, at) }),
      };
      if (at === 0) controller.abort();
      const ending = importContent(request);
      if (at === 7) controller.abort();
      await expect(ending).rejects.toMatchObject({ name: 'AbortError' });
      expect(looksLikeDisk()).toBe(false);
      rmSync(to, { force: true });
    }
  });

  test('an end while a stream says nothing is an end at once', async () => {
    const controller = new AbortController();
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield noise(MIB);
      setImmediate(() => controller.abort());
      await new Promise(() => undefined);
    }
    const request = { stream: silent(), to, maxVirtualSize: MAX, signal: controller.signal };
    await expect(importContent(request)).rejects.toMatchObject({ name: 'AbortError' });
    expect(looksLikeDisk()).toBe(false);
  });

  function looksLikeDisk(): boolean {
    return existsSync(to) && readFileSync(to).subarray(0, 4).toString('latin1') === 'QFI\xfb';
  }
});

test('progress grows up to the size', async () => {
  const seen: number[] = [];
  const content = openRaw(memorySource(noise(9 * MIB + 100)));
  await importContent({ content, to, maxVirtualSize: MAX, onProgress: (done) => seen.push(done) });
  expect(seen).toEqual([...seen].toSorted((a, b) => a - b));
  expect(seen.at(-1)).toBe(9 * MIB + 512);
});
