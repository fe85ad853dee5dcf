import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CatalogEntry, catalogEntry, readCatalog } from '../../../../src/ec2/images/catalog.ts';

describe('a list', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'bonami-catalog-'));
    mkdirSync(join(folder, 'catalog'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const LIST = {
    distribution: 'test',
    description: 'Test ${version} (${codename}) on ${arch}',
    home: 'https://a.example/',
    source: 'a test',
    defaultUser: 'test',
    firstBoot: 'cloud-init',
    rootDeviceName: '/dev/xvda',
    rootPartition: null,
    minimumDiskGiB: 8,
    architectures: {
      x86_64: { words: { arch: 'amd64' }, bootMode: 'uefi-preferred' },
      arm64: { words: { arch: 'arm64' }, bootMode: 'uefi' },
    },
    releases: [{ version: '1.0', words: { codename: 'one' } }] as readonly object[],
    download: {
      url: 'https://a.example/${codename}/test-${version}-${arch}.img',
      checksumUrl: 'https://a.example/${codename}/${file}.sum',
      checksumAlgorithm: 'sha256',
      format: 'qcow2',
      checkedLive: false,
    },
  };
  const write = (list: unknown, name = 'test'): void =>
    writeFileSync(join(folder, 'catalog', `${name}.yaml`), JSON.stringify(list));
  const named = async (name: string): Promise<CatalogEntry> => catalogEntry(folder, name);

  test('is an entry for each release and architecture', async () => {
    write({ ...LIST, releases: [...LIST.releases, { version: '2.0', words: { codename: 'two' } }] });
    const entries = await readCatalog(folder);
    expect(entries.map(({ name, architecture }) => [name, architecture])).toEqual([
      ['test-1.0', 'x86_64'],
      ['test-1.0-arm64', 'arm64'],
      ['test-2.0', 'x86_64'],
      ['test-2.0-arm64', 'arm64'],
    ]);
    expect(entries[3]).toMatchObject({
      description: 'Test 2.0 (two) on arm64',
      bootMode: 'uefi',
      home: 'https://a.example/',
      source: 'a test',
      recipe: undefined,
      download: {
        url: 'https://a.example/two/test-2.0-arm64.img',
        checksumUrl: 'https://a.example/two/${file}.sum',
        checksumForm: 'hex-file',
      },
    });
  });

  test('lets what is nearer to the image win', async () => {
    const only = { x86_64: { cpuBaseline: 'x86-64-v2', rootPartition: 1, download: { checkedLive: true } } };
    const special = {
      version: '1.0',
      name: 'test-special',
      architectures: ['arm64'],
      words: { arch: 'other' },
    };
    const words = { codename: 'one' };
    write({
      ...LIST,
      releases: [
        { version: '1.0', words, rootPartition: 2, only },
        { ...special, words: { ...words, arch: 'other' } },
      ],
    });
    expect(await named('test-1.0')).toMatchObject({
      cpuBaseline: 'x86-64-v2',
      rootPartition: 1,
      download: { checkedLive: true, url: 'https://a.example/one/test-1.0-amd64.img' },
    });
    const arm = await named('test-1.0-arm64');
    expect(arm).toMatchObject({ rootPartition: 2, download: { checkedLive: false } });
    expect(arm.cpuBaseline).toBeUndefined();
    expect((await named('test-special-arm64')).download?.url).toContain('test-1.0-other.img');
    expect(await readCatalog(folder)).toHaveLength(3);
  });

  test.each([
    ['an unknown key', { ...LIST, colour: 'red' }],
    ['an unknown key of a release', { ...LIST, releases: [{ version: '1.0', colour: 'red' }] }],
    ['a version that YAML takes for a number', { ...LIST, releases: [{ version: 1 }] }],
    ['a word that is missing', { ...LIST, releases: [{ version: '1.0' }] }],
    ['no home', { ...LIST, home: undefined }],
    ['no source', { ...LIST, source: undefined }],
    ['a fact that is missing', { ...LIST, defaultUser: undefined }],
    ['an unknown architecture', { ...LIST, architectures: { riscv64: { bootMode: 'uefi' } } }],
    ['no download', { ...LIST, download: undefined }],
    ['a recipe', { ...LIST, build: 'build.sh' }],
    ['no releases', { ...LIST, releases: [] }],
    ['a name with a slash', { ...LIST, distribution: 'a/b' }],
  ])('with %s is broken, and its file is named', async (_what, list) => {
    write(list);
    await expect(readCatalog(folder)).rejects.toMatchObject({
      code: 'CatalogBroken',
      message: expect.stringContaining(join(folder, 'catalog/test.yaml')),
    });
  });

  test('has no name that is there already', async () => {
    write(LIST);
    write(LIST, 'again');
    await expect(readCatalog(folder)).rejects.toMatchObject({
      code: 'CatalogBroken',
      message: expect.stringContaining("'test-1.0' twice"),
    });
  });

  test('is a file that ends in .yaml', async () => {
    write(LIST);
    writeFileSync(join(folder, 'catalog/README.md'), 'not a list');
    expect(await readCatalog(folder)).toHaveLength(2);
  });
});
