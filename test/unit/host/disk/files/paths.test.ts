import { describe, expect, test } from 'vitest';
import type { FileNode, FileSystem } from '../../../../../src/host/disk/files/file-system.ts';
import { exists, find, listFolder, readBytes, readText } from '../../../../../src/host/disk/files/paths.ts';

type Content = string | { readonly link: string } | { readonly [name: string]: Content };

/** A file system in memory; links are objects with nothing but a target. */
function filesOf(tree: { readonly [name: string]: Content }): FileSystem {
  const nodeOf = (content: Content): FileNode => {
    if (typeof content === 'string') return { kind: 'file', size: content.length, ref: content };
    if (isLink(content)) return { kind: 'link', size: content.link.length, ref: content.link };
    return { kind: 'folder', size: 0, ref: content };
  };
  const entries = ({ ref }: FileNode) => ref as Readonly<Record<string, Content>>;
  return {
    type: 'ext',
    label: '',
    uuid: '',
    root: async () => nodeOf(tree),
    async lookup(folder, name) {
      const found = entries(folder)[name];
      return found === undefined ? undefined : nodeOf(found);
    },
    list: async (folder) => Object.keys(entries(folder)),
    content: async ({ ref }, maxBytes) => Buffer.from(ref as string).subarray(0, maxBytes),
  };
}

function isLink(content: object): content is { readonly link: string } {
  return 'link' in content && typeof content.link === 'string';
}

const chain = Object.fromEntries(
  Array.from({ length: 20 }, (_, index) => [`link-${index}`, { link: `link-${index + 1}` }]),
);
const files = filesOf({
  etc: {
    'os-release': { link: '../usr/lib/os-release' },
    hosts: 'local',
    escape: { link: '../../../../etc/hosts' },
  },
  usr: {
    lib: { 'os-release': 'ID=x' },
    bin: { sh: { link: 'dash' }, dash: 'ELF', env: { link: '/bin/sh' } },
  },
  bin: { link: 'usr/bin' },
  ring: { link: '/ring' },
  left: { link: 'right' },
  right: { link: './left' },
  here: { link: '.' },
  top: { link: '/' },
  empty: { link: '' },
  endless: { link: '/'.repeat(5000) },
  bomb: { link: Array.from({ length: 2000 }, () => 'here').join('/') },
  ...chain,
  'link-20': 'far',
});

describe('a path leads', () => {
  test.each([
    ['/', '/'],
    ['', '/'],
    ['..', '/'],
    ['/../../etc/./hosts', '/etc/hosts'],
    ['etc//hosts', '/etc/hosts'],
    ['etc/../usr/lib', '/usr/lib'],
    ['etc/os-release', '/usr/lib/os-release'],
    ['bin/sh', '/usr/bin/dash'],
    ['bin/env', '/usr/bin/dash'],
    ['etc/escape', '/etc/hosts'],
    ['here/here/top/etc/hosts', '/etc/hosts'],
    ['link-4', '/link-20'],
  ])('%s to %s', async (path, real) => {
    await expect(find(files, path)).resolves.toMatchObject({ path: real });
    await expect(exists(files, path)).resolves.toBe(true);
  });

  test.each([
    'none',
    'etc/none',
    'etc/hosts/more',
    'etc/hosts/..',
    'ring',
    'left',
    'empty',
    'endless',
    'bomb',
    'link-3',
  ])('%s nowhere', async (path) => {
    await expect(find(files, path)).resolves.toBeUndefined();
    await expect(exists(files, path)).resolves.toBe(false);
    await expect(readText(files, path, 10)).resolves.toBeUndefined();
    await expect(listFolder(files, path)).resolves.toBeUndefined();
  });
});

test('files are read and folders listed, and not the other way round', async () => {
  await expect(readText(files, 'etc/os-release', 3)).resolves.toBe('ID=');
  await expect(readBytes(files, 'etc/hosts', 100)).resolves.toEqual(Buffer.from('local'));
  await expect(readBytes(files, 'etc', 100)).resolves.toBeUndefined();
  await expect(listFolder(files, 'bin')).resolves.toEqual(['sh', 'dash', 'env']);
  await expect(listFolder(files, 'etc/hosts')).resolves.toBeUndefined();
});
