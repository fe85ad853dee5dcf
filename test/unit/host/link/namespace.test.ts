import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  ask,
  deleteNamespace,
  ipBatch,
  isInside,
  namedNamespace,
  namespaceInode,
  OWN_NAMESPACE,
  setSysctls,
  within,
} from '../../../../src/host/link/namespace.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

/** A namespace whose commands are only shown: the words, then what they are told. */
const SHOWN = { enter: ['sh', '-c', 'echo "$@"; cat', 'sh'], file: '/nowhere' };

describe('a named namespace', () => {
  test('is where iproute2 has it, and entered by its name', () => {
    expect(namedNamespace('vpc-1')).toEqual({
      name: 'vpc-1',
      on: OWN_NAMESPACE,
      enter: ['nsenter', '--net=/run/netns/vpc-1'],
      file: '/run/netns/vpc-1',
    });
  });

  test('upon another one is entered through it, and seen where that has its files', () => {
    const anchor = { enter: ['nsenter', '--target=7', '--all'], file: '/proc/7/ns/net' };
    expect(namedNamespace('vpc-1', anchor, '/proc/7/root')).toEqual({
      name: 'vpc-1',
      on: anchor,
      enter: ['nsenter', '--target=7', '--all', 'nsenter', '--net=/run/netns/vpc-1'],
      file: '/proc/7/root/run/netns/vpc-1',
    });
  });
});

describe('the identity of a namespace', () => {
  test('is its inode, which its processes have too', () => {
    expect(namespaceInode(OWN_NAMESPACE)).toBe(statSync('/proc/self/ns/net').ino);
    expect(isInside(OWN_NAMESPACE, process.pid)).toBe(true);
  });

  test('is nothing where there is none, or a plain file that a crash has left', () => {
    using folder = temporaryFolder();
    const missing = { enter: [], file: join(folder.path, 'missing') };
    const plain = { enter: [], file: join(folder.path, 'plain') };
    writeFileSync(plain.file, '');
    for (const each of [missing, plain]) {
      expect(namespaceInode(each)).toBeUndefined();
      expect(isInside(each, process.pid)).toBe(false);
    }
  });

  test('is not of a process that is gone', () => {
    // Above the highest that a kernel gives (proc(5), pid_max).
    expect(isInside(OWN_NAMESPACE, 4_194_305)).toBe(false);
  });
});

describe('a command', () => {
  test('runs inside, and says what it printed', async () => {
    expect(await within(SHOWN, 'ip', ['link', 'show'], 'told')).toBe('ip link show\ntold');
    expect(await within(OWN_NAMESPACE, 'echo', ['here'])).toBe('here\n');
  });

  test('may fail where that is an answer', async () => {
    expect(await ask(OWN_NAMESPACE, 'sh', ['-c', 'exit 2'])).toMatchObject({ exitCode: 2 });
    const failed = expect.objectContaining({ name: 'HostError' });
    await expect(ask(OWN_NAMESPACE, 'sh', ['-c', 'exit 3'])).rejects.toEqual(failed);
    await expect(within(OWN_NAMESPACE, 'sh', ['-c', 'exit 2'])).rejects.toEqual(failed);
  });

  test('is not started without anything to do', async () => {
    const nowhere = { enter: ['/nowhere/at/all'], file: '/nowhere' };
    await ipBatch(nowhere, []);
    await setSysctls(nowhere, {});
    await expect(ipBatch(nowhere, ['link show'])).rejects.toThrow('/nowhere/at/all');
  });
});

test('a namespace that is gone need not be asked for: what it stood on may be gone too', async () => {
  const on = { enter: ['/nowhere/at/all'], file: '/nowhere' };
  const gone = { ...namedNamespace('missing', on), file: '/nowhere/missing' };
  await expect(deleteNamespace(gone)).resolves.toBeUndefined();
});
