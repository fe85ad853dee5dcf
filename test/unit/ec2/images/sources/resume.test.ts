import { createHash, randomBytes, randomInt } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { type FetchOptions, openUrl } from '../../../../../src/ec2/images/sources/https.ts';
import { type FlakyFile, type FlakyServer, flakyServer } from '../../../../support/flaky-file.ts';
import { type HttpsServer, httpServer, httpsServer } from '../../../../support/https-server.ts';

const BODY = randomBytes(300_000);
const ETAG = '"v1"';
const THEN = 'Wed, 01 Jan 2025 00:00:00 GMT';

let open: Omit<HttpsServer, 'ca'>[] = [];
afterEach(async () => {
  for (const server of open) await server.close();
  open = [];
});

interface Serving extends FlakyServer {
  readonly url: string;
}

async function serve(given: Partial<FlakyFile> = {}): Promise<Serving> {
  const flaky = flakyServer({ body: BODY, ...given });
  const server = await httpServer(flaky.listener);
  open.push(server);
  return { ...flaky, url: `${server.origin}/disk.qcow2` };
}

const OPTIONS: FetchOptions = {
  signal: new AbortController().signal,
  maxBytes: 1e6,
  retryPauseMs: 1,
  allowHttp: true,
  allowedHosts: ['localhost'],
};

