import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import S3rver, { type Store } from 's3rver';
import S3Error from 's3rver/lib/models/error.js';

export const BUCKET = 'bonami-test';

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface S3Server {
  readonly port: number;
  readonly endpoint: string;
  /** What the AWS tools need to find this server and nobody else's credentials. */
  readonly environment: Readonly<Record<string, string>>;
  /** Every request so far. */
  readonly seen: SeenRequest[];
  /** Answers a request in the server's place by returning an error's code, or lets it pass. */
  answer: ((request: SeenRequest) => string | undefined) | undefined;
  /** Not every store does. */
  knowsIfMatch: boolean;
  /** Ids of uploads that were begun and neither completed nor aborted. */
  uploads(): readonly string[];
  close(): Promise<void>;
}

/**
 * s3rver on the loopback, with what it lacks or what its age broke: aborting and listing uploads, If-Match,
 * Content-MD5, paged listings (its tokens need a cipher that OpenSSL 3 dropped), and objects that appear whole.
 */
export async function s3Server(): Promise<S3Server> {
  const directory = mkdtempSync(join(tmpdir(), 'bonami-s3-'));
  const buckets = [{ name: BUCKET }];
  const app = new S3rver({ directory, silent: true, vhostBuckets: false, configureBuckets: buckets });
  await app.configureBuckets();
  storeWhole(app.store);
  const handle = app.callback();
  const seen: SeenRequest[] = [];
  const http = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    seen.push({ method, url, headers });
    const code = server.answer?.({ method, url, headers });
    if (code !== undefined) refuse(request, response, new S3Error(code, 'as the test wants it'));
    else
      extension(app.store, { request, response, knowsIfMatch: server.knowsIfMatch }).then(
        (isDone) => isDone || handle(request, response),
        (error: unknown) => refuse(request, response, error as S3Error),
      );
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const { port } = http.address() as AddressInfo;
  const endpoint = `http://127.0.0.1:${port}`;
  const server: S3Server = {
    port,
    endpoint,
    environment: {
      AWS_ENDPOINT_URL_S3: endpoint,
      AWS_ACCESS_KEY_ID: 'S3RVER',
      AWS_SECRET_ACCESS_KEY: 'S3RVER',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
    seen,
    answer: undefined,
    knowsIfMatch: true,
    uploads: () => {
      const folder = app.store.getResourcePath(BUCKET, undefined, 'uploads');
      return existsSync(folder) ? readdirSync(folder) : [];
    },
    close: async () => {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      app.logger.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return server;
}

function refuse(request: IncomingMessage, response: ServerResponse, error: S3Error): void {
  request.resume();
  response.writeHead(error.status, { 'content-type': 'application/xml' });
  response.end(request.method === 'HEAD' ? '' : error.toXML());
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly knowsIfMatch: boolean;
}

/** What s3rver cannot do. Whether the request was one of these. */
async function extension(store: Store, { request, response, knowsIfMatch }: Exchange): Promise<boolean> {
  const url = new URL(request.url ?? '', 'http://s3');
  const [, bucket = '', ...rest] = decodeURIComponent(url.pathname).split('/');
  const key = rest.join('/');
  const upload = url.searchParams.get('uploadId');
  if (request.method === 'GET' && key === '' && url.searchParams.has('list-type')) {
    await listObjects(store, bucket, { query: url.searchParams, response });
    return true;
  }
  if (upload !== null && (request.method === 'DELETE' || request.method === 'GET')) {
    const folder = join(store.getResourcePath(bucket, undefined, 'uploads'), upload);
    if (!existsSync(folder)) throw new S3Error('NoSuchUpload', 'The upload does not exist');
    if (request.method === 'DELETE') {
      rmSync(folder, { recursive: true });
      response.writeHead(204).end();
    } else {
      const parts = readdirSync(folder).filter((name) => /^\d+$/.test(name));
      const xml = parts.map((number) => `<Part><PartNumber>${number}</PartNumber></Part>`).join('');
      response.end(`<ListPartsResult>${xml}</ListPartsResult>`);
    }
    return true;
  }
  const expected = request.headers['if-match'];
  if (request.method === 'GET' && expected !== undefined && knowsIfMatch) {
    const { etag } = await store.getMetadata(bucket, key).catch(() => ({ etag: expected }));
    if (etag !== expected) throw new S3Error('PreconditionFailed', 'Another ETag');
  }
  return false;
}

interface Listing {
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
}

async function listObjects(store: Store, bucket: string, { query, response }: Listing): Promise<void> {
  if (!(await store.getBucket(bucket))) throw new S3Error('NoSuchBucket', 'The bucket does not exist');
  const { objects, isTruncated } = await store.listObjects(bucket, {
    prefix: query.get('prefix') ?? '',
    startAfter: query.get('continuation-token') ?? '',
    maxKeys: Number(query.get('max-keys') ?? 1000),
  });
  const contents = objects.map(
    ({ key, size, metadata }) =>
      `<Contents><Key>${key}</Key><Size>${size}</Size><ETag>${metadata['etag']}</ETag></Contents>`,
  );
  const token = isTruncated ? `<NextContinuationToken>${objects.at(-1)?.key}</NextContinuationToken>` : '';
  const head = `<IsTruncated>${isTruncated}</IsTruncated>${token}`;
  response.end(`<ListBucketResult>${head}${contents.join('')}</ListBucketResult>`);
}

/** Objects and parts appear when all their bytes are there and have the digest that the request names. */
function storeWhole(store: Store): void {
  store.putPart = async (bucket, uploadId, partNumber, content) => {
    const path = join(store.getResourcePath(bucket, undefined, 'uploads'), uploadId, partNumber);
    if (!existsSync(dirname(path))) throw new S3Error('NoSuchUpload', 'The upload does not exist');
    const result = await writeWhole(path, content, md5Header(content));
    await writeFile(`${path}.md5`, result.md5);
    return result;
  };
  store.putObject = async ({ bucket, key, content, metadata }) => {
    const path = store.getResourcePath(bucket, key, 'object');
    await mkdir(dirname(path), { recursive: true });
    const digest = 'headers' in content ? md5Header(content) : undefined;
    const result = await writeWhole(path, content, digest);
    await store.putMetadata(bucket, key, metadata, result.md5);
    return result;
  };
}

function md5Header({ headers }: IncomingMessage): string | undefined {
  return [headers['content-md5']].flat()[0];
}

async function writeWhole(
  path: string,
  content: Readable,
  digest: string | undefined,
): Promise<{ readonly size: number; readonly md5: string }> {
  const arriving = `${path}.${Math.random()}`;
  const hash = createHash('md5');
  let size = 0;
  try {
    await pipeline(
      content,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          hash.update(chunk);
          size += chunk.length;
          yield chunk;
        }
      },
      createWriteStream(arriving),
    );
    const md5 = hash.digest();
    if (digest !== undefined && digest !== md5.toString('base64'))
      throw new S3Error('BadDigest', 'The Content-MD5 did not match');
    await rename(arriving, path);
    return { size, md5: md5.toString('hex') };
  } finally {
    await rm(arriving, { force: true });
  }
}
