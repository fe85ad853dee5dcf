// Bad input and a host that lacks something: one clear error with its code and exit code, and nothing left behind.
import { execa } from 'execa';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { cachedImage, Cloud, openCloud, PROGRAM } from '../support/cloud.ts';
import { expectNoLeaks, snapshot, type Snapshot } from '../support/leaks.ts';

let before: Snapshot;
let cloud: Cloud;

beforeAll(async () => {
  before = await snapshot();
  cloud = await openCloud('tiny');
  writeFileSync(join(cloud.home, 'too-large'), Buffer.alloc(16_385, 'x'));
  await cloud.bonami('run', 'tiny', '--dry-run');
});

afterEach(async () => {
  await expectNoLeaks(before, { home: cloud.home });
});

afterAll(async () => {
  await cloud.close();
  await expectNoLeaks(before);
});

const REFUSED: readonly (readonly [what: string, words: string, code: string, culprit: string])[] = [
  ['an unknown image', 'run nosuch', 'InvalidAMIID.NotFound', "'nosuch'"],
  ['an unknown type', 'run tiny -t t9.huge', 'InvalidParameterValue', "'t9.huge'"],
  ['an unknown key pair', 'run tiny -k nokey', 'InvalidKeyPair.NotFound', "'nokey'"],
  ['an unknown group', 'run tiny -g nogroup', 'InvalidGroup.NotFound', "'nogroup'"],
  [
    'an unknown subnet',
    'run tiny --subnet subnet-0123456789abcdef0',
    'InvalidSubnetID.NotFound',
    'subnet-0123456789abcdef0',
  ],
  ['another architecture', 'run tiny -t t4g.micro', 'InvalidParameterValue', "'t4g.micro'"],
  ['more memory than there is', 'run tiny --memory 99999999', 'InsufficientInstanceCapacity', '99999999'],
  ['too much user data', 'run tiny -u HOME/too-large', 'InvalidParameterValue', '16384'],
  ['a volume of no size', 'run tiny --disk 0', 'InvalidBlockDeviceMapping', 'size 0GB'],
  ['a device given twice', 'run tiny -b /dev/sdf=1 -b /dev/sdf=2', 'InvalidBlockDeviceMapping', "'/dev/sdf'"],
  ['no instances', 'run tiny -c 0', 'InvalidParameterValue', 'count 0'],
  ['an unknown instance', 'stop nosuch', 'InvalidInstanceID.NotFound', "'nosuch'"],
  ['a path that is no image', 'image import HOME/nosuch.qcow2', '', 'nosuch.qcow2'],
  [
    'an export over a folder',
    'image export tiny HOME --format raw --force',
    'FileUnwritable',
    'no regular file',
  ],
  ['a file that is no image', 'image import HOME/too-large --format qcow2', '', 'too-large'],
];

test.each(REFUSED)('%s is refused', async (_what, words, code, culprit) => {
  const { code: exit, stderr, stdout } = await cloud.try(words.replaceAll('HOME', cloud.home).split(' '));
  expect(exit).toBe(1);
  expect(stderr).toContain(`error: ${code}`);
  expect(stderr).toContain(culprit);
  expect(stdout).toBe('');
});

const MISUSED: readonly (readonly [what: string, words: string, culprit: string])[] = [
  ['an unknown command', 'frobnicate', "'frobnicate'"],
  ['an unknown option', 'run --bogus', 'bogus'],
  ['a missing instance', 'ssh', 'bonami ssh --help'],
  ['user data that cannot be read', 'run tiny -u HOME/nosuch', 'nosuch'],
  ['a folder as user data', 'run tiny -u HOME', 'EISDIR'],
  ['a word where a number belongs', 'run tiny --disk big', '--disk'],
  ['a negative time', 'run tiny --timeout -1', '--timeout'],
  ['a block device that is none', 'run tiny -b 20', "'20'"],
];

