import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { HostError } from '../../../../src/core/errors.ts';
import { type S3, type S3Options, openS3 } from '../../../../src/host/s3/client.ts';
import { asS3Error } from '../../../../src/host/s3/errors.ts';
import { getObject } from '../../../../src/host/s3/get-object.ts';
import { deleteObject, headObject, listObjects } from '../../../../src/host/s3/objects.ts';
import { putObject } from '../../../../src/host/s3/put-object.ts';
import { httpsServer } from '../../../support/https-server.ts';
import { BUCKET, type S3Server, s3Server } from '../../../support/s3-server.ts';

const SECRET = 'do/not+show/this+anywhere';
const TOKEN = 'session-token-that-nobody-shows';
const place = { bucket: BUCKET, key: 'images/disk.raw' };

let server: S3Server;
let opened: S3[] = [];

beforeAll(async () => (server = await s3Server()));
afterAll(async () => server.close());
beforeEach(() => {
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
});
afterEach(() => {
  server.answer = undefined;
  vi.unstubAllEnvs();
  for (const s3 of opened) s3.close();
  opened = [];
});

async function open(options: Partial<S3Options> = {}): Promise<S3> {
  const s3 = await openS3({ signal: new AbortController().signal, ...options });
  opened.push(s3);
  return s3;
}

async function* of(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

async function keys(listing: AsyncIterable<{ readonly key: string }>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const { key } of listing) all.push(key);
  return all;
}

const failureOf = async (work: Promise<unknown>): Promise<HostError> =>
  work.then(
    () => expect.unreachable(),
    (error: unknown) => error as HostError,
  );

test('objects are listed page by page, described and deleted', async () => {
  const s3 = await open();
  const names = ['a/1', 'a/2', 'a/3', 'a/4', 'a/5', 'b/1'];
  for (const key of names) await putObject(s3, { bucket: BUCKET, key }, of(key));
  expect(await keys(listObjects(s3, BUCKET, '', { pageSize: 2 }))).toEqual(names);
  expect(await keys(listObjects(s3, BUCKET, 'a/'))).toEqual(names.slice(0, 5));
  server.seen.length = 0;
  for await (const { key } of listObjects(s3, BUCKET, '', { pageSize: 2 })) if (key === 'a/2') break;
  expect(server.seen).toHaveLength(1);
  expect(await headObject(s3, { bucket: BUCKET, key: 'a/1' })).toMatchObject({
    length: 3,
    contentType: 'application/octet-stream',
    lastModified: expect.any(Date),
  });
  for (const key of names) await deleteObject(s3, { bucket: BUCKET, key });
  await deleteObject(s3, { bucket: BUCKET, key: 'never-was' });
  expect(await keys(listObjects(s3, BUCKET))).toEqual([]);
});

test('what is missing is named', async () => {
  const s3 = await open();
  const elsewhere = { ...place, bucket: 'other-bucket' };
  const gone = {
    code: 'NoSuchBucket',
    message: `the bucket 'other-bucket' does not exist at ${server.endpoint}`,
    hint: `aws s3 ls --endpoint-url ${server.endpoint}`,
  };
  expect(await failureOf(getObject(s3, elsewhere))).toMatchObject(gone);
  expect(await failureOf(putObject(s3, elsewhere, of('x')))).toMatchObject(gone);
  expect(await failureOf(keys(listObjects(s3, 'other-bucket')))).toMatchObject(gone);
  expect(await failureOf(keys(listObjects(s3, 'No_Bucket')))).toMatchObject({ code: 'InvalidS3Url' });
  const missing = {
    code: 'NoSuchKey',
    message: `'s3://${BUCKET}/images/disk.raw' does not exist at ${s3.name}`,
  };
  expect(await failureOf(getObject(s3, place))).toMatchObject(missing);
  expect(await failureOf(headObject(s3, place))).toMatchObject(missing);
});