async function download(url: string, options: Partial<FetchOptions> = {}): Promise<Buffer> {
  const { stream } = await openUrl(url, { ...OPTIONS, ...options });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Breaks the first answer after so many bytes, and lets the others pass. */
const cutOnce =
  (bytes: number): FlakyFile['cut'] =>
  (count) =>
    count === 0 ? bytes : undefined;

describe('a dropped connection', () => {
  test.each([
    ['a strong ETag', { etag: ETAG }, ETAG],
    ['the time of the last change', { lastModified: THEN }, THEN],
    ['that time, where the ETag is weak', { etag: 'W/"v1"', lastModified: THEN }, THEN],
  ])('is gone on from by %s', async (_what, validators, condition) => {
    // The listener knows an ETag first; a weak one never fits, so it is left out when it is compared.
    const before: FlakyFile['before'] = () => {
      if (server.ranges.length > 1 && condition === THEN) server.file.etag = undefined;
      return false;
    };
    const server = await serve({ ...validators, cut: cutOnce(1000), before });
    expect((await download(server.url)).equals(BODY)).toBe(true);
    expect(server.ranges).toEqual([undefined, 'bytes=1000-']);
    expect(server.conditions).toEqual([undefined, condition]);
  });

  test('at any byte, as often as it likes: the same bytes arrive, each once', async () => {
    for (let round = 0; round < 12; round++) {
      const body = BODY.subarray(0, randomInt(100, 60_000));
      const cuts = Array.from({ length: 15 }, () => randomInt(1, Math.floor(body.length / 16) + 1));
      const sums = cuts.map((_cut, index) => cuts.slice(0, index + 1).reduce((sum, cut) => sum + cut));
      const hasRanges = round % 3 !== 2;
      const server = await serve({
        body,
        etag: ETAG,
        isChunked: round % 4 === 3,
        hasRanges,
        // Without ranges an answer must reach beyond what is here already.
        cut: (count) => (hasRanges ? cuts : sums)[count],
      });
      const received = await download(server.url);
      expect({ cuts, same: received.equals(body) }).toEqual({ cuts, same: true });
      expect(server.ranges).toHaveLength(16);
    }
  });

  test('in front of the first byte does no harm, even without a name for the version', async () => {
    const server = await serve({ cut: cutOnce(0) });
    expect((await download(server.url)).equals(BODY)).toBe(true);
    expect(server.ranges).toEqual([undefined, undefined]);
  });

  test('is gone on from by what is left out, where the server has no ranges', async () => {
    const server = await serve({ etag: ETAG, hasRanges: false, cut: cutOnce(70_000) });
    expect((await download(server.url)).equals(BODY)).toBe(true);
  });

  test('ends a download whose version has no name', async () => {
    for (const validators of [{}, { etag: 'W/"v1"' }, { etag: 'unquoted' }, { lastModified: 'never' }]) {
      const server = await serve({ ...validators, cut: cutOnce(1000) });
      await expect(download(server.url)).rejects.toMatchObject({
        code: 'DownloadFailed',
        details: ['1000 of 300000 bytes had arrived'],
      });
      expect(server.ranges).toHaveLength(1);
    }
  });

  test('ends one that was changed within the last second: it may have been changed twice', async () => {
    const server = await serve({
      lastModified: new Date(Date.now() + 5000).toUTCString(),
      cut: cutOnce(1000),
    });
    await expect(download(server.url)).rejects.toMatchObject({ code: 'DownloadFailed' });
  });

  test('is tried again five times in a row without a byte, with growing pauses', async () => {
    const server = await serve({ etag: ETAG, cut: (count) => (count === 0 ? 1000 : 0) });
    const begun = performance.now();
    await expect(download(server.url, { retryPauseMs: 10 })).rejects.toMatchObject({
      code: 'DownloadFailed',
      message: expect.stringContaining(server.url),
    });
    expect(server.ranges).toHaveLength(6);
    expect(performance.now() - begun).toBeGreaterThan(10 + 20 + 40 + 80 + 160);
  });

  test('through an error of the server is one like any other', async () => {
    const before: FlakyFile['before'] = (_request, response, count) => {
      if (count === 1) response.writeHead(503).end();
      if (count === 2) response.socket?.destroy();
      return count === 1 || count === 2;
    };
    const server = await serve({ etag: ETAG, cut: cutOnce(1000), before });
    expect((await download(server.url)).equals(BODY)).toBe(true);
  });

  test('is given up at once when Ctrl-C comes in a pause', async () => {
    const server = await serve({ etag: ETAG, cut: cutOnce(1000) });
    const aborter = new AbortController();
    const attempt = download(server.url, {
      retryPauseMs: 60_000,
      signal: aborter.signal,
      onProgress: ({ done }) => done === 1000 && setTimeout(() => aborter.abort(), 50),
    });
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('before anybody reads is none of their business', async () => {
    const server = await serve({ etag: ETAG, cut: cutOnce(1000) });
    const { stream } = await openUrl(server.url, OPTIONS);
    await new Promise((resolve) => setTimeout(resolve, 60));
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).equals(BODY)).toBe(true);
    expect(server.ranges).toHaveLength(2);
  });

  test('is progress told as of one file', async () => {
    const server = await serve({ etag: ETAG, cut: cutOnce(1000) });
    const seen: number[] = [];
    await download(server.url, { onProgress: ({ done }) => seen.push(done) });
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect([seen[0], seen.at(-1)]).toEqual([1000, BODY.length]);
  });
});

describe('silence', () => {
  test('is a drop', async () => {
    const server = await serve({ etag: ETAG, cut: cutOnce(1000), isSilent: true });
    expect((await download(server.url, { idleTimeoutMs: 300 })).equals(BODY)).toBe(true);
    expect(server.ranges).toEqual([undefined, 'bytes=1000-']);
  });

  test('of whoever reads is none', async () => {
    const body = randomBytes(4_000_000);
    const server = await serve({ body, etag: ETAG });
    const { stream } = await openUrl(server.url, { ...OPTIONS, maxBytes: 1e7, idleTimeoutMs: 300 });
    const hash = createHash('sha256');
    let chunks = 0;
    for await (const chunk of stream) {
      if (chunks++ % 30 === 0) await new Promise((resolve) => setTimeout(resolve, 400));
      hash.update(chunk as Buffer);
    }
    expect(hash.digest('hex')).toBe(createHash('sha256').update(body).digest('hex'));
    expect(server.ranges).toHaveLength(1);
  });
});

describe('a file that was replaced meanwhile', () => {
  const other = randomBytes(BODY.length);
  test.each<[string, Partial<FlakyFile>]>([
    ['by another of its length', { body: other, etag: '"v2"' }],
    ['by another, without ranges', { body: other, etag: '"v2"', hasRanges: false }],
    ['by another that nobody named', { body: other, etag: undefined }],
    ['by a shorter one', { body: BODY.subarray(0, 500) }],
    ['by a longer one of the same name', { body: Buffer.concat([BODY, BODY]) }],
    [
      'by a longer one of the same name, without ranges',
      { body: Buffer.concat([BODY, BODY]), hasRanges: false },
    ],
  ])('%s is never spliced', async (_how, next) => {
    const before: FlakyFile['before'] = (_request, _response, count) => {
      if (count === 1) Object.assign(server.file, next);
      return false;
    };
    const server = await serve({ etag: ETAG, cut: cutOnce(1000), before });
    const received: Buffer[] = [];
    const { stream } = await openUrl(server.url, OPTIONS);
    const reading = (async () => {
      for await (const chunk of stream) received.push(chunk as Buffer);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'DownloadChanged', hint: 'try again' });
    expect(Buffer.concat(received).equals(BODY.subarray(0, 1000))).toBe(true);
    expect(server.ranges).toHaveLength(2);
  });
});

describe('a server that lies about ranges', () => {
  const range = (value: string) => (headers: Record<string, string>) => ({
    ...headers,
    'content-range': value,
  });
  test.each<[string, FlakyFile['lie'], string]>([
    ['an earlier beginning', range('bytes 999-299999/300000'), 'DownloadFailed'],
    ['its beginning', range('bytes 0-298999/300000'), 'DownloadFailed'],
    ['a later beginning', range('bytes 1001-299999/300000'), 'DownloadFailed'],
    ['an end in front of the beginning', range('bytes 1000-10/300000'), 'DownloadFailed'],
    ['an end after the end', range('bytes 1000-300000/300000'), 'DownloadFailed'],
    ['another length than that of its body', range('bytes 1000-1999/300000'), 'DownloadFailed'],
    ['another total', range('bytes 1000-299999/300001'), 'DownloadChanged'],
    ['no total', range('bytes 1000-299999/*'), 'DownloadFailed'],
    ['nonsense', range('bytes'), 'DownloadFailed'],
    ['no range', ({ 'content-range': _left, ...headers }) => headers, 'DownloadFailed'],
    ['another ETag', (headers) => ({ ...headers, etag: '"v2"' }), 'DownloadChanged'],
    ['a compressed part', (headers) => ({ ...headers, 'content-encoding': 'br' }), 'DownloadFailed'],
  ])('with %s is not believed', async (_what, lie, code) => {
    const server = await serve({ etag: ETAG, cut: cutOnce(1000), lie });
    await expect(download(server.url)).rejects.toMatchObject({ code });
    expect(server.ranges).toHaveLength(2);
  });

  test('and sends a part of the rest is asked for the rest of it', async () => {
    const parts: FlakyFile['before'] = ({ headers }, response, count) => {
      if (count === 0) return false;
      const from = Number(/\d+/.exec(headers.range ?? '')?.[0]);
      const part = BODY.subarray(from, from + 100_000);
      const place = `bytes ${from}-${from + part.length - 1}/${BODY.length}`;
      response
        .writeHead(206, { 'content-range': place, 'content-length': part.length, etag: ETAG })
        .end(part);
      return true;
    };
    const server = await serve({ etag: ETAG, cut: cutOnce(1000), before: parts });
    expect((await download(server.url)).equals(BODY)).toBe(true);
    expect(server.ranges).toHaveLength(4);
  });
});

describe('a redirect', () => {
  test('is not asked again while the place that it led to answers, and is when that is gone', async () => {
    const mirror = await serve({ etag: ETAG, cut: (count) => (count < 2 ? 1000 : undefined) });
    const spare = await serve({ etag: ETAG });
    const front = await serve({
      before: (_request, response, count) => {
        response.writeHead(302, { location: count === 0 ? mirror.url : spare.url }).end();
        return true;
      },
    });
    mirror.file.before = (_request, response, count) => {
      if (count < 2) return false;
      response.writeHead(404).end();
      return true;
    };
    expect((await download(front.url)).equals(BODY)).toBe(true);
    expect(mirror.ranges).toEqual([undefined, 'bytes=1000-', 'bytes=2000-']);
    expect(spare.ranges).toEqual(['bytes=2000-']);
    expect(front.ranges).toEqual([undefined, 'bytes=2000-']);
  });

  test.each(['http://169.254.169.254/latest/meta-data/', 'http://127.0.0.1:1/', 'file:///etc/passwd'])(
    'to %s after a drop is checked like the first',
    async (location) => {
      const server = await serve({
        etag: ETAG,
        cut: cutOnce(1000),
        before: (_request, response, count) => {
          if (count > 0) response.writeHead(302, { location }).end();
          return count > 0;
        },
      });
      await expect(download(server.url)).rejects.toMatchObject({ code: 'AddressNotAllowed' });
    },
  );
});

test('https goes on as http does', async () => {
  const flaky = flakyServer({ body: BODY, etag: ETAG, cut: (count) => (count < 4 ? 50_000 : undefined) });
  const server = await httpsServer(flaky.listener);
  open.push(server);
  const received = await download(server.origin, { ca: server.ca, allowHttp: false });
  expect(received.equals(BODY)).toBe(true);
  expect(flaky.ranges).toHaveLength(5);
});
