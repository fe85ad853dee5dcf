import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Ec2Context } from '../../src/ec2/context.ts';
import { type ImageFormat, exportImage } from '../../src/ec2/images/export-image.ts';
import { importImage } from '../../src/ec2/images/import-image.ts';
import { createRestoreImageTask, createStoreImageTask } from '../../src/ec2/images/store-image-task.ts';
import { openS3 } from '../../src/host/s3/client.ts';
import { listObjects } from '../../src/host/s3/objects.ts';
import { putObject } from '../../src/host/s3/put-object.ts';
import { type Image, images } from '../../src/store/images.ts';
import { type TestContext, testContext } from '../support/context.ts';
import { type Drop, droppingProxy } from '../support/dropping-proxy.ts';
import { expectNothingLeft, expectOnly, importing, makeDisk, rootDisk } from '../support/image-files.ts';
import { BUCKET, type S3Server, s3Server } from '../support/s3-server.ts';

const MIB = 2 ** 20;

let folder: string;
let raw: string;
let server: S3Server;
let home: TestContext;
const cleanups: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-s3-images-'));
  raw = makeDisk(join(folder, 'original.raw'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  server = await s3Server();
  for (const [name, value] of Object.entries(server.environment)) vi.stubEnv(name, value);
  home = testContext();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  home.cleanup();
  for (const cleanup of cleanups.splice(0)) await cleanup();
  await server.close();
});

const url = (key: string): string => `s3://${BUCKET}/${key}`;

async function put(key: string, content: Buffer): Promise<void> {
  const s3 = await openS3({ signal: new AbortController().signal });
  await putObject(s3, { bucket: BUCKET, key }, Readable.from([content], { objectMode: false }));
  s3.close();
}

async function keys(): Promise<readonly string[]> {
  const s3 = await openS3({ signal: new AbortController().signal });
  const found: string[] = [];
  for await (const { key } of listObjects(s3, BUCKET)) found.push(key);
  s3.close();
  return found;
}

/** Where the store is reached over connections that break. */
async function behind(
  drop: (connection: number) => Drop | undefined,
): Promise<{ readonly endpoint: string }> {
  const proxy = await droppingProxy(server.port, drop);
  cleanups.push(async () => proxy.close());
  return { endpoint: `http://127.0.0.1:${proxy.port}` };
}

async function golden({ ctx }: TestContext = home): Promise<Image> {
  return importImage(ctx, importing(raw, { said: { name: 'golden' } }));
}

describe('an image comes from a bucket', () => {
  test('raw, compressed, and over connections that break', async () => {
    const packed = execFileSync('gzip', ['-1', '-c', raw], { maxBuffer: 64 * MIB });
    await put('disk.raw', readFileSync(raw));
    await put('disk.raw.gz', packed);
    const s3 = await behind((connection) => (connection < 3 ? { down: MIB } : undefined));
    const first = await importImage(home.ctx, importing(url('disk.raw'), { s3, said: { name: 'first' } }));
    const second = await importImage(home.ctx, importing(url('disk.raw.gz'), { said: { name: 'second' } }));
    expect(rootDisk(home, first).digest).toBe(rootDisk(home, second).digest);
    await expectOnly(home, [first, second]);
  });

  test('an object that is replaced meanwhile is not mixed with another', async () => {
    await put('disk.raw', readFileSync(raw));
    const other = makeDisk(join(folder, 'other.raw'));
    const s3 = await behind((connection) => (connection === 0 ? { down: 5 * MIB } : undefined));
    let isReplaced: Promise<void> | undefined;
    const progress = (): void => void (isReplaced ??= put('disk.raw', readFileSync(other)));
    const ctx: Ec2Context = { ...home.ctx, report: { ...home.ctx.report, progress } };
    await expect(importImage(ctx, importing(url('disk.raw'), { s3 }))).rejects.toMatchObject({
      code: 'ObjectChanged',
    });
    await isReplaced;
    await expectNothingLeft(home);
  });

  test.each<[string, string, Readonly<Record<string, string>>]>([
    ['NoSuchKey', url('missing.raw'), {}],
    ['NoSuchBucket', 's3://another-bucket/disk.raw', {}],
    ['InvalidAccessKeyId', url('disk.raw'), { AWS_ACCESS_KEY_ID: 'WRONG' }],
    ['InvalidS3Url', 's3://Bad_Bucket/disk.raw', {}],
    ['InvalidS3Url', `s3://${BUCKET}`, {}],
    ['InvalidEndpoint', url('disk.raw'), { AWS_ENDPOINT_URL_S3: 'ftp://x' }],
    ['AddressNotAllowed', url('disk.raw'), { AWS_ENDPOINT_URL_S3: 'http://8.8.8.8' }],
  ])('%s: %s %j', async (code, source, environment) => {
    await put('disk.raw', readFileSync(raw));
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    await expect(importImage(home.ctx, importing(source))).rejects.toMatchObject({ code });
    await expectNothingLeft(home);
  });
});

