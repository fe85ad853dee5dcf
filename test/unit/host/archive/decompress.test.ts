import { setTimeout as sleep } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type DecompressOptions, decompress } from '../../../../src/host/archive/decompress.ts';
import { type CompressionKind, isTar, recogniseCompression } from '../../../../src/host/archive/recognise.ts';
import { peek } from '../../../../src/host/archive/peek.ts';
import { closed } from '../../../../src/host/streams.ts';
import { unwrap } from '../../../../src/host/archive/unwrap.ts';
import { bytesOf, inPieces, isAlive, noise, tar, through } from '../../../support/archives.ts';

// Real programs and thousands of rounds, on a host that may have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const KINDS = ['gzip', 'xz', 'zstd', 'bzip2'] as const;
const DATA = Buffer.concat([noise(300_000), Buffer.alloc(200_000), Buffer.from('the end')]);

const packed = Object.fromEntries(KINDS.map((kind) => [kind, through(DATA, kind, '-c')])) as Record<
  CompressionKind,
  Buffer
>;

/** More than any of the programs reads before it writes. */
const begun = Object.fromEntries(
  KINDS.map((kind) => [kind, through(noise(1_200_000), kind, '-c').subarray(0, 1_000_000)]),
) as Record<CompressionKind, Buffer>;

/** Every program that a test starts; none may be left when it is over. */
const pids: number[] = [];
afterEach(() => {
  const left = pids.splice(0).filter(isAlive);
  if (left.length > 0) throw new Error(`still running: ${left.join(', ')}`);
});

function unpack(source: Readable, kind: CompressionKind, options: DecompressOptions = {}): Readable {
  return decompress(source, kind, { onSpawn: (pid) => pids.push(pid), ...options });
}

describe.each(KINDS)('%s', (kind) => {
  test('is recognised, and unpacked to what it was', async () => {
    expect(recogniseCompression(packed[kind].subarray(0, 512))).toBe(kind);
    expect((await bytesOf(unpack(inPieces(packed[kind]), kind))).equals(DATA)).toBe(true);
    expect(pids).toHaveLength(1);
  });

  test('may be several streams in one', async () => {
    const twice = Buffer.concat([packed[kind], packed[kind]]);
    const unpacked = await bytesOf(unpack(inPieces(twice), kind));
    expect(unpacked.equals(Buffer.concat([DATA, DATA]))).toBe(true);
  });

  test('that ends too soon is never taken for whole', async () => {
    const whole = packed[kind];
    const cuts = [0, 1, 4, 5, 9, 11, 20, 100, 4096, whole.length >> 1, whole.length - 20];
    for (const cut of [...cuts, ...[9, 8, 5, 4, 3, 2, 1].map((left) => whole.length - left)])
      await expect(bytesOf(unpack(inPieces(whole.subarray(0, cut)), kind))).rejects.toMatchObject(
        cut < 12
          ? { code: 'ImageCorrupt' }
          : { code: 'ImageCorrupt', message: `the ${kind} data ends too soon` },
      );
  });

  test('that is followed by something else is refused', async () => {
    for (const garbage of ['x', 'garbage', 'garbage, and a lot of it'.repeat(10_000), '\x1f\x8b', 'BZh9']) {
      const followed = Buffer.concat([packed[kind], Buffer.from(garbage)]);
      await expect(bytesOf(unpack(inPieces(followed), kind))).rejects.toMatchObject({
        code: 'ImageCorrupt',
        message: expect.stringMatching(/is followed by something else|ends too soon|is damaged/),
      });
    }
  });

  test('that is damaged is refused', async () => {
    const damaged = Buffer.from(packed[kind]);
    damaged.fill(0x55, damaged.length >> 1, (damaged.length >> 1) + 100);
    await expect(bytesOf(unpack(inPieces(damaged), kind))).rejects.toMatchObject({
      code: 'ImageCorrupt',
      message: `the ${kind} data is damaged`,
      details: [expect.stringMatching(/./)],
    });
  });

  test('that is something else is refused', async () => {
    await expect(bytesOf(unpack(inPieces(noise(5000)), kind))).rejects.toMatchObject({
      code: 'ImageCorrupt',
    });
  });

  test('that becomes too large is refused at the limit', async () => {
    const zeros = through(Buffer.alloc(20 << 20), kind, '-c');
    const stream = unpack(inPieces(zeros), kind, { limits: { maxBytes: 1 << 20 } });
    let seen = 0;
    await expect(
      (async () => {
        for await (const piece of stream) seen += (piece as Buffer).length;
      })(),
    ).rejects.toMatchObject({
      code: 'CompressionBomb',
      message: `the ${kind} data becomes more than 1048576 bytes when unpacked`,
    });
    expect(seen).toBeLessThanOrEqual(1 << 20);
  });

  test('whose program is killed is an error', async () => {
    const source = new PassThrough();
    source.write(begun[kind]);
    const stream = unpack(source, kind, { onSpawn: (pid) => pids.push(pid) && process.kill(pid, 'SIGKILL') });
    await expect(bytesOf(stream)).rejects.toMatchObject({
      code: 'CommandFailed',
      message: `${kind} was ended by SIGKILL`,
    });
    expect(source.destroyed).toBe(true);
  });
});

