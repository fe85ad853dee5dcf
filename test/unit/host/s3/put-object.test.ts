import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { once } from 'node:events';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { Interrupted } from '../../../../src/core/errors.ts';
import { type S3, openS3 } from '../../../../src/host/s3/client.ts';
import { getObject } from '../../../../src/host/s3/get-object.ts';
import { headObject, listObjects } from '../../../../src/host/s3/objects.ts';
import { type PutOptions, putObject } from '../../../../src/host/s3/put-object.ts';
import { type Drop, droppingProxy } from '../../../support/dropping-proxy.ts';
import { BUCKET, type S3Server, s3Server } from '../../../support/s3-server.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const MIB = 2 ** 20;
const CHILD = fileURLToPath(new URL('../../../support/put-child.ts', import.meta.url));
const place = { bucket: BUCKET, key: 'images/disk.raw' };
/** Parts of 64, 64, 128, 128, 256, 256 … KiB. */
const plan = { firstBytes: 65_536, firstParts: 2, partsPerSize: 2, maxBytes: 262_144 };
const bytes = randomBytes(2 * MIB + 17);
const md5 = (content: Buffer): string => createHash('md5').update(content).digest('hex');
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

let server: S3Server;
let stopping: AbortController;
const cleanups: (() => Promise<void> | void)[] = [];

beforeAll(async () => (server = await s3Server()));
afterAll(async () => server.close());
beforeEach(() => {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  stopping = new AbortController();
  server.seen.length = 0;
});
afterEach(async () => {
  server.answer = undefined;
  vi.unstubAllEnvs();
  for (const cleanup of cleanups.splice(0)) await cleanup();
  if (server.uploads().length > 0) throw new Error('an upload was left behind');
});

/** On a busy host a second may pass until something is seen. */
const until = async (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 4000 });

async function open(endpoint = server.endpoint): Promise<S3> {
  const s3 = await openS3({ endpoint, signal: stopping.signal });
  cleanups.push(() => s3.close());
  return s3;
}

async function behind(drop: (connection: number) => Drop | undefined): Promise<S3> {
  const proxy = await droppingProxy(server.port, drop);
  cleanups.push(async () => proxy.close());
  return open(`http://127.0.0.1:${proxy.port}`);
}

async function* inChunks(content: Buffer, size = 10_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.length; at += size) yield content.subarray(at, at + size);
}

async function put(s3: S3, content: Buffer, options: PutOptions = {}): ReturnType<typeof putObject> {
  return putObject(s3, place, inChunks(content), { pauseMs: 5, ...options });
}

/** The digest of what the store has. */
async function stored(key = place.key): Promise<string> {
  return sha256(await buffer((await getObject(await open(), { bucket: BUCKET, key })).stream));
}

const partsSeen = (): readonly (string | null)[] =>
  server.seen.map(({ url }) => new URL(url, 'http://s3').searchParams.get('partNumber')).filter(Boolean);

test.each([0, 1, 65_536])('an object of %i bytes is one request with its digest', async (size) => {
  const content = bytes.subarray(0, size);
  const done: number[] = [];
  const metadata = { 'bonami-name': 'debian' };
  const options = { plan, metadata, contentType: 'text/plain', onProgress: (n: number) => done.push(n) };
  const result = await put(await open(), content, options);
  expect(result).toEqual({ etag: md5(content), bytes: size, sha256: sha256(content) });
  expect(server.seen).toHaveLength(1);
  const digest = Buffer.from(md5(content), 'hex').toString('base64');
  expect(server.seen[0]?.headers).toMatchObject({ 'content-md5': digest, 'content-length': String(size) });
  expect(server.seen[0]?.headers['authorization']).toContain('content-md5;');
  expect(done).toEqual([size]);
  expect(await headObject(await open(), place)).toMatchObject({ contentType: 'text/plain', metadata });
  expect(await stored()).toBe(sha256(content));
});

test.each([undefined, 100_000])('a longer one goes in parts (memory for %s bytes)', async (inMemoryBytes) => {
  using folder = temporaryFolder();
  const done: number[] = [];
  const spool = { spoolFolder: folder.path, inMemoryBytes };
  const onProgress = (n: number): number => done.push(n);
  const metadata = { 'bonami-name': 'debian' };
  const result = await put(await open(), bytes, { plan, metadata, onProgress, ...spool });
  expect(result).toMatchObject({ bytes: bytes.length, sha256: sha256(bytes) });
  expect(await stored()).toBe(sha256(bytes));
  const head = await headObject(await open(), place);
  expect(head).toMatchObject({ etag: result.etag, length: bytes.length, metadata });
  expect(partsSeen().length).toBe(11);
  expect(done.at(-1)).toBe(bytes.length);
  expect(done).toEqual(done.toSorted((a, b) => a - b));
  expect(readdirSync(folder.path)).toEqual([]);
  for (const { headers } of server.seen.filter(({ url }) => url.includes('partNumber')))
    expect(headers['content-md5']).toMatch(/^[\w+/]{22}==$/);
});

test('parts whose connection breaks are sent again', async () => {
  const s3 = await behind((connection) => (connection % 2 === 1 ? { up: 100_000 } : undefined));
  const result = await put(s3, bytes, { plan });
  expect(result.sha256).toBe(sha256(bytes));
  expect(await stored()).toBe(sha256(bytes));
  const s3b = await behind((connection) => (connection === 0 ? { up: 30_000 } : undefined));
  await put(s3b, bytes.subarray(0, 50_000), { plan });
  expect(await stored()).toBe(sha256(bytes.subarray(0, 50_000)));
});

