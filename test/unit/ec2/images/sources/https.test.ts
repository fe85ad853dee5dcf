import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type FetchOptions,
  fetchText,
  fetchToFile,
  openUrl,
} from '../../../../../src/ec2/images/sources/https.ts';
import { isPublicAddress } from '../../../../../src/core/public-address.ts';
import { type HttpsServer, httpServer, httpsServer } from '../../../../support/https-server.ts';

const BODY = Buffer.alloc(300_000, 'bonami');
let server: HttpsServer;
let plain: Omit<HttpsServer, 'ca'>;
let folder: string;
let options: FetchOptions;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-fetch-'));
  server = await httpsServer((request, response) => {
    const path = request.url ?? '';
    const to = (location: string): unknown => response.writeHead(302, { location }).end();
    if (path === '/body') response.writeHead(200, { 'content-length': BODY.length }).end(BODY);
    else if (path === '/chunked') response.writeHead(200).end(BODY);
    else if (path === '/redirect') to('/body');
    else if (path === '/loop') to('/loop');
    else if (path === '/to-metadata') to('https://169.254.169.254/latest/meta-data/');
    else if (path === '/to-mapped') to('https://[::ffff:10.0.0.1]/');
    else if (path === '/to-decimal') to('https://2852039166/');
    else if (path === '/to-http') to(`http://localhost/`);
    else if (path === '/to-file') to('file:///etc/passwd');
    else if (path === '/to-plain') to(`${plain.origin}/body`);
    else if (path === '/to-user') to(server.origin.replace('//', '//user:secret@'));
    else if (path === '/to-nothing') to('https://');
    else if (path === '/gone') response.writeHead(410).end();
    else if (path === '/zipped') response.writeHead(200, { 'content-encoding': 'gzip' }).end('x');
    else if (path === '/zipped-transfer')
      response.writeHead(200, { 'transfer-encoding': 'gzip, chunked' }).end('x');
    else if (path === '/unasked-part') response.writeHead(206, { 'content-range': 'bytes 0-0/2' }).end('x');
    else if (path.startsWith('/a%20b%2F')) response.write(BODY);
    else if (path === '/cut')
      response.writeHead(200, { 'content-length': 10 * BODY.length }).write(BODY, () => response.destroy());
    else if (path === '/silent') response.writeHead(200, { 'content-length': BODY.length }).write('x');
    else response.writeHead(404).end('the inside of somebody’s network');
  });
  plain = await httpServer((request, response) => {
    if (request.url === '/body') response.writeHead(200, { 'content-length': BODY.length }).end(BODY);
    else response.writeHead(302, { location: `${server.origin}${request.url ?? ''}` }).end();
  });
  options = {
    signal: new AbortController().signal,
    maxBytes: 1e7,
    ca: server.ca,
    isAllowed: (address) => address === '127.0.0.1' || address === '::1' || isPublicAddress(address),
  };
});
afterAll(async () => {
  await server.close();
  await plain.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('a download', () => {
  test.each(['/body', '/chunked', '/redirect'])('of %s is whole and its digest is right', async (path) => {
    const file = join(folder, path.slice(1));
    const seen: { done: number; total?: number }[] = [];
    const digest = await fetchToFile(server.origin + path, {
      ...options,
      path: file,
      algorithm: 'sha512',
      onProgress: (progress) => seen.push(progress),
    });
    expect(digest).toBe(createHash('sha512').update(BODY).digest('hex'));
    expect(readFileSync(file).equals(BODY)).toBe(true);
    expect(seen.at(-1)).toEqual(
      path === '/chunked' ? { done: BODY.length } : { done: BODY.length, total: BODY.length },
    );
  });

  test('never writes over a file', async () => {
    const file = { path: join(folder, 'once'), algorithm: 'sha256' as const };
    await fetchToFile(`${server.origin}/body`, { ...options, ...file });
    await expect(fetchToFile(`${server.origin}/body`, { ...options, ...file })).rejects.toThrow(/EEXIST/);
  });

  test.each([
    ['/missing', 'DownloadMissing', /status 404$/],
    ['/gone', 'DownloadMissing', /status 410$/],
    ['/loop', 'DownloadFailed', /redirected more than 5 times/],
    ['/cut', 'DownloadFailed', /failed/],
    ['/silent', 'DownloadFailed', /silence for 200 ms/],
    ['/to-metadata', 'AddressNotAllowed', /169\.254\.169\.254/],
    ['/to-mapped', 'AddressNotAllowed', /not an address on the public internet/],
    ['/to-decimal', 'AddressNotAllowed', /169\.254\.169\.254/],
    ['/to-http', 'AddressNotAllowed', /not plain https/],
    ['/to-file', 'AddressNotAllowed', /'file:' is not plain https/],
    ['/to-plain', 'AddressNotAllowed', /not plain https/],
    ['/to-user', 'AddressNotAllowed', /not plain https/],
    ['/to-nothing', 'DownloadFailed', /Invalid URL/],
    ['/zipped', 'DownloadFailed', /compressed \(gzip/],
    ['/zipped-transfer', 'DownloadFailed', /compressed/],
    ['/unasked-part', 'DownloadFailed', /status 206/],
  ])('of %s is %s', async (path, code, message) => {
    const attempt = fetchText(server.origin + path, { ...options, idleTimeoutMs: 200 });
    await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test.each(['/body', '/chunked'])('of %s ends where it gets too long', async (path) => {
    await expect(fetchText(server.origin + path, { ...options, maxBytes: 1000 })).rejects.toThrow(
      'longer than 1000',
    );
  });

  test('stops when it is told to', async () => {
    const aborter = new AbortController();
    const attempt = fetchText(`${server.origin}/silent`, { ...options, signal: aborter.signal });
    setImmediate(() => aborter.abort());
    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('openUrl', () => {
  test('tells length, place and a harmless file name before the bytes come', async () => {
    const opened = await openUrl(`${server.origin}/redirect`, options);
    expect(opened).toMatchObject({
      length: BODY.length,
      file: 'body',
      finalUrl: `${server.origin}/body`,
    });
    opened.stream.destroy();
    const odd = await openUrl(`${server.origin}/a%20b%2F..%00ü.qcow2?signature=secret`, options);
    expect(odd).toMatchObject({ length: undefined, file: 'a-b-..-.qcow2' });
    odd.stream.destroy();
  });

  test('ends the connection when its stream is destroyed, or nobody reads and Ctrl-C comes', async () => {
    const aborter = new AbortController();
    for (const end of ['destroy', 'abort'] as const) {
      const { stream } = await openUrl(`${server.origin}/silent`, { ...options, signal: aborter.signal });
      if (end === 'destroy') stream.destroy();
      else aborter.abort();
      await new Promise((resolve) => (stream.closed ? resolve(undefined) : stream.once('close', resolve)));
      expect(stream.destroyed).toBe(true);
    }
  });

  test('shows no query of an address in its errors', async () => {
    await expect(openUrl(`${server.origin}/missing?signature=secret`, options)).rejects.toMatchObject({
      message: expect.not.stringContaining('secret'),
    });
  });

  test.each(['', 'disk.qcow2', 'https://', '//host/path'])('%j is not an address', async (url) => {
    await expect(openUrl(url, options)).rejects.toMatchObject({ code: 'AddressNotAllowed' });
  });
});

describe('plain http', () => {
  test('is refused unless the caller vouches, and then may lead to https', async () => {
    const url = `${plain.origin}/body`;
    await expect(fetchText(url, options)).rejects.toMatchObject({
      code: 'AddressNotAllowed',
      hint: expect.stringContaining('--sha256'),
    });
    expect(await fetchText(url, { ...options, allowHttp: true })).toBe(BODY.toString());
    expect(await fetchText(`${plain.origin}/redirect`, { ...options, allowHttp: true })).toBe(
      BODY.toString(),
    );
  });

  test('is never come back to from https', async () => {
    for (const origin of [plain.origin, server.origin])
      await expect(fetchText(`${origin}/to-plain`, { ...options, allowHttp: true })).rejects.toMatchObject({
        code: 'AddressNotAllowed',
      });
  });
});

describe('a named private host', () => {
  test('is reached by exactly its name', async () => {
    const { signal, maxBytes, ca = '' } = options;
    const named = { signal, maxBytes, ca, allowedHosts: ['LocalHost'] };
    expect(await fetchText(`${server.origin}/body`, named)).toBe(BODY.toString());
    const byAddress = fetchText(server.origin.replace('localhost', '127.0.0.1'), named);
    await expect(byAddress).rejects.toMatchObject({
      code: 'AddressNotAllowed',
      hint: '--allow-host 127.0.0.1',
    });
    await expect(fetchText(`${server.origin}/to-metadata`, named)).rejects.toMatchObject({
      code: 'AddressNotAllowed',
    });
  });
});

describe('what cannot be had', () => {
  test('this host is not the internet', async () => {
    const { signal, maxBytes, ca } = options;
    for (const origin of [server.origin, server.origin.replace('localhost', '127.0.0.1'), 'https://[::1]'])
      await expect(
        fetchText(`${origin}/body`, { signal, maxBytes, ...(ca ? { ca } : {}) }),
      ).rejects.toMatchObject({
        code: 'AddressNotAllowed',
      });
  });

  test('a closed port and a name without an address are unreachable', async () => {
    for (const url of ['https://127.0.0.1:1/', 'https://no-such-host.invalid/'])
      await expect(fetchText(url, options)).rejects.toMatchObject({ code: 'Unreachable' });
  });

  test('a host that accepts and says nothing is unreachable soon', async () => {
    const mute = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as AddressInfo;
    const attempt = fetchText(`https://127.0.0.1:${port}/`, { ...options, connectTimeoutMs: 150 });
    await expect(attempt).rejects.toMatchObject({ code: 'Unreachable' });
    await new Promise((resolve) => mute.close(resolve));
  });

  test('a host with a stranger’s certificate was reached, and is refused', async () => {
    const { signal, maxBytes, isAllowed } = options;
    const attempt = fetchText(`${server.origin}/body`, {
      signal,
      maxBytes,
      ...(isAllowed ? { isAllowed } : {}),
    });
    await expect(attempt).rejects.toMatchObject({ code: 'DownloadFailed' });
  });

  test('credentials in an address are refused', async () => {
    const attempt = fetchText(server.origin.replace('//', '//user:secret@'), options);
    await expect(attempt).rejects.toMatchObject({
      code: 'AddressNotAllowed',
      message: expect.not.stringContaining('secret'),
    });
  });
});