describe('the ratio', () => {
  test('does not count zeros: an empty disk passes, whatever it is compressed with', async () => {
    for (const kind of ['zstd', 'bzip2'] as const) {
      const empty = through(Buffer.alloc(64 << 20), kind, '-c');
      expect((64 << 20) / empty.length).toBeGreaterThan(10_000);
      let length = 0;
      for await (const piece of unpack(inPieces(empty), kind, { limits: { freeBytes: 0, maxRatio: 2 } }))
        length += (piece as Buffer).length;
      expect(length).toBe(64 << 20);
    }
  });

  test('counts everything else', async () => {
    const bomb = through(Buffer.alloc(70 << 20, 'a'), 'zstd', '-c');
    await expect(unpack(inPieces(bomb), 'zstd').resume().toArray()).rejects.toMatchObject({
      code: 'CompressionBomb',
      message: 'the zstd data becomes more than 200 times as large when unpacked, zeros not counted',
      hint: expect.stringContaining('unpack it yourself'),
    });
  });

  test('is not asked for what every disk has room for', async () => {
    const small = through(Buffer.alloc(10 << 20, 'a'), 'xz', '-c');
    expect(await bytesOf(unpack(inPieces(small), 'xz'))).toHaveLength(10 << 20);
  });

  test('is told as it grows', async () => {
    let last = { read: 0, produced: 0, written: 0 };
    const stream = unpack(inPieces(packed.gzip), 'gzip', { onProgress: (passed) => (last = passed) });
    await bytesOf(stream);
    expect(last).toMatchObject({ read: packed.gzip.length, produced: DATA.length });
    expect(last.written).toBeGreaterThanOrEqual(300_000);
    expect(last.written).toBeLessThan(310_000);
  });
});

describe('ending early', () => {
  test('abort ends the program and is the error', async () => {
    const controller = new AbortController();
    const source = new PassThrough();
    source.write(begun.gzip);
    const stream = unpack(source, 'gzip', { signal: controller.signal });
    const reason = new Error('enough');
    stream.once('data', () => controller.abort(reason));
    await expect(bytesOf(stream)).rejects.toBe(reason);
    expect(source.destroyed).toBe(true);
  });

  test('nothing is started once the signal is aborted', async () => {
    const stream = unpack(inPieces(packed.gzip), 'gzip', { signal: AbortSignal.abort(new Error('before')) });
    await expect(bytesOf(stream)).rejects.toThrow('before');
    expect(pids).toEqual([]);
  });

  test('a reader that goes away ends the program', async () => {
    const source = new PassThrough();
    source.write(begun.xz);
    const stream = unpack(source, 'xz');
    for await (const piece of stream) {
      expect((piece as Buffer).length).toBeGreaterThan(0);
      break;
    }
    await closed(stream);
    expect(source.destroyed).toBe(true);
  });

  test("the source's error is the error", async () => {
    const source = new PassThrough();
    const stream = unpack(source, 'zstd');
    source.write(packed.zstd.subarray(0, 1000));
    setTimeout(() => source.destroy(new Error('the line is dead')), 20);
    await expect(bytesOf(stream)).rejects.toThrow('the line is dead');
  });

  test('a source that has failed already, or fails at once, is the error', async () => {
    const failed = new PassThrough();
    failed.on('error', () => {}).destroy(new Error('gone before'));
    await expect(bytesOf(unpack(failed, 'gzip'))).rejects.toThrow('gone before');
    const failing = new PassThrough();
    const stream = unpack(failing, 'gzip');
    failing.destroy(new Error('gone at once'));
    await expect(bytesOf(stream)).rejects.toThrow('gone at once');
  });
});

test('the program is confined', async () => {
  const source = new PassThrough();
  source.write(begun.gzip);
  const stream = unpack(source, 'gzip');
  await once(stream, 'readable');
  const [pid] = pids;
  const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, 'utf8');
  expect(read('cmdline').split('\0')[0]).toMatch(/gzip$/);
  expect(read('status')).toMatch(/^NoNewPrivs:\s*1$/m);
  expect(read('status')).toMatch(/^CapEff:\s*0+$/m);
  expect(read('limits')).toMatch(/^Max file size\s+0\s+0/m);
  expect(read('limits')).toMatch(/^Max address space\s+2147483648\s/m);
  expect(read('limits')).toMatch(/^Max cpu time\s+14400\s/m);
  expect(read('environ')).not.toContain('HOME=');
  expect(read('status')).not.toMatch(/^Uid:.*\b0\b/m);
  await closed(stream);
});

