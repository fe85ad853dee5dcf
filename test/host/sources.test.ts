import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  createReadStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ImportImageRequest, importImage } from '../../src/ec2/images/import-image.ts';
import { openSource } from '../../src/ec2/images/sources/open-source.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { type FlakyFile, flakyServer } from '../support/flaky-file.ts';
import { httpServer, httpsServer } from '../support/https-server.ts';
import { expectNothingLeft, expectOnly, importing, makeDisk, rootDisk } from '../support/image-files.ts';

const MIB = 2 ** 20;

let folder: string;
let raw: string;
let body: Buffer;
let sha256: string;
let digest: string;
let home: TestContext;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-sources-'));
  raw = makeDisk(join(folder, 'original.raw'));
  body = readFileSync(raw);
  sha256 = createHash('sha256').update(body).digest('hex');
  using first = testContext();
  digest = rootDisk(first, await importImage(first.ctx, importing(raw))).digest;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => (home = testContext()));
afterEach(async () => {
  home.cleanup();
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

const right = {
  digest: {
    algorithm: 'sha256',
    get hex() {
      return sha256;
    },
  },
} as const;
const wrong = { digest: { algorithm: 'sha256', hex: '0'.repeat(64) } } as const;

interface Served {
  readonly url: string;
  readonly request: (more?: Partial<ImportImageRequest>) => ImportImageRequest;
  readonly file: FlakyFile;
}

/** The disk on an https server, as well or badly served as it is said. */
async function served(given: Partial<FlakyFile> = {}): Promise<Served> {
  const { file, listener } = flakyServer({ body, etag: '"one"', ...given });
  const server = await httpsServer(listener);
  cleanups.push(async () => server.close());
  const url = `${server.origin}/disk.raw`;
  const connection = { ca: server.ca, isAllowed: () => true };
  return { url, file, request: (more = {}) => importing(url, { connection, ...more }) };
}

async function expectRefused(request: ImportImageRequest, code: string): Promise<void> {
  await expect(importImage(home.ctx, request)).rejects.toMatchObject({ code });
  await expectNothingLeft(home);
}

describe('an address', () => {
  test('is read, verified, over redirects and connections that break', async () => {
    const { request } = await served({
      before: ({ url }, response) => {
        if (url !== '/start') return false;
        response.writeHead(302, { location: '/disk.raw' }).end();
        return true;
      },
      cut: (count) => (count < 3 ? 5 * MIB : undefined),
    });
    const from = request({ checksum: right });
    const image = await importImage(home.ctx, { ...from, source: from.source.replace('disk.raw', 'start') });
    expect(rootDisk(home, image).digest).toBe(digest);
    expect(image.source).toContain('sha256 verified');
    await expectOnly(home, [image]);
  });

  test('may serve a compressed disk', async () => {
    const packed = execFileSync('xz', ['-0', '-c', raw], { maxBuffer: 64 * MIB });
    const { request } = await served({ body: packed });
    expect(rootDisk(home, await importImage(home.ctx, request())).digest).toBe(digest);
  });

  test.each<[string, Partial<FlakyFile>, Partial<ImportImageRequest>]>([
    ['ImageDigestMismatch', {}, { checksum: wrong }],
    [
      'DownloadFailed',
      {
        lie: (headers) => ({ ...headers, 'content-range': 'bytes 0-1/2' }),
        cut: (count) => (count === 0 ? MIB : undefined),
      },
      {},
    ],
    [
      'DownloadChanged',
      { lie: (headers) => ({ ...headers, etag: '"two"' }), cut: (count) => (count === 0 ? MIB : undefined) },
      {},
    ],
    ['DownloadFailed', { etag: undefined, cut: () => 2 * MIB }, {}],
    [
      'DownloadFailed',
      {
        before: (_, response) => {
          response.writeHead(302, { location: '/again' }).end();
          return true;
        },
      },
      {},
    ],
    [
      'AddressNotAllowed',
      {
        before: (_, response) => {
          response.writeHead(302, { location: 'http://example.org/disk' }).end();
          return true;
        },
      },
      {},
    ],
    [
      'AddressNotAllowed',
      {
        before: (_, response) => {
          response.writeHead(302, { location: 'file:///etc/shadow' }).end();
          return true;
        },
      },
      {},
    ],
    [
      'DownloadMissing',
      {
        before: (_, response) => {
          response.writeHead(404).end('secret');
          return true;
        },
      },
      {},
    ],
    [
      'DownloadFailed',
      {
        before: (_, response) => {
          response.writeHead(200, { 'content-encoding': 'gzip' }).end();
          return true;
        },
      },
      {},
    ],
    ['ImageFormatUnknown', { body: Buffer.from('<html>please log in</html>') }, {}],
    ['ImageFormatUnknown', { body: Buffer.alloc(0) }, {}],
  ])('%s', async (code, file, more) => {
    expect.hasAssertions();
    const { request } = await served(file);
    await expectRefused(request(more), code);
  });

  test('that is redirected into a private network is refused there', async () => {
    expect.hasAssertions();
    const { request } = await served({
      before: (_, response) => {
        response.writeHead(302, { location: 'https://169.254.169.254/latest/meta-data' }).end();
        return true;
      },
    });
    const { isAllowed: _, ...connection } = request().connection ?? {};
    await expectRefused(request({ connection, allowedHosts: ['localhost'] }), 'AddressNotAllowed');
    await expectRefused(request({ connection }), 'AddressNotAllowed');
  });

  test('without protection is read with a digest only', async () => {
    const { listener } = flakyServer({ body });
    const server = await httpServer(listener);
    cleanups.push(async () => server.close());
    const source = `${server.origin}/disk.raw`;
    await expectRefused(importing(source, { allowedHosts: ['localhost'] }), 'AddressNotAllowed');
    const more = { allowedHosts: ['localhost'], checksum: right };
    expect(rootDisk(home, await importImage(home.ctx, importing(source, more))).digest).toBe(digest);
  });

  test.each([
    'http://user:secret@example.org/x',
    'https://user:secret@example.org/x',
    'ftp://user:secret@x/y',
  ])('with a password does not see it again: %s', async (source) => {
    const error: unknown = await importImage(home.ctx, importing(source)).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ message: expect.not.stringContaining('secret') });
    await expectNothingLeft(home);
  });

  test('interrupted, it lets go', async () => {
    const { request } = await served({ cut: () => 2 * MIB, isSilent: true });
    const importingNow = importImage(home.ctx, request());
    setTimeout(() => home.abort(), 500);
    await expect(importingNow).rejects.toMatchObject({ code: 'Interrupted' });
    await expectNothingLeft(home);
  });
});