test.each(['SignatureDoesNotMatch', 'AccessDenied', 'ExpiredToken'])(
  'a store that says %s is believed',
  async (code) => {
    server.answer = () => code;
    await expect(importImage(home.ctx, importing(url('disk.raw')))).rejects.toMatchObject({ code });
    await expectNothingLeft(home);
  },
);

describe('an image goes to a bucket', () => {
  test.each<ImageFormat>(['qcow2', 'raw', 'vmdk', 'ova', 'tar'])('%s, and comes back', async (format) => {
    const image = await golden();
    await exportImage(home.ctx, {
      image: 'golden',
      destination: url('out'),
      format,
      compress: false,
      replace: true,
    });
    using other = testContext();
    const back = await importImage(other.ctx, importing(url('out'), { said: { name: 'back' } }));
    expect(rootDisk(other, back).digest).toBe(rootDisk(home, image).digest);
    await expectOnly(home, [image]);
    expect(server.uploads()).toEqual([]);
  });

  test('interrupted, nothing is there', async () => {
    const format = 'raw' as const;
    const image = await golden();
    const progress = ({ label }: { readonly label: string }): void => {
      if (label.startsWith('uploading')) home.abort();
    };
    const ctx: Ec2Context = { ...home.ctx, report: { ...home.ctx.report, progress } };
    const request = { image: 'golden', destination: url('out'), format, compress: false, replace: true };
    await expect(exportImage(ctx, request)).rejects.toMatchObject({ code: 'Interrupted' });
    expect(await keys()).toEqual([]);
    await vi.waitFor(() => expect(server.uploads()).toEqual([]), { timeout: 4000 });
    await expectOnly(home, [image]);
  });

  test('refused by the store, nothing is there', async () => {
    const image = await golden();
    server.answer = ({ method }) => (method === 'PUT' ? 'AccessDenied' : undefined);
    const request = {
      image: 'golden',
      destination: url('out'),
      format: 'raw' as const,
      compress: false,
      replace: true,
    };
    await expect(exportImage(home.ctx, request)).rejects.toMatchObject({ code: 'AccessDenied' });
    server.answer = undefined;
    expect(await keys()).toEqual([]);
    expect(server.uploads()).toEqual([]);
    await expectOnly(home, [image]);
  });
});

describe('two homes share a bucket', () => {
  test('what one stores the other restores, with the same digest', async () => {
    const image = await golden();
    const { ObjectKey = '' } = await createStoreImageTask(home.ctx, {
      ImageId: image.imageId,
      Bucket: BUCKET,
    });
    expect(await keys()).toEqual([`${image.imageId}.bin`]);
    using other = testContext();
    const s3 = await behind((connection) => (connection === 0 ? { down: MIB } : undefined));
    const { ImageId } = await createRestoreImageTask(other.ctx, { Bucket: BUCKET, ObjectKey, Bonami: s3 });
    const [back] = images.list(other.ctx.db);
    expect(back).toMatchObject({ imageId: ImageId, name: 'golden' });
    expect(back && rootDisk(other, back).digest).toBe(rootDisk(home, image).digest);
    expect(back?.imageId).not.toBe(image.imageId);
    await expectOnly(other, back ? [back] : []);
    await expectOnly(home, [image]);
    expect(server.uploads()).toEqual([]);
  });

  test('what was spoilt in the bucket is not restored', async () => {
    const image = await golden();
    const { ObjectKey = '' } = await createStoreImageTask(home.ctx, {
      ImageId: image.imageId,
      Bucket: BUCKET,
    });
    const path = join(folder, 'unpacked.tar');
    await exportImage(home.ctx, { image: 'golden', destination: path, compress: false, replace: true });
    const spoilt = readFileSync(path);
    spoilt.fill('x', 2 * MIB, 2 * MIB + 8);
    writeFileSync(path, spoilt);
    const packed = execFileSync('zstd', ['-c', path], { maxBuffer: 64 * MIB });
    using other = testContext();
    await put(ObjectKey, packed);
    await expect(createRestoreImageTask(other.ctx, { Bucket: BUCKET, ObjectKey })).rejects.toMatchObject({
      code: 'ImageDigestMismatch',
    });
    await expectNothingLeft(other);
    await put(ObjectKey, packed.subarray(0, MIB));
    await expect(createRestoreImageTask(other.ctx, { Bucket: BUCKET, ObjectKey })).rejects.toMatchObject({
      code: 'ImageCorrupt',
    });
    await expectNothingLeft(other);
  });
});
