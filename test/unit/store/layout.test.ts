import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { layoutOf, type Layout, locate, makeFolder, prepareHome } from '../../../src/store/layout.ts';

const ROOT = process.getuid?.() === 0;

describe('where things are', () => {
  test.each([
    ['root', {}, 0, '/var/lib/bonami', '/run/bonami'],
    ['root with XDG', { XDG_DATA_HOME: '/d', XDG_RUNTIME_DIR: '/r' }, 0, '/var/lib/bonami', '/run/bonami'],
    ['a user', { HOME: '/home/u' }, 7, '/home/u/.local/share/bonami', '/tmp/bonami-7/bonami'],
    [
      'a user with XDG',
      { HOME: '/home/u', XDG_DATA_HOME: '/d', XDG_RUNTIME_DIR: '/r' },
      7,
      '/d/bonami',
      '/r/bonami',
    ],
    [
      'a user with empty variables',
      { HOME: '/home/u', XDG_DATA_HOME: '', XDG_RUNTIME_DIR: '', BONAMI_HOME: '' },
      7,
      '/home/u/.local/share/bonami',
      '/tmp/bonami-7/bonami',
    ],
    ['a user without a home', {}, 7, '/.local/share/bonami', '/tmp/bonami-7/bonami'],
  ])('for %s', (_who, env, uid, home, run) => {
    expect(locate(env, uid)).toEqual({ home, run });
  });

  test.each([
    [0, {}, /^\/run\/bonami-[0-9a-f]{12}$/],
    [7, {}, /^\/tmp\/bonami-7\/bonami-[0-9a-f]{12}$/],
    [7, { XDG_RUNTIME_DIR: '/r' }, /^\/r\/bonami-[0-9a-f]{12}$/],
  ])('for user %d with a home of its own, the run folder goes with it', (uid, env, run) => {
    const first = locate({ ...env, BONAMI_HOME: '/srv/a' }, uid);
    expect(first.home).toBe('/srv/a');
    expect(first.run).toMatch(run);
    expect(locate({ ...env, BONAMI_HOME: '/srv/a' }, uid)).toEqual(first);
    expect(locate({ ...env, BONAMI_HOME: '/srv/b' }, uid).run).not.toBe(first.run);
  });

  test('naming the usual home is the same as naming none: the agent is told the home by its name', () => {
    expect(locate({ BONAMI_HOME: '/var/lib/bonami/' }, 0)).toEqual(locate({}, 0));
    const user = { HOME: '/home/ada', XDG_RUNTIME_DIR: '/run/user/1000' };
    expect(locate({ ...user, BONAMI_HOME: '/home/ada/.local/share/bonami' }, 1000)).toEqual(
      locate(user, 1000),
    );
  });

  test('a home is the same however its path is written', () => {
    expect(locate({ BONAMI_HOME: '/srv/x/../a/' }, 0)).toEqual(locate({ BONAMI_HOME: '/srv/a' }, 0));
    expect(locate({ BONAMI_HOME: 'a' }, 0).home).toBe(join(process.cwd(), 'a'));
  });
});

describe('the paths of a layout', () => {
  const layout = layoutOf({ home: '/h', run: '/r' });
  const instance = layout.instance('i-0123456789abcdef0');

  test('keep what lasts in the home', () => {
    const image = layout.image('ami-0123456789abcdef0');
    const lasting = [
      layout.database,
      layout.identityKey,
      image.incoming,
      layout.snapshot('snap-0123456789abcdef0').folder,
      layout.snapshot('snap-0123456789abcdef0').incoming,
      layout.volume('vol-0123456789abcdef0').folder,
      layout.keyPair('key-0123456789abcdef0').privateKey,
      instance.folder,
      instance.console,
      instance.firmwareVariables,
      instance.userData,
      instance.seed,
      instance.instanceStore,
      instance.ignition,
    ];
    expect(lasting.filter((path) => !path.startsWith('/h/'))).toEqual([]);
    expect(new Set(lasting).size).toBe(lasting.length);
  });

  test('keep what a reboot voids in the run folder', () => {
    const { folder, console, firmwareVariables, userData, seed, ignition, instanceStore, ...running } =
      instance;
    const voided = [
      ...Object.values(running),
      ...Object.values(layout.vpc('vpc-0123456789abcdef0')),
      ...Object.values(layout.agent),
      layout.image('ami-0123456789abcdef0').lock,
      layout.snapshot('snap-0123456789abcdef0').lock,
      layout.volume('vol-0123456789abcdef0').lock,
      layout.knownFacts,
    ];
    expect(voided.filter((path) => !path.startsWith('/r/'))).toEqual([]);
    expect(new Set(voided).size).toBe(voided.length);
    expect([folder, console, firmwareVariables, userData, seed, ignition, instanceStore]).not.toContain(
      running.runFolder,
    );
  });

  test("keep the locks and the machine's identity out of the folder that the machine may write to", () => {
    const inside = [instance.qmpAgent, instance.qmpCli, instance.serial];
    expect(inside.filter((path) => !path.startsWith(`${instance.socketFolder}/`))).toEqual([]);
    const outside = [instance.operationLock, instance.runLock, instance.machine, instance.events];
    expect(outside.filter((path) => path.startsWith(instance.socketFolder))).toEqual([]);
  });

  test('keep the lock of an operation when the run folder of its instance goes', () => {
    expect(instance.operationLock.startsWith(`${instance.runFolder}/`)).toBe(false);
  });
});

