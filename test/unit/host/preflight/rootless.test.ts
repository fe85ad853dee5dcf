import { mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tun } from '../../../../src/host/preflight/devices.ts';
import { fileWithoutRange, refusingSetting } from '../../../../src/host/preflight/rootless.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

describe('the kernel setting that keeps user namespaces from ordinary users', () => {
  test.each([
    ['kernel/unprivileged_userns_clone', '0\n', 'kernel.unprivileged_userns_clone', 1],
    ['user/max_user_namespaces', '0\n', 'user.max_user_namespaces', 15_000],
    [
      'kernel/apparmor_restrict_unprivileged_userns',
      '1\n',
      'kernel.apparmor_restrict_unprivileged_userns',
      0,
    ],
  ])('%s', (path, text, name, wanted) => {
    using folder = settings({ [path]: text });
    expect(refusingSetting({ folder: folder.path })).toMatchObject({ name, wanted });
  });

  test('is none where all of them allow it, or are unknown to the kernel', () => {
    using allowing = settings({
      'kernel/unprivileged_userns_clone': '1\n',
      'user/max_user_namespaces': '100\n',
      'kernel/apparmor_restrict_unprivileged_userns': '0\n',
    });
    using unknown = settings({});
    for (const { path } of [allowing, unknown]) expect(refusingSetting({ folder: path })).toBeUndefined();
  });
});

describe('subordinate ids', () => {
  const owner = userInfo().username;
  test.each([
    ['by name', `${owner}:100000:65536\n`],
    ['by number', `somebody:1:1\n${process.getuid?.()}:100000:65536\n`],
  ])('are given %s', (_, text) => {
    using folder = settings({ subuid: text, subgid: text });
    expect(fileWithoutRange(folder.path)).toBeUndefined();
  });

  test.each([
    ['subuid', { subuid: `not-${owner}:100000:65536\n`, subgid: `${owner}:100000:65536\n` }],
    ['subgid', { subuid: `${owner}:100000:65536\n`, subgid: '' }],
    ['subuid', {}],
  ])('are missing in %s', (file, files) => {
    using folder = settings(files);
    expect(fileWithoutRange(folder.path)).toBe(join(folder.path, file));
  });
});

describe('the tun device', () => {
  test('that is missing has a remedy', () => {
    expect(tun('/dev/net/no-such-tun', false)).toMatchObject({
      status: 'fail',
      remedy: 'sudo modprobe tun',
    });
  });

  test('that is root’s alone is no device for root’s machines either', () => {
    using folder = settings({ tun: '' });
    const device = join(folder.path, 'tun');
    expect(tun(device, true)).toMatchObject({ status: 'fail', remedy: `sudo chmod 0666 ${device}` });
    expect(tun(device, false)).toMatchObject({ status: 'ok' });
  });
});

/** A folder of small files, which are not for everybody. */
function settings(files: Readonly<Record<string, string>>): Disposable & { readonly path: string } {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder.path, name)), { recursive: true });
    writeFileSync(join(folder.path, name), text, { mode: 0o600 });
  }
  return folder;
}