test('a busy store is asked again', async () => {
  let refusals = 0;
  server.answer = ({ url }) => (url.includes('partNumber=3&') && refusals++ < 3 ? 'SlowDown' : undefined);
  await put(await open(), bytes, { plan });
  expect(refusals).toBe(4);
  expect(await stored()).toBe(sha256(bytes));
});

test.each([
  ['AccessDenied', 'AccessDenied', 1],
  ['InternalError', 'S3RequestFailed', 6],
])('a part that fails with %s ends the upload and leaves nothing', async (answer, code, attempts) => {
  server.answer = ({ url }) => (url.includes('partNumber=4&') ? answer : undefined);
  await expect(put(await open(), bytes, { plan })).rejects.toMatchObject({ code });
  expect(partsSeen().filter((number) => number === '4')).toHaveLength(attempts);
  expect(server.seen.some(({ method }) => method === 'DELETE')).toBe(true);
});

test('a store that does not answer any more: the error says what stays, and how to remove it', async () => {
  server.answer = ({ url, method }) =>
    url.includes('partNumber=4&') || method === 'DELETE' ? 'AccessDenied' : undefined;
  const error = await put(await open(), bytes, { plan }).catch((failure: unknown) => failure);
  const [id] = server.uploads();
  server.answer = undefined;
  expect(error).toMatchObject({
    code: 'AccessDenied',
    details: [
      expect.stringContaining('could not be removed'),
      `aws s3api abort-multipart-upload --endpoint-url ${server.endpoint} --bucket ${BUCKET} ` +
        `--key 'images/disk.raw' --upload-id '${id}'`,
    ],
  });
  const s3 = await open();
  const upload = { Bucket: place.bucket, Key: place.key, UploadId: id };
  await s3.client.send(new s3.sdk.AbortMultipartUploadCommand(upload));
});

/** Endless bytes; then, if it is said, silence. Knows whether it was let go. */
function endless(silentAfter = Infinity): AsyncIterable<Buffer> & { isClosed: boolean } {
  const source = {
    isClosed: false,
    async *[Symbol.asyncIterator]() {
      try {
        for (let count = 0; count < silentAfter; count++) yield bytes.subarray(0, 65_536);
        await new Promise(() => undefined);
      } finally {
        source.isClosed = true;
      }
    },
  };
  return source;
}

test('an interruption leaves nothing, though parts are on their way', async () => {
  // Three connections carry parts, one of which has begun the upload before; the next one removes it.
  const s3 = await behind((connection) => (connection < 3 ? { up: 30_000, how: 'silence' } : undefined));
  const source = endless();
  const put = putObject(s3, { ...place, key: 'interrupted' }, source, { plan });
  await until(() => expect(partsSeen()).toHaveLength(3));
  expect(server.uploads()).toHaveLength(1);
  stopping.abort(new Interrupted());
  await expect(put).rejects.toBeInstanceOf(Interrupted);
  expect(server.uploads()).toEqual([]);
  expect(source.isClosed).toBe(true);
});

test('an interruption leaves nothing, though the source is silent', async () => {
  const put = putObject(await open(), { ...place, key: 'interrupted' }, endless(9), { plan });
  await until(() => expect(partsSeen()).toHaveLength(4));
  stopping.abort(new Interrupted());
  await expect(put).rejects.toBeInstanceOf(Interrupted);
  expect(server.uploads()).toEqual([]);
});

test('an interruption ends a pause, and an upload that was not begun yet', async () => {
  const s3 = await open();
  server.answer = () => 'SlowDown';
  const small = put(s3, Buffer.from('small'), { pauseMs: 60_000 });
  await until(() => expect(server.seen).toHaveLength(1));
  stopping.abort(new Interrupted());
  await expect(small).rejects.toBeInstanceOf(Interrupted);
  await expect(put(s3, bytes, { plan })).rejects.toBeInstanceOf(Interrupted);
  expect(server.seen).toHaveLength(1);
});

test('a source that fails ends the upload with its error', async () => {
  const source = (async function* () {
    yield bytes;
    throw new Error('the disk cannot be read');
  })();
  await expect(putObject(await open(), place, source, { plan })).rejects.toThrow('the disk cannot be read');
  expect(server.seen.some(({ method }) => method === 'DELETE')).toBe(true);
});

test('a store that got other bytes is noticed by its ETag', async () => {
  const s3 = await open();
  s3.client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      Object.assign(answer.output, { ETag: `"${'0'.repeat(32)}"` });
      return answer;
    },
    { step: 'initialize' },
  );
  const failure = put(s3, bytes.subarray(0, 1000), { pauseMs: 1 });
  await expect(failure).rejects.toMatchObject({ code: 'UploadDamaged', hint: 'try again' });
  expect(server.seen).toHaveLength(6);
});

test('70 MiB from a stream take less than 64 MiB of memory, and nothing is printed', async () => {
  const environment = { ...process.env, ...server.environment };
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, BUCKET, 'large', String(70 * MIB)], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [report, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  expect(errors).toBe('');
  const { grown, result } = JSON.parse(report) as {
    grown: number;
    result: Awaited<ReturnType<typeof putObject>>;
  };
  expect(result.bytes).toBe(70 * MIB);
  expect(result.sha256).toBe(await stored('large'));
  expect(grown).toBeLessThan(64 * MIB);
  const listed = [];
  for await (const object of listObjects(await open(), BUCKET, 'large')) listed.push(object);
  expect(listed).toMatchObject([{ key: 'large', length: 70 * MIB, etag: result.etag }]);
}, 30_000);