describe('prepareHome', () => {
  let base: string;
  beforeEach(() => (base = mkdtempSync(join(tmpdir(), 'bonami-layout-'))));
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  const layoutIn = (home = 'home', run = 'run'): Layout =>
    layoutOf({ home: join(base, home), run: join(base, run) });
  const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

  test('makes the folders, closed to others, whatever the umask is', () => {
    const before = process.umask(0o077);
    try {
      const layout = layoutIn();
      prepareHome(layout);
      const passable = [layout.home, layout.run, layout.snapshots, layout.volumes, layout.instances];
      expect(passable.map(modeOf)).toEqual(passable.map(() => (ROOT ? '711' : '700')));
      expect([layout.incoming, layout.keys].map(modeOf)).toEqual(['700', '700']);
    } finally {
      process.umask(before);
    }
  });

  test('leaves what is there, and may be called again', () => {
    const layout = layoutIn();
    prepareHome(layout);
    mkdirSync(join(layout.snapshots, 'snap-0123456789abcdef0'));
    prepareHome(layout);
    expect(existsSync(join(layout.snapshots, 'snap-0123456789abcdef0'))).toBe(true);
  });

  test.each(['with space', 'a,b', 'a=b', 'a:b', 'a\nb', 'é', "a'b"])(
    'refuses the name %j, in the home as in the run folder, and makes nothing',
    (name) => {
      for (const layout of [layoutIn(name, 'run'), layoutIn('home', name)]) {
        expect(() => prepareHome(layout)).toThrow(
          expect.objectContaining({
            code: 'InvalidHome',
            message: expect.stringContaining(`'${join(base, name)}'`),
            hint: expect.stringContaining('BONAMI_HOME'),
          }),
        );
        expect([layout.home, layout.run].filter((path) => existsSync(path))).toEqual([]);
      }
    },
  );

  test('allows . _ - + @ and % in a name', () => {
    expect(() => prepareHome(layoutIn('a.b_c-d+e@f%g'))).not.toThrow();
  });

  test('refuses a run folder whose socket paths a kernel cannot take', () => {
    const rest = layoutOf({ home: '/h', run: '' }).instance('i-00000000000000000').qmpAgent.length;
    const fitting = 107 - rest - base.length - 2;
    expect(() => prepareHome(layoutIn('home', 'r'.repeat(fitting)))).not.toThrow();
    const long = layoutIn('home', 'r'.repeat(fitting + 3));
    expect(() => prepareHome(long)).toThrow(
      expect.objectContaining({
        code: 'InvalidHome',
        message: `the socket path '${long.instance('i-00000000000000000').qmpAgent}' is longer than 107 bytes`,
        hint: expect.stringContaining('XDG_RUNTIME_DIR'),
      }),
    );
  });

  test.each([
    ['home', 0o770],
    ['home', 0o707],
    ['run', 0o720],
    ['run', 0o702],
  ])('refuses a %s folder of the mode %o, and says how to mend it', (name, mode) => {
    mkdirSync(join(base, name));
    chmodSync(join(base, name), mode);
    expect(() => prepareHome(layoutIn())).toThrow(
      expect.objectContaining({
        code: 'InvalidHome',
        message: `'${join(base, name)}' may be written by others`,
        hint: `chmod go-w ${join(base, name)}`,
      }),
    );
    expect(modeOf(join(base, name))).toBe(mode.toString(8));
  });

  test("refuses another user's folder, and names the user", () => {
    // Only root can give a folder away; for everybody else the root of the file system is another's.
    const foreign = ROOT ? join(base, 'home') : '/';
    if (ROOT) {
      mkdirSync(foreign);
      chownSync(foreign, 12_345, 12_345);
    }
    expect(() => prepareHome(layoutOf({ home: foreign, run: join(base, 'run') }))).toThrow(
      expect.objectContaining({
        code: 'InvalidHome',
        message: `'${foreign}' belongs to another user (uid ${statSync(foreign).uid})`,
        hint: expect.stringContaining('BONAMI_HOME'),
      }),
    );
  });

  test('makeFolder gives an existing folder its mode, and makes those above it', () => {
    const path = join(base, 'a/b');
    makeFolder(path, 0o700);
    expect(modeOf(path)).toBe('700');
    makeFolder(path, 0o711);
    expect(modeOf(path)).toBe('711');
  });
});
