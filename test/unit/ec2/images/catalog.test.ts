import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { catalogEntry, readCatalog } from '../../../../src/ec2/images/catalog.ts';
import { saidByEntry } from '../../../../src/ec2/images/image-description.ts';

const GOOD = `
name: test-1
description: a test
architecture: x86_64
bootMode: legacy-bios
rootDeviceName: /dev/xvda
defaultUser: debian
firstBoot: cloud-init
rootPartition: 1
minimumDiskGiB: 3
`;

describe('an entry', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'bonami-catalog-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string): void => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'image.yaml'), text);
  };

  test('is read, and its recipe is found beside it', async () => {
    write('test-1', `${GOOD}build: build.sh\nbuiltWith: [mmdebstrap, e2fsprogs]\n`);
    mkdirSync(join(folder, 'not-an-entry'));
    const entry = await catalogEntry(folder, 'test-1');
    expect(entry).toMatchObject({
      recipe: join(folder, 'test-1/build.sh'),
      builtWith: ['mmdebstrap', 'e2fsprogs'],
    });
    expect(saidByEntry(entry)).toEqual({
      name: 'test-1',
      description: 'a test',
      architecture: 'x86_64',
      bootMode: 'legacy-bios',
      rootDeviceName: '/dev/xvda',
      defaultUser: 'debian',
      firstBoot: 'cloud-init',
      cpuBaseline: null,
    });
  });

  test('shares the recipe of another', async () => {
    write('test-1', `${GOOD}build: ../shared/build.sh\n`);
    const { recipe } = await catalogEntry(folder, 'test-1');
    expect(recipe).toBe(join(folder, 'shared/build.sh'));
  });

  test('takes what its CPU must have, and what nobody knows', async () => {
    write('test-1', `${GOOD.replace('rootPartition: 1', 'rootPartition: null')}cpuBaseline: x86-64-v3\n`);
    const entry = await catalogEntry(folder, 'test-1');
    expect(entry.rootPartition).toBeNull();
    expect(saidByEntry(entry).cpuBaseline).toBe('x86-64-v3');
  });

  const download = (fields: Readonly<Record<string, unknown>>): string =>
    `${GOOD}download: ${JSON.stringify({
      url: 'https://a.example/b.qcow2',
      checksumUrl: 'https://a.example/SUMS',
      checksumAlgorithm: 'sha512',
      format: 'qcow2',
      checkedLive: false,
      ...fields,
    })}\n`;

  test('with a download reads lines of `hex  file` unless it says otherwise', async () => {
    write('test-1', download({}));
    expect((await catalogEntry(folder, 'test-1')).download?.checksumForm).toBe('hex-file');
  });

  const index = { index: 'https://a.example/', pattern: '(?<build>x+)' };
  test.each([
    ['an unknown key', `${GOOD}userData: no\n`],
    ['a missing key', GOOD.replace('bootMode: legacy-bios', '')],
    ['an unknown architecture', GOOD.replace('x86_64', 'riscv64')],
    ['an unknown first boot', GOOD.replace('cloud-init', 'magic')],
    ['an unknown CPU', `${GOOD}cpuBaseline: x86-64-v4\n`],
    ['a recipe outside of the catalog', `${GOOD}build: ../../evil.sh\n`],
    ['a recipe at an absolute path', `${GOOD}build: /bin/sh\n`],
    ['a package that is an option', `${GOOD}builtWith: [--root=/]\n`],
    ['plain http', download({ url: 'http://a.example/b' })],
    ['a digest over plain http', download({ checksumUrl: 'http://a.example/b' })],
    ['an index over plain http', download({ ...index, index: 'http://a.example/' })],
    ['a login in an address', download({ url: 'https://user:secret@a.example/b' })],
    ['a host that is filled in', download({ url: 'https://${file}.example/b' })],
    ['an unknown form', download({ checksumForm: 'gnu' })],
    ['an index without a pattern', download({ index: 'https://a.example/' })],
    ['a pattern without an index', download({ pattern: 'x' })],
    ['a broken pattern', download({ ...index, pattern: '(' })],
    ['a pattern that leaves the folder', download({ ...index, pattern: '../x' })],
    ['a word that nothing stands for', download({ url: 'https://a.example/${codename}' })],
    ['a file name without an index', download({ url: 'https://a.example/${file}' })],
    ['a group that the pattern has not', download({ ...index, checksumUrl: 'https://a.example/${version}' })],
    ['a word in its index', download({ ...index, index: 'https://a.example/${build}/' })],
    ['text that is no YAML', ':\n  - ]'],
  ])('with %s is broken, and its file is named', async (_what, text) => {
    write('test-1', text);
    await expect(readCatalog(folder)).rejects.toMatchObject({
      code: 'CatalogBroken',
      message: expect.stringContaining(join(folder, 'test-1/image.yaml')),
    });
  });

  test('that does not exist is an error that names those of its distribution', async () => {
    write('test-1', GOOD);
    write('other-1', GOOD.replace('test-1', 'other-1'));
    const error: unknown = await catalogEntry(folder, 'test-2').catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'InvalidAMIID.NotFound',
      message: "The catalog has no image 'test-2', only test-1",
      hint: 'bonami image catalog',
    });
    await expect(catalogEntry(folder, 'third')).rejects.toThrow(/^The catalog has no image 'third'$/);
  });
});
