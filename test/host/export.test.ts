import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Ec2Context } from '../../src/ec2/context.ts';
import { deregisterImage } from '../../src/ec2/images/deregister-image.ts';
import { type ExportImageRequest, type ImageFormat, exportImage } from '../../src/ec2/images/export-image.ts';
import { importImage } from '../../src/ec2/images/import-image.ts';
import { tryLock } from '../../src/host/process/lock.ts';
import type { Image } from '../../src/store/images.ts';
import { type TestContext, testContext } from '../support/context.ts';
import {
  expectNothingLeft,
  expectOnly,
  expectSameDisk,
  importing,
  makeDisk,
  processesAbout,
  rootDisk,
} from '../support/image-files.ts';

const CHILD = fileURLToPath(new URL('../support/export-child.ts', import.meta.url));
const DISKS = [
  ['qcow2', 'qcow2'],
  ['raw', 'raw'],
  ['vmdk', 'vmdk'],
  ['vhd', 'vpc'],
  ['vhdx', 'vhdx'],
  ['vdi', 'vdi'],
] as const;

let folder: string;
let raw: string;
let home: TestContext;
let image: Image;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-export-'));
  raw = makeDisk(join(folder, 'original.raw'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(async () => {
  home = testContext();
  image = await importImage(home.ctx, importing(raw, { said: { name: 'web' } }));
  mkdirSync(join(folder, 'out'));
});
afterEach(() => {
  home.cleanup();
  rmSync(join(folder, 'out'), { recursive: true, force: true });
});

function out(name: string): string {
  return join(folder, 'out', name);
}

async function exporting(name: string, more: Partial<ExportImageRequest> = {}, ctx: Ec2Context = home.ctx) {
  return exportImage(ctx, { image: 'web', destination: out(name), compress: false, replace: false, ...more });
}

describe('an image becomes a file', () => {
  test.each(DISKS)('%s, which holds the same, and comes back as the same', async (format, driver) => {
    await exporting(`web.${format}`);
    expectSameDisk(raw, out(`web.${format}`), driver);
    expect(readdirSync(join(folder, 'out'))).toEqual([`web.${format}`]);
    const back = await importImage(home.ctx, importing(out(`web.${format}`), { said: { name: 'back' } }));
    expect(rootDisk(home, back).digest).toBe(rootDisk(home, image).digest);
    await expectOnly(home, [image, back]);
  });

  test.each(['web.ova', 'web.tar', 'web.tar.zst', 'web.tzst', 'web.bin'])(
    '%s, and comes back',
    async (name) => {
      await exporting(name);
      using other = testContext();
      const back = await importImage(other.ctx, importing(out(name)));
      expect(back.name).toBe('web');
      expect(rootDisk(other, back).digest).toBe(rootDisk(home, image).digest);
      await expectOnly(other, [back]);
    },
  );

  test('a name with an apostrophe survives an OVA', async () => {
    const named = await importImage(home.ctx, importing(raw, { said: { name: "it's @home (1)" } }));
    await exporting('named.ova', { image: named.imageId });
    using other = testContext();
    await expect(importImage(other.ctx, importing(out('named.ova')))).resolves.toMatchObject({
      name: named.name,
    });
  });

  test('the bytes and the digest of a stream are told, and are right', async () => {
    const { Bytes, Sha256 } = await exporting('web.tar');
    expect(Bytes).toBe(statSync(out('web.tar')).size);
    expect(execFileSync('sha256sum', [out('web.tar')], { encoding: 'utf8' })).toContain(Sha256);
  });

  test('a compressed qcow2 is smaller, and holds the same', async () => {
    expect.hasAssertions();
    await exporting('packed.qcow2', { compress: true });
    expectSameDisk(raw, out('packed.qcow2'), 'qcow2');
  });
});

describe('a destination', () => {
  test('that is there stays as it was, unless it may be replaced', async () => {
    writeFileSync(out('web.raw'), 'precious');
    await expect(exporting('web.raw')).rejects.toMatchObject({ code: 'FileExists' });
    expect(readFileSync(out('web.raw'), 'utf8')).toBe('precious');
    await exporting('web.raw', { replace: true });
    expectSameDisk(raw, out('web.raw'), 'raw');
  });

  test.each<[string, (path: string) => unknown]>([
    ['a device', (path) => execFileSync('mknod', [path, 'c', '1', '3'])],
    ['a folder', (path) => mkdirSync(path)],
    ['a named pipe', (path) => execFileSync('mkfifo', [path])],
    ['a link', (path) => symlinkSync('/nowhere/else', path)],
  ])('that is %s is never replaced', async (_what, make) => {
    make(out('web.raw'));
    const { ino, mode } = statOf(out('web.raw'));
    for (const format of ['raw', 'tar'] as const)
      await expect(exporting('web.raw', { replace: true, format })).rejects.toMatchObject({
        code: 'FileUnwritable',
      });
    expect(statOf(out('web.raw'))).toMatchObject({ ino, mode });
    expect(readdirSync(join(folder, 'out'))).toEqual(['web.raw']);
    await expectOnly(home, [image]);
  });

  test.each([
    ['FileUnwritable', 'missing/web.raw'],
    ['FileUnwritable', `${'n'.repeat(250)}.raw`],
    ['FileUnwritable', 'line\nbreak.raw'],
    ['InvalidParameterValue', 'web.floppy'],
  ])('%s: %j', async (code, name) => {
    await expect(exporting(name)).rejects.toMatchObject({ code });
    expect(readdirSync(join(folder, 'out'))).toEqual([]);
  });

  test.each(['https://example.org/web.raw', 'ftp://x/web.raw', '', '-'])(
    'elsewhere: %j',
    async (destination) => {
      await expect(exporting('', { destination, format: 'raw' })).rejects.toMatchObject({
        code: 'InvalidParameterValue',
      });
    },
  );

  test('is not compressed in formats that cannot be', async () => {
    for (const format of ['raw', 'vmdk', 'ova'] as const)
      await expect(exporting(`web.${format}`, { compress: true })).rejects.toMatchObject({
        code: 'InvalidParameterCombination',
      });
  });

  test('that another command writes is left to it', async () => {
    const held = tryLock(out('web.raw.part'));
    await expect(exporting('web.raw')).rejects.toMatchObject({ code: 'ResourceBusy' });
    expect(existsSync(out('web.raw.part'))).toBe(true);
    held?.release();
    await exporting('web.raw');
    expect(readdirSync(join(folder, 'out'))).toEqual(['web.raw']);
  });
});

function statOf(path: string): { readonly ino: number; readonly mode: number } {
  const [ino, mode] = execFileSync('stat', ['-c', '%i %f', path], { encoding: 'utf8' }).split(' ');
  return { ino: Number(ino), mode: Number.parseInt(mode ?? '', 16) };
}

const EVERY: readonly ImageFormat[] = [...DISKS.map(([format]) => format), 'ova', 'tar'];

/** qemu-img's VMDK driver calls a full disk an invalid argument. */
const VMDK_FULL = /^(?:NoSpace|CommandFailed)$/;

describe('an export that does not end well', () => {
  test.each(EVERY)('on a full disk leaves nothing: %s', async (format) => {
    const small = mkdtempSync(join(tmpdir(), 'bonami-small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1M,mode=0700', 'bonami-test', small]);
    try {
      const destination = join(small, 'web.out');
      await expect(exporting('', { destination, format })).rejects.toMatchObject({
        code: expect.stringMatching(format === 'vmdk' ? VMDK_FULL : /^NoSpace$/),
        message: expect.stringContaining(format === 'vmdk' ? '' : small),
      });
      expect(readdirSync(small)).toEqual([]);
      await expectOnly(home, [image]);
    } finally {
      execFileSync('umount', ['--lazy', small]);
      rmSync(small, { recursive: true });
    }
  });

  test.each(EVERY)('interrupted leaves nothing: %s', async (format) => {
    const ctx = { ...home.ctx, report: { ...home.ctx.report, progress: () => home.abort() } };
    await expect(exporting('web.out', { format }, ctx)).rejects.toMatchObject({ code: 'Interrupted' });
    expect(readdirSync(join(folder, 'out'))).toEqual([]);
    await expectOnly(home, [image]);
  });

  test.each(EVERY)('killed leaves a part at most, and the next one succeeds: %s', async (format) => {
    for (const pause of [0, 15, 40]) {
      const destination = out('web.out');
      const args = ['--import', 'tsx', CHILD, home.ctx.layout.home, 'web', destination, format];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await sleep(pause);
      child.kill('SIGKILL');
      await ended;
      for (let attempt = 0; attempt < 50 && processesAbout(home.ctx.layout.home).length > 0; attempt++)
        await sleep(100);
      expect(processesAbout(home.ctx.layout.home)).toEqual([]);
      const isDone = existsSync(destination);
      expect(readdirSync(join(folder, 'out')).filter((name) => name !== 'web.out.part')).toEqual(
        isDone ? ['web.out'] : [],
      );
      await exporting('web.out', { format, replace: true });
      expect(readdirSync(join(folder, 'out'))).toEqual(['web.out']);
      await expectOnly(home, [image]);
      rmSync(destination);
    }
    await deregisterImage(home.ctx, { ImageId: image.imageId, DeleteAssociatedSnapshots: true });
    await expectNothingLeft(home);
  });
});
