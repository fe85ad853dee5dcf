import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { catalogEntry as schema } from '../../../../src/ec2/images/catalog-entry.ts';
import type { CatalogDownload, CatalogEntry } from '../../../../src/ec2/images/catalog.ts';
import {
  type ResolvedDownload,
  asCatalogMoved,
  resolveDownload,
} from '../../../../src/ec2/images/resolve-download.ts';
import { HostError } from '../../../../src/core/errors.ts';
import { type HttpsServer, httpsServer } from '../../../support/https-server.ts';

const HEX = 'a'.repeat(64);
let server: HttpsServer;
/** What lies where; each answer counts. */
let texts: Record<string, string>;
let asked: string[];

beforeEach(async () => {
  [texts, asked] = [{}, []];
  server = await httpsServer((request, response) => {
    asked.push(request.url ?? '');
    const text = texts[request.url ?? ''];
    if (text === undefined) response.writeHead(404).end();
    else response.end(text);
  });
});
afterEach(async () => server.close());

async function resolve(
  rules: Partial<CatalogDownload>,
  facts: Partial<CatalogEntry> = {},
): Promise<ResolvedDownload> {
  const parsed = schema.parse({
    name: 'test-1',
    description: 'a test',
    architecture: 'x86_64',
    bootMode: 'uefi',
    rootDeviceName: '/dev/xvda',
    defaultUser: 'test',
    firstBoot: 'cloud-init',
    rootPartition: null,
    minimumDiskGiB: 1,
    download: {
      url: `${server.origin}/disk.qcow2`,
      checksumUrl: `${server.origin}/SUMS`,
      checksumAlgorithm: 'sha256',
      format: 'qcow2',
      checkedLive: false,
      ...rules,
    },
    ...facts,
  });
  const { build: _none, ...entry } = parsed;
  if (entry.download === undefined) throw new Error('no download');
  return resolveDownload({ ...entry, recipe: undefined }, entry.download, {
    signal: new AbortController().signal,
    ca: server.ca,
    allowedHosts: ['localhost'],
  });
}

describe('a fixed address', () => {
  test('has its digest in a file for all', async () => {
    texts['/SUMS'] = `${HEX}  disk.qcow2\n`;
    expect(await resolve({})).toEqual({
      url: `${server.origin}/disk.qcow2`,
      file: 'disk.qcow2',
      digest: { algorithm: 'sha256', hex: HEX },
      checksumUrl: `${server.origin}/SUMS`,
      format: 'qcow2',
      compression: undefined,
    });
    expect(asked).toEqual(['/SUMS']);
  });

  test('has its digest in a file of its own, in the form that was said', async () => {
    texts['/disk.qcow2.SUM'] = `SHA256 (disk.qcow2) = ${HEX}\n`;
    const checksumUrl = `${server.origin}/\${file}.SUM`;
    expect((await resolve({ checksumUrl, checksumForm: 'bsd' })).digest.hex).toBe(HEX);
    await expect(resolve({ checksumUrl, checksumForm: 'hex-file' })).rejects.toMatchObject({
      code: 'ChecksumMissing',
      message: expect.stringContaining('disk.qcow2.SUM'),
    });
  });
});

describe('an index', () => {
  const rules = (): Partial<CatalogDownload> => ({
    index: `${server.origin}/list/`,
    pattern: String.raw`disk-(?<build>[0-9.]+)\.qcow2`,
    url: `${server.origin}/files/\${file}`,
    checksumUrl: `${server.origin}/sums/\${build}`,
  });

  test('leads to the newest file, and its groups to the digest', async () => {
    texts['/list/'] = '<a href="disk-1.9.qcow2">a</a><a href="disk-1.10.qcow2">b</a>';
    texts['/sums/1.10'] = `${HEX}  disk-1.10.qcow2`;
    expect(await resolve(rules())).toMatchObject({
      url: `${server.origin}/files/disk-1.10.qcow2`,
      file: 'disk-1.10.qcow2',
      checksumUrl: `${server.origin}/sums/1.10`,
    });
  });

  test('that is the checksum file itself is read once', async () => {
    texts['/SUMS'] = `${HEX}  disk-1.qcow2\n`;
    const own = { ...rules(), index: `${server.origin}/SUMS`, checksumUrl: `${server.origin}/SUMS` };
    expect((await resolve(own)).file).toBe('disk-1.qcow2');
    expect(asked).toEqual(['/SUMS']);
  });

  test('that names nothing like it, or is gone, has moved', async () => {
    texts['/list/'] = '<a href="disk-1.qcow2.sha256">';
    const home = 'https://publisher.example/cloud';
    await expect(resolve(rules(), { home })).rejects.toMatchObject({
      code: 'CatalogMoved',
      message: expect.stringContaining(`${server.origin}/list/`),
      hint: `look for the image at ${home}, then: bonami image import URL --sha256 HEX`,
    });
    delete texts['/list/'];
    await expect(resolve(rules())).rejects.toMatchObject({
      code: 'CatalogMoved',
      message: expect.stringContaining(`'${server.origin}/list/', where 'test-1' was published`),
      hint: expect.stringContaining(server.origin),
    });
  });
});

test('a checksum file that is gone has moved', async () => {
  await expect(resolve({})).rejects.toMatchObject({
    code: 'CatalogMoved',
    message: expect.stringContaining(`${server.origin}/SUMS`),
  });
});

test('only what is missing has moved', () => {
  const other = new HostError('DownloadFailed', 'status 500');
  const entry = { name: 'test-1' } as CatalogEntry;
  expect(asCatalogMoved(other, entry, 'https://a.example/b')).toBe(other);
  expect(asCatalogMoved(new HostError('DownloadMissing', '404'), entry, 'https://a.example/b')).toMatchObject(
    {
      code: 'CatalogMoved',
    },
  );
});