test.each(MISUSED)('%s is wrong usage', async (_what, words, culprit) => {
  const { code, stderr } = await cloud.try(words.replaceAll('HOME', cloud.home).split(' '));
  expect(code).toBe(2);
  expect(stderr).toContain(culprit);
});

/** Runs bonami where some mount hides a part of the host; namespaces that it makes are the host's own. */
async function hiding(mounts: string, ...args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const script = `${mounts}\nexec "$@"`;
  const { exitCode, stderr } = await execa(
    'unshare',
    ['-m', '--propagation', 'unchanged', 'sh', '-euc', script, 'sh', process.execPath, PROGRAM, ...args],
    { reject: false, env: { BONAMI_HOME: cloud.home, BONAMI_INTERNET: 'off' }, timeout: 60_000 },
  );
  return { code: exitCode ?? -1, stderr };
}

test('a host without a tun device gets told how to have one', async () => {
  const { code, stderr } = await hiding(
    'mount --make-private /dev; mount -t tmpfs none /dev/net',
    'run',
    'tiny',
  );
  expect(code).toBe(1);
  expect(stderr).toContain("NoTunDevice: '/dev/net/tun'");
  expect(stderr).toContain('sudo modprobe tun');
});

test('a host without QEMU gets told which package has it', async () => {
  const layers = join(cloud.home, 'layers');
  for (const name of ['upper', 'work']) mkdirSync(join(layers, name), { recursive: true });
  // A whiteout: an overlay shows no file where its upper layer has this device.
  await execa('mknod', [join(layers, 'upper/qemu-system-x86_64'), 'c', '0', '0']);
  const { code, stderr } = await hiding(
    `mount --make-private /
     mount -t overlay none -o lowerdir=/usr/bin,upperdir=${layers}/upper,workdir=${layers}/work /usr/bin`,
    'run',
    'tiny',
  );
  expect(code).toBe(1);
  expect(stderr).toContain("CommandNotFound: 'qemu-system-x86_64'");
  expect(stderr).toContain('apt-get install qemu-system-x86');
});

test('a user whose home is somebody else’s is told which folder, and leaves nothing', async () => {
  const home = mkdtempSync('/var/tmp/bonami-test-user-');
  const run = mkdtempSync('/var/tmp/bonami-test-run-');
  const { exitCode, stderr } = await execa(
    'setpriv',
    ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath, PROGRAM, 'run', 'tiny'],
    { reject: false, env: { HOME: home, XDG_RUNTIME_DIR: run, BONAMI_HOME: join(home, 'bonami') } },
  );
  for (const folder of [home, run]) rmSync(folder, { recursive: true, force: true });
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /^error: InvalidHome: '\/var\/tmp\/bonami-test-(?:user|run)-\w+' belongs to another user/,
  );
});

test('a home whose disk is nearly full launches nothing', async () => {
  const small = new Cloud(mkdtempSync('/var/tmp/bonami-test-small-'));
  await execa('mount', ['-t', 'tmpfs', '-o', 'size=520m,mode=0711', 'none', small.home]);
  try {
    await small.bonami('image', 'import', cachedImage('tiny'), '--name', 'tiny', '--first-boot', 'tiny');
    const { code, stderr } = await small.try(['run', 'tiny']);
    expect(code).toBe(1);
    expect(stderr).toContain('NoSpace');
    expect(stderr).toContain(small.home);
    expect(await small.ls('-a')).toEqual([]);
  } finally {
    await execa('umount', [small.home]);
    await small.close();
  }
});

test('a damaged home says which file, and is not touched', async () => {
  const broken = new Cloud(mkdtempSync('/var/tmp/bonami-test-broken-'));
  writeFileSync(broken.layout.database, 'not a database, but somebody may want it back');
  const { code, stderr } = await broken.try(['ls']);
  rmSync(broken.home, { recursive: true, force: true });
  rmSync(broken.layout.run, { recursive: true, force: true });
  expect(code).toBe(1);
  expect(stderr).toContain('state.db');
});