test('the program ends with us', async () => {
  const script = `
    import { PassThrough } from 'node:stream';
    import { decompress } from '${import.meta.dirname}/../../../../src/host/archive/decompress.ts';
    decompress(new PassThrough(), 'xz', { onSpawn: (pid) => console.log(pid) }).resume();
  `;
  const parent = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout.setEncoding('utf8'), 'data')) as [string];
  const pid = Number(line);
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  for (let tries = 0; isAlive(pid) && tries < 100; tries++) await sleep(20);
  expect(isAlive(pid)).toBe(false);
});

describe('a long stream', () => {
  const total = 300 << 20;
  const piece = noise(1 << 20);
  let taken: number;
  function* pieces(): Generator<Buffer> {
    for (taken = 0; taken < total; taken += piece.length) yield piece;
  }

  function unpackPacked(): Readable {
    const zstd = spawn('zstd', ['-1', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] });
    // Ends with a broken pipe when nobody reads on.
    pipeline(Readable.from(pieces(), { objectMode: false }), zstd.stdin).catch(() => {});
    return unpack(zstd.stdout, 'zstd');
  }

  test('takes no more memory than a short one', async () => {
    const before = process.memoryUsage().rss;
    let [length, highest] = [0, 0];
    for await (const chunk of unpackPacked()) {
      length += (chunk as Buffer).length;
      highest = Math.max(highest, process.memoryUsage().rss);
    }
    expect(length).toBe(total);
    expect(highest - before).toBeLessThan(100 << 20);
  });

  test('waits for its reader', async () => {
    const stream = unpackPacked();
    await once(stream, 'readable');
    await sleep(500);
    expect(taken).toBeLessThan(40 << 20);
    await closed(stream);
  });
});

test.each([
  // One letter each, with a dictionary of 256 MiB and a window of 512 MiB.
  ['xz', '/Td6WFoAAATm1rRGAgAhASAAAAAJiKV2AQAAeAAAAABFru+D+O4WCgABGQGlLIHMH7bzfQEAAAAABFla'],
  ['zstd', 'KLUv/QCYCQAAeA=='],
] as const)('%s data that needs too much memory is refused as that', async (kind, base64) => {
  await expect(bytesOf(unpack(inPieces(Buffer.from(base64, 'base64')), kind))).rejects.toMatchObject({
    code: 'CompressionRefused',
    message: `the ${kind} data needs too much memory to be unpacked`,
  });
});

describe('unwrapping', () => {
  test('finds what is in a file by its bytes', async () => {
    const archive = tar({ name: 'a', content: 'b' });
    const { layers, head, content } = await unwrap(
      inPieces(through(through(archive, 'xz', '-c'), 'gzip', '-c')),
      {
        onSpawn: (pid) => pids.push(pid),
      },
    );
    expect(layers).toEqual(['gzip', 'xz']);
    expect(isTar(head)).toBe(true);
    expect(await bytesOf(content)).toEqual(archive);
    expect(pids).toHaveLength(2);
  });

  test('leaves other files alone, however short', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from('x'), noise(511), noise(512), noise(100_000)]) {
      const { layers, head, content } = await unwrap(inPieces(bytes, 100));
      expect(layers).toEqual([]);
      expect(head).toEqual(bytes.subarray(0, 512));
      expect((await bytesOf(content)).equals(bytes)).toBe(true);
    }
  });

  test('waits in peace for a source that gives little at a time', async () => {
    const source = new PassThrough();
    const found = unwrap(source);
    for (const byte of noise(600)) {
      source.write(Buffer.of(byte));
      // Input can arrive only when nothing keeps the loop of events busy.
      await sleep(0);
    }
    expect((await found).head.equals(noise(512))).toBe(true);
    source.end();
    expect((await bytesOf((await found).content)).equals(noise(600))).toBe(true);
  });

  test('refuses a third layer', async () => {
    const thrice = KINDS.slice(0, 3).reduce<Buffer>((bytes, kind) => through(bytes, kind, '-c'), DATA);
    const source = inPieces(thrice);
    await expect(unwrap(source, { onSpawn: (pid) => pids.push(pid) })).rejects.toMatchObject({
      code: 'ArchiveHostile',
      message: 'the file is compressed more than 2 times over (zstd around xz around gzip)',
    });
    expect(pids).toHaveLength(2);
    expect(source.destroyed).toBe(true);
  });

  test('throws what the source throws', async () => {
    const source = new PassThrough();
    setTimeout(() => source.destroy(new Error('gone')), 10);
    await expect(unwrap(source)).rejects.toThrow('gone');
    await expect(peek(new PassThrough().destroy(), 10)).rejects.toThrow('closed before its end');
    await expect(unwrap(inPieces(packed.xz.subarray(0, 20)))).rejects.toMatchObject({ code: 'ImageCorrupt' });
  });
});

test('text that begins like bzip2 is not taken for it', () => {
  expect(recogniseCompression(Buffer.from('BZh9 is how it begins'))).toBeUndefined();
  expect(recogniseCompression(through(Buffer.alloc(0), 'bzip2', '-c'))).toBe('bzip2');
  expect(recogniseCompression(Buffer.alloc(0))).toBeUndefined();
});
