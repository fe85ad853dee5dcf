import { readdirSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { PartStorage } from '../../../../src/host/s3/part-storage.ts';
import { MAX_PARTS, PartSource, partSize } from '../../../../src/host/s3/parts.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const MIB = 2 ** 20;
const plan = { firstBytes: 10, firstParts: 2, partsPerSize: 2, maxBytes: 40 };

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

async function cut(source: AsyncIterable<Buffer>, storage = new PartStorage()): Promise<readonly string[]> {
  const parts = new PartSource(source, { signal: new AbortController().signal, plan });
  const all: string[] = [];
  for (let part = await parts.next(storage); part; part = await parts.next(storage)) {
    expect(part.number).toBe(all.length + 1);
    all.push((await buffer(storage.read())).toString());
    expect(part.size).toBe(all.at(-1)?.length);
    expect((await buffer(storage.read())).toString()).toBe(all.at(-1));
  }
  await parts.close();
  expect(parts.bytes).toBe(all.join('').length);
  return all;
}

test('10,000 parts hold 5 TiB, each within what stores allow, and the first 31 GiB fit into memory', () => {
  const sizes = Array.from({ length: MAX_PARTS }, (_, index) => partSize(index + 1));
  expect(Math.min(...sizes)).toBeGreaterThanOrEqual(5 * MIB);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(5 * 1024 * MIB);
  expect(sizes.reduce((sum, size) => sum + size)).toBeGreaterThan(5 * 1024 ** 2 * MIB);
  const small = sizes.filter((size) => size <= 8 * MIB).reduce((sum, size) => sum + size);
  expect(small).toBeGreaterThan(31 * 1024 * MIB);
});

test('a stream is cut into growing parts, and none is empty but that of an empty stream', async () => {
  expect(await cut(chunks())).toEqual(['']);
  expect(await cut(chunks('', 'abc', '', 'def'))).toEqual(['abcdef']);
  expect(await cut(chunks('0123456789'))).toEqual(['0123456789']);
  expect(await cut(chunks('0123456789', '', 'x'))).toEqual(['0123456789', 'x']);
  const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(8);
  const sizes = [10, 10, 20, 20, 40, 40, 40, 28];
  expect((await cut(chunks(text))).map((part) => part.length)).toEqual(sizes);
  expect((await cut(chunks(...text.split('')))).join('')).toBe(text);
});

test('large parts lie in a file without a name', async () => {
  using folder = temporaryFolder();
  const storage = new PartStorage({ spoolFolder: folder.path, inMemoryBytes: 10 });
  const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(8);
  expect((await cut(chunks(text), storage)).join('')).toBe(text);
  expect(readdirSync(folder.path)).toEqual([]);
  await storage.close();
});

test('an interruption does not wait for a silent source', async () => {
  const stopping = new AbortController();
  const silent = {
    [Symbol.asyncIterator]: () => ({ next: async () => new Promise<never>(() => undefined) }),
  };
  const parts = new PartSource(silent, { signal: stopping.signal, plan });
  const next = parts.next(new PartStorage());
  stopping.abort(new Error('enough'));
  await expect(next).rejects.toThrow('enough');
  await parts.close();
});

test('more parts than a store takes are an error', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) yield Buffer.from('0123456789');
  }
  const tiny = { firstBytes: 1, firstParts: MAX_PARTS, partsPerSize: 1, maxBytes: 1 };
  const parts = new PartSource(endless(), { signal: new AbortController().signal, plan: tiny });
  const storage = new PartStorage();
  for (let number = 1; number <= MAX_PARTS; number++) await parts.next(storage);
  await expect(parts.next(storage)).rejects.toMatchObject({ code: 'ObjectTooLarge' });
});