test('credentials that the store does not know', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'NOBODY');
  expect(await failureOf(getObject(await open(), place))).toMatchObject({
    code: 'InvalidAccessKeyId',
    message: `${server.endpoint} refused the credentials: it does not know the access key`,
    hint: 'check AWS_ACCESS_KEY_ID, or run: aws configure',
  });
});

test.each([
  ['SignatureDoesNotMatch', 'SignatureDoesNotMatch', 'AWS_SECRET_ACCESS_KEY'],
  ['ExpiredToken', 'ExpiredToken', 'aws sso login'],
  ['RequestTimeTooSkewed', 'RequestTimeTooSkewed', 'timedatectl'],
  ['AccessDenied', 'AccessDenied', 'AWS_PROFILE'],
  ['AuthorizationHeaderMalformed', 'WrongRegion', 'AWS_REGION'],
  ['EntityTooLarge', 'S3RequestFailed', 'try again'],
])('%s is %s, with something to type and no secret anywhere', async (answer, code, hint) => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', SECRET);
  vi.stubEnv('AWS_SESSION_TOKEN', TOKEN);
  server.answer = () => answer;
  const s3 = await open();
  const requests = [
    async () => getObject(s3, place),
    async () => putObject(s3, place, of('x')),
    async () => keys(listObjects(s3, BUCKET)),
  ];
  for (const request of requests) {
    const error = await failureOf(request());
    expect(error).toMatchObject({ code, hint: expect.stringContaining(hint) });
    const everything = inspect(error, { depth: 20, showHidden: true }) + error.stack;
    expect(everything).not.toContain(SECRET);
    expect(everything).not.toContain(TOKEN);
    expect(everything).not.toMatch(/authorization: *'AWS4|Signature=/i);
  }
});

test('a refused HEAD has no code, but is a refusal all the same', async () => {
  server.answer = () => 'AccessDenied';
  expect(await failureOf(headObject(await open(), place))).toMatchObject({ code: 'AccessDenied' });
});

test('no credentials at all', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  const error = await failureOf(getObject(await open(), place));
  expect(error).toMatchObject({ code: 'CredentialsMissing' });
  expect(error.hint).toMatch(/^set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY .*, or run: aws configure$/);
  vi.stubEnv('AWS_PROFILE', 'work');
  expect(await failureOf(getObject(await open(), place))).toMatchObject({
    code: 'CredentialsMissing',
    message: `the profile 'work' has no valid credentials for ${server.endpoint}`,
    hint: 'aws configure --profile work, or aws sso login --profile work',
  });
});

test('a store that is not there', async () => {
  const endpoint = 'http://127.0.0.1:1';
  const s3 = await open({ endpoint });
  for (const request of [
    async () => getObject(s3, place),
    async () => putObject(s3, place, of('x'), { pauseMs: 1 }),
  ])
    expect(await failureOf(request())).toMatchObject({
      code: 'Unreachable',
      message: `${endpoint} cannot be reached: ECONNREFUSED`,
      hint: expect.stringContaining('AWS_ENDPOINT_URL_S3'),
    });
});

test('a store whose certificate nobody vouches for', async () => {
  const tls = await httpsServer((_request, response) => void response.end());
  const s3 = await open({ endpoint: tls.origin });
  expect(await failureOf(getObject(s3, place))).toMatchObject({
    code: 'CertificateNotTrusted',
    hint: expect.stringContaining('NODE_EXTRA_CA_CERTS='),
  });
  await tls.close();
});

test('a bucket of another region is said to be there', async () => {
  const redirect = Object.assign(new Error('elsewhere'), {
    name: 'PermanentRedirect',
    $metadata: { httpStatusCode: 301 },
    $response: { headers: { 'x-amz-bucket-region': 'eu-west-1' } },
  });
  expect(asS3Error(redirect, await open(), place)).toMatchObject({
    code: 'WrongRegion',
    message: `the bucket '${BUCKET}' is in eu-west-1`,
    hint: 'set AWS_REGION=eu-west-1',
  });
});
