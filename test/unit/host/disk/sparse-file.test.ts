import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { copyWithDigest } from '../../../../src/host/disk/copy-with-digest.ts';
import { writeSparse } from '../../../../src/host/disk/sparse-file.ts';
import { generator } from '../../../support/random.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const MIB = 2 ** 20;

/** Bytes with data at the beginning, in the middle and at the end, and zeros between. */
function holey(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (const [start, end] of [
    [0, 1000],
    [5 * MIB + 3, 5 * MIB + 200_000],
    [length - 5, length],
  ] as const)
    bytes.fill(0xa5, Math.max(0, Math.min(start, length)), Math.min(end, length));
  return bytes;
}

async function* inPieces(bytes: Buffer, seed: number): AsyncGenerator<Buffer> {
  const random = generator(seed);
  for (let at = 0; at < bytes.length;) {
    const end = at + Math.ceil(random() * 3 * MIB);
    yield bytes.subarray(at, end);
    at = end;
  }
}

const LENGTHS = [0, 1, 512, 65536, MIB, MIB + 1, 2 * MIB, 9 * MIB, 23 * MIB + 777];

describe('a sparse file', () => {
  test.each(LENGTHS)('of %d bytes holds what came, and no zeros', async (length) => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'file');
    const bytes = holey(length);
    await writeSparse(path, inPieces(bytes, length));
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(statSync(path).blocks * 512).toBeLessThan(MIB);
  });

  test('may end with a hole', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'file');
    const bytes = Buffer.concat([Buffer.from('beginning'), Buffer.alloc(3 * MIB)]);
    await writeSparse(path, inPieces(bytes, 1));
    expect(readFileSync(path).equals(bytes)).toBe(true);
  });

  test('fails with what its bytes fail with', async () => {
    using folder = temporaryFolder();
    const failing = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.alloc(2 * MIB, 1);
      throw new Error('no more');
    };
    await expect(writeSparse(join(folder.path, 'file'), failing())).rejects.toThrow('no more');
  });
});

describe('a copy with a digest', () => {
  test.each(LENGTHS)('of %d bytes is the same, without its zeros', async (length) => {
    using folder = temporaryFolder();
    const [from, to] = [join(folder.path, 'from'), join(folder.path, 'to')];
    const bytes = holey(length);
    writeFileSync(from, bytes);
    let last = 0;
    const digest = await copyWithDigest(from, to, {
      onProgress: (done) => {
        last = done;
      },
    });
    expect(digest).toBe(`sha256:${createHash('sha256').update(bytes).digest('hex')}`);
    expect(last).toBe(length);
    expect(readFileSync(to).equals(bytes)).toBe(true);
    expect(statSync(to).blocks * 512).toBeLessThan(MIB);
  });

  test('ends when it is interrupted', async () => {
    using folder = temporaryFolder();
    const from = join(folder.path, 'from');
    writeFileSync(from, holey(23 * MIB));
    const interrupt = new AbortController();
    const copying = copyWithDigest(from, join(folder.path, 'to'), {
      signal: interrupt.signal,
      onProgress: () => interrupt.abort(new Error('enough')),
    });
    await expect(copying).rejects.toThrow('enough');
  });
});
