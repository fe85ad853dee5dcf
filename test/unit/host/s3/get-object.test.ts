import { createHash, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Interrupted } from '../../../../src/core/errors.ts';
import { type S3, openS3 } from '../../../../src/host/s3/client.ts';
import { type S3Object, getObject } from '../../../../src/host/s3/get-object.ts';
import { deleteObject } from '../../../../src/host/s3/objects.ts';
import { putObject } from '../../../../src/host/s3/put-object.ts';
import { type Drop, type DroppingProxy, droppingProxy } from '../../../support/dropping-proxy.ts';
import { BUCKET, type S3Server, s3Server } from '../../../support/s3-server.ts';

const MIB = 2 ** 20;
const place = { bucket: BUCKET, key: 'images/disk.raw' };
const bytes = randomBytes(3 * MIB);
const quick = { pauseMs: 5, idleTimeoutMs: 300 };

let server: S3Server;
let stopping: AbortController;
const cleanups: (() => Promise<void> | void)[] = [];

beforeAll(async () => (server = await s3Server()));
afterAll(async () => server.close());
beforeEach(async () => {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  stopping = new AbortController();
  await put(bytes);
  server.seen.length = 0;
});
afterEach(async () => {
  server.answer = undefined;
  server.knowsIfMatch = true;
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** On a busy host a second may pass until something is seen. */
const until = async (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 4000 });

async function open(endpoint = server.endpoint): Promise<S3> {
  const s3 = await openS3({ endpoint, signal: stopping.signal });
  cleanups.push(() => s3.close());
  return s3;
}

async function put(content: Buffer, metadata = {}): Promise<void> {
  await putObject(
    await open(),
    place,
    (async function* () {
      yield content;
    })(),
    { metadata },
  );
}

/** The store behind a proxy that loses connections. */
async function behind(drop: (connection: number) => Drop | undefined): Promise<DroppingProxy & { s3: S3 }> {
  const proxy = await droppingProxy(server.port, drop);
  cleanups.push(async () => proxy.close());
  const s3 = await open(`http://127.0.0.1:${proxy.port}`);
  return Object.assign(proxy, { s3 });
}

async function digestOf({ stream }: S3Object): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

const expected = createHash('sha256').update(bytes).digest('hex');

test('an object comes with its length, ETag and metadata', async () => {
  await put(bytes, { 'bonami-name': 'debian' });
  const object = await getObject(await open(), place);
  expect(object).toMatchObject({ length: bytes.length, metadata: { 'bonami-name': 'debian' } });
  expect(object.etag).toBe(createHash('md5').update(bytes).digest('hex'));
  expect(await digestOf(object)).toBe(expected);
});

test('an empty object is an empty stream', async () => {
  await put(Buffer.alloc(0));
  const object = await getObject(await open(), place);
  expect(object.length).toBe(0);
  expect(await text(object.stream)).toBe('');
});

test.each(['reset', 'end', 'silence'] as const)(
  'connections that are lost by %s are continued',
  async (how) => {
    const proxy = await behind((connection) => (connection < 4 ? { down: 700_000, how } : undefined));
    const object = await getObject(proxy.s3, place, how === 'silence' ? quick : { pauseMs: 5 });
    expect(await digestOf(object)).toBe(expected);
    // On a busy host there may be more silence than was asked for.
    expect(proxy.connections).toBeGreaterThanOrEqual(5);
    const [, ...others] = server.seen.map(({ headers }) => headers);
    expect(others).toHaveLength(proxy.connections - 1);
    for (const headers of others) {
      expect(headers['if-match']).toBe(`"${object.etag}"`);
      expect(headers['range']).toMatch(/^bytes=[1-9]\d+-$/);
    }
  },
);

test('a busy store is asked again', async () => {
  const proxy = await behind((connection) => (connection === 0 ? { down: 700_000 } : undefined));
  let refusals = 0;
  server.answer = ({ headers }) =>
    headers['range'] !== undefined && refusals++ < 2 ? 'SlowDown' : undefined;
  expect(await digestOf(await getObject(proxy.s3, place, quick))).toBe(expected);
  expect(refusals).toBeGreaterThan(2);
});

test('connections that bring nothing are given up', async () => {
  const proxy = await behind((connection) => (connection === 0 ? { down: 700_000 } : { up: 1 }));
  const object = await getObject(proxy.s3, place, { ...quick, pauseMs: 1 });
  await expect(digestOf(object)).rejects.toMatchObject({
    code: 'S3RequestFailed',
    message: expect.stringMatching(/broke off after \d+ of 3145728 bytes: ECONNRESET/),
    hint: 'try again',
  });
});

test.each([true, false])('an object that is replaced meanwhile is an error (If-Match: %s)', async (knows) => {
  server.knowsIfMatch = knows;
  const proxy = await behind((connection) => (connection === 0 ? { down: 700_000 } : undefined));
  const object = await getObject(proxy.s3, place, quick);
  await put(randomBytes(bytes.length));
  await expect(digestOf(object)).rejects.toMatchObject({ code: 'ObjectChanged', hint: 'try again' });
});

test('so are one that became shorter, and one that is gone', async () => {
  for (const [change, code] of [
    [async () => put(Buffer.from('short')), 'ObjectChanged'],
    [async () => deleteObject(await open(), place), 'NoSuchKey'],
  ] as const) {
    await put(bytes);
    const proxy = await behind((connection) => (connection === 0 ? { down: 700_000 } : undefined));
    const object = await getObject(proxy.s3, place, quick);
    await change();
    await expect(digestOf(object)).rejects.toMatchObject({ code });
  }
});

test('an interruption ends the stream with its reason, and a destroyed stream lets its connection go', async () => {
  const object = await getObject(await open(), place);
  const read = digestOf(object);
  stopping.abort(new Interrupted());
  await expect(read).rejects.toBeInstanceOf(Interrupted);

  stopping = new AbortController();
  const silent = await behind((connection) =>
    connection === 0 ? { down: 700_000, how: 'silence' } : undefined,
  );
  const { stream } = await getObject(silent.s3, place);
  stream.resume();
  await until(() => expect(stream.readableFlowing).toBe(true));
  stream.destroy();
  await until(() => expect(silent.open).toBe(0));
});

test('a slow reader loses nothing', async () => {
  const { stream } = await getObject(await open(), place, { idleTimeoutMs: 500 });
  const hash = createHash('sha256');
  let chunks = 0;
  for await (const chunk of stream) {
    hash.update(chunk as Buffer);
    if (chunks++ === 2) await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  expect(hash.digest('hex')).toBe(expected);
  expect(server.seen).toHaveLength(1);
});

test('a store that cannot continue in the middle says so', async () => {
  let requests = 0;
  const http = createServer((_request, response) => {
    response.writeHead(200, { etag: '"same"', 'content-length': 100 });
    response.write('x'.repeat(50));
    if (requests++ === 0) setTimeout(() => response.destroy(), 20);
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void http.close());
  const s3 = await open(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const { stream } = await getObject(s3, place, quick);
  await expect(text(stream)).rejects.toThrow(
    'broke off after 50 of 100 bytes, and the store cannot send the rest',
  );
  http.closeAllConnections();
});