describe('standard input', () => {
  test('is read', async () => {
    const image = await importImage(
      home.ctx,
      importing('-', { stdin: createReadStream(raw), said: { name: 'stdin' } }),
    );
    expect(rootDisk(home, image).digest).toBe(digest);
    await expectOnly(home, [image]);
  });

  test.each<[string, () => Readable | undefined]>([
    ['ImageFormatUnknown', () => Readable.from([], { objectMode: false })],
    ['ImageFormatUnknown', () => Readable.from([Buffer.alloc(5000, 'x')], { objectMode: false })],
    ['InvalidParameterValue', () => undefined],
  ])('%s', async (code, stdin) => {
    expect.hasAssertions();
    await expectRefused(importing('-', { stdin: stdin(), said: { name: 'stdin' } }), code);
  });

  test('that never says a word can be left', async () => {
    const stdin = new Readable({ read: () => undefined });
    setTimeout(() => home.abort(), 200);
    await expectRefused(importing('-', { stdin, said: { name: 'stdin' } }), 'Interrupted');
    expect(stdin.destroyed).toBe(true);
  });

  test('that breaks off with an error leaves nothing', async () => {
    const stdin = Readable.from(
      (async function* () {
        yield body.subarray(0, 5 * MIB);
        throw new Error('the pipe broke');
      })(),
      { objectMode: false },
    );
    await expect(importImage(home.ctx, importing('-', { stdin, said: { name: 'stdin' } }))).rejects.toThrow(
      'the pipe broke',
    );
    await expectNothingLeft(home);
  });
});

describe('a file', () => {
  test.each(['with space.raw', 'ünï.raw', '-dash.raw', 'a,b=c.raw', 'line\nbreak.raw', '100%25.raw'])(
    'is found by any name, its address, and a link: %j',
    async (name) => {
      const path = join(folder, name);
      copyFileSync(raw, path);
      const link = join(folder, 'link.raw');
      symlinkSync(path, link);
      try {
        const sources = [path, link, pathToFileURL(path).href];
        const found = await Promise.all(
          sources.map(async (source) => openSource(home.ctx, source, { isVerified: false })),
        );
        expect(found.map((each) => each.kind === 'file' && each.path)).toEqual([path, link, path]);
        const image = await importImage(home.ctx, importing(path, { said: { name: 'named' } }));
        expect(rootDisk(home, image).digest).toBe(digest);
      } finally {
        rmSync(link);
        rmSync(path);
      }
    },
  );

  test.each<[string, (path: string) => unknown]>([
    ['a named pipe', (path) => execFileSync('mkfifo', [path])],
    ['a device', (path) => execFileSync('mknod', [path, 'c', '1', '5'])],
    ['a folder', (path) => execFileSync('mkdir', [path])],
    ['a link to nothing', (path) => symlinkSync('/nowhere', path)],
    ['nothing', () => undefined],
  ])('that is %s is refused at once', async (_what, make) => {
    expect.hasAssertions();
    const path = join(folder, 'strange');
    make(path);
    try {
      await expectRefused(importing(path), 'FileUnreadable');
    } finally {
      rmSync(path, { recursive: true, force: true });
    }
  });

  test.each<[string, (path: string) => void]>([
    ['grows', (path) => appendFileSync(path, 'more')],
    ['shrinks', (path) => truncateSync(path, 6 * MIB)],
    ['is overwritten', (path) => writeFileSync(path, Buffer.alloc(body.length, 'x'))],
  ])('that %s while it is read is refused', async (_what, change) => {
    const path = join(folder, 'moving.raw');
    copyFileSync(raw, path);
    let isChanged = false;
    const progress = ({ label }: { readonly label: string }): void => {
      if (!isChanged && label.startsWith('importing')) change(path);
      isChanged ||= label.startsWith('importing');
    };
    const ctx = { ...home.ctx, report: { ...home.ctx.report, progress } };
    await expect(importImage(ctx, importing(path))).rejects.toMatchObject({
      code: expect.stringMatching(/^Image(?:Changed|Corrupt)$/),
    });
    await expectNothingLeft(home);
    rmSync(path);
  });

  test('is compared with what it must be', async () => {
    await expectRefused(importing(raw, { checksum: wrong }), 'ImageDigestMismatch');
    const sums = join(folder, 'SHA256SUMS');
    writeFileSync(sums, `${sha256}  original.raw\n`);
    const image = await importImage(home.ctx, importing(raw, { checksum: { path: sums } }));
    expect(image.source).toContain('sha256 verified');
  });
});
