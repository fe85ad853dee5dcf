import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { catalogEntry, readCatalog } from '../../../../src/ec2/images/catalog.ts';
import { describeEntry } from '../../../../src/ec2/images/image-description.ts';
import { DEFAULT_IMAGE } from '../../../../src/ec2/images/resolve-image.ts';

const SHIPPED = fileURLToPath(new URL('../../../../images', import.meta.url));

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

describe('the shipped catalog', () => {
  test('has an entry in every folder that has an image.yaml, and the default image', async () => {
    const entries = await readCatalog(SHIPPED);
    const folders = readdirSync(SHIPPED).filter((name) => existsSync(join(SHIPPED, name, 'image.yaml')));
    expect(entries.length).toBe(folders.length);
    expect(entries.map(({ name }) => name)).toEqual(folders.toSorted());
    expect(entries.map(({ name }) => name)).toContain(DEFAULT_IMAGE);
  });

  test('says for each image how to get it, by programs that can be run', async () => {
    const entries = await readCatalog(SHIPPED);
    expect(entries.filter(({ recipe, download }) => recipe === undefined && download === undefined)).toEqual(
      [],
    );
    for (const { recipe } of entries) if (recipe !== undefined) accessSync(recipe, constants.X_OK);
  });
});

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
    expect(describeEntry(entry)).toEqual({
      name: 'test-1',
      description: 'a test',
      architecture: 'x86_64',
      bootMode: 'legacy-bios',
      rootDeviceName: '/dev/xvda',
      defaultUser: 'debian',
      firstBoot: 'cloud-init',
      minimumDiskGiB: 3,
    });
  });

  test('shares the recipe of another', async () => {
    write('test-1', `${GOOD}build: ../shared/build.sh\n`);
    const { recipe } = await catalogEntry(folder, 'test-1');
    expect(recipe).toBe(join(folder, 'shared/build.sh'));
  });

  test.each([
    ['an unknown key', `${GOOD}userData: no\n`],
    ['a missing key', GOOD.replace('bootMode: legacy-bios', '')],
    ['an unknown architecture', GOOD.replace('x86_64', 'riscv64')],
    ['a recipe outside of the catalog', `${GOOD}build: ../../evil.sh\n`],
    ['a recipe at an absolute path', `${GOOD}build: /bin/sh\n`],
    ['a package that is an option', `${GOOD}builtWith: [--root=/]\n`],
    [
      'plain http',
      `${GOOD}download: {url: "http://a.example/b", checksumUrl: "https://a.example/c", checksumAlgorithm: sha512, format: qcow2, checkedLive: false}\n`,
    ],
    ['text that is no YAML', ':\n  - ]'],
  ])('with %s is broken, and its file is named', async (_what, text) => {
    write('test-1', text);
    await expect(readCatalog(folder)).rejects.toMatchObject({
      code: 'CatalogBroken',
      message: expect.stringContaining(join(folder, 'test-1/image.yaml')),
    });
  });

  test('that does not exist is an error that names those that do', async () => {
    write('test-1', GOOD);
    await expect(catalogEntry(folder, 'test-2')).rejects.toMatchObject({
      code: 'InvalidAMIID.NotFound',
      message: expect.stringContaining('test-1'),
    });
  });
});
