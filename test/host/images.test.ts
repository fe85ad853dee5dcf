import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoint.ts';
import type { Ec2Context, Progress } from '../../src/ec2/context.ts';
import { buildImage } from '../../src/ec2/images/build-image.ts';
import { deregisterImage } from '../../src/ec2/images/deregister-image.ts';
import { importImage } from '../../src/ec2/images/import-image.ts';
import { pullImage } from '../../src/ec2/images/pull-image.ts';
import { resolveImage } from '../../src/ec2/images/resolve-image.ts';
import { sweepAbandonedImports } from '../../src/ec2/images/sweep-imports.ts';
import { onCommand } from '../../src/host/command.ts';
import { inspect } from '../../src/host/disk/inspector/inspect.ts';
import { check, convert, createEmpty, createOverlay, info } from '../../src/host/disk/qemu-img.ts';
import { waitUntil } from '../../src/host/wait-until.ts';
import { images } from '../../src/store/images.ts';
import { type TestContext, testContext } from '../support/context.ts';
import {
  mbrDisk,
  qcow2File,
  vdiFile,
  vhdDynamic,
  vhdFixed,
  vhdxFile,
  vmdkDescriptor,
  vmdkFile,
  windowOf,
} from '../support/disk-headers.ts';
import { type HttpsServer, httpsServer } from '../support/https-server.ts';

const MIB = 2 ** 20;
const CHILD = fileURLToPath(new URL('../support/import-child.ts', import.meta.url));

/** Disk files that all tests import from. */
let folder: string;
let raw: string;
let qcow2: string;
let home: TestContext;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-disks-'));
  raw = join(folder, 'plain.raw');
  // Random in the middle, so that it neither compresses nor vanishes; zeros around it.
  writeFileSync(raw, randomFillSync(mbrDisk(96 * MIB), MIB, 40 * MIB));
  qcow2 = join(folder, 'packed.qcow2');
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-c', raw, qcow2);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => (home = testContext()));
afterEach(() => home.cleanup());

function qemuImg(...args: string[]): string {
  return execFileSync('qemu-img', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

/** The context with another report: `onProgress` sees each step as it happens. */
function watching(ctx: Ec2Context, onProgress: (step: Progress) => void): Ec2Context {
  return { ...ctx, report: { ...ctx.report, progress: onProgress } };
}

/** No record, no file, no lock, no process of an import is left in the home. */
async function expectNothingLeft({ ctx }: TestContext = home): Promise<void> {
  expect(images.list(ctx.db)).toEqual([]);
  expect(readdirSync(ctx.layout.images)).toEqual([]);
  expect(readdirSync(ctx.layout.incoming)).toEqual([]);
  expect(readdirSync(ctx.layout.run).filter((name) => name.startsWith('ami-'))).toEqual([]);
  await waitUntil(() => processesAbout(ctx.layout.incoming).length === 0 || undefined, { timeoutMs: 5000 });
  expect(processesAbout(ctx.layout.incoming)).toEqual([]);
}

/** `<pid> <command line>` of every process whose command line names this path. */
function processesAbout(path: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return `${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`;
      } catch {
        return '';
      }
    })
    .filter((line) => line.includes(path));
}

describe('a good disk becomes an image', () => {
  test.each([
    ['qcow2', () => qcow2],
    ['raw', () => raw],
  ])('%s', async (_format, path) => {
    const image = await importImage(home.ctx, { path: path(), name: 'mine', architecture: 'x86_64' });
    const paths = home.ctx.layout.image(image.imageId);
    expect(image).toMatchObject({
      name: 'mine',
      state: 'available',
      virtualSize: 96 * MIB,
      digest: `sha256:${createHash('sha256').update(readFileSync(paths.disk)).digest('hex')}`,
      source: `imported from ${path()}`,
      blockDeviceMappings: [{ deviceName: '/dev/xvda', volumeSize: 1, deleteOnTermination: true }],
    });
    expect(resolveImage(home.ctx.db, 'mine')).toEqual(image);
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, paths.disk)).toContain('identical');
    expect(statSync(paths.disk).mode & 0o7777).toBe(0o444);
    expect(readdirSync(paths.folder)).toEqual(['disk.qcow2']);
    expect(readdirSync(home.ctx.layout.incoming)).toEqual([]);
    // Zeros are holes, and what was compressed is not any more.
    expect(statSync(paths.disk).blocks * 512).toBeLessThan(44 * MIB);
    expect(statSync(paths.disk).size).toBeGreaterThan(40 * MIB);
    const labels = new Set(home.reported.progress.map(({ label }) => label));
    expect([...labels]).toEqual([`reading ${basename(path())}`, 'converting', 'checking the stored disk']);
    expect(home.reported.progress.at(-1)).toMatchObject({ unit: 'bytes', done: statSync(paths.disk).size });
  });

  test('an unknown raw disk when the user insists', async () => {
    const unknown = join(folder, 'unknown.bin');
    writeFileSync(unknown, Buffer.alloc(5000, 'x'));
    await expect(importImage(home.ctx, { path: unknown })).rejects.toMatchObject({
      code: 'ImageFormatUnknown',
    });
    await expectNothingLeft();
    const image = await importImage(home.ctx, { path: unknown, format: 'raw' });
    expect(image).toMatchObject({ name: 'unknown.bin', virtualSize: 5120 });
  });
});

test.each([
  ['vmdk', 'subformat=monolithicSparse'],
  ['vmdk', 'subformat=streamOptimized'],
  ['vpc', 'subformat=dynamic,force_size=on'],
  ['vpc', 'subformat=fixed,force_size=on'],
  ['vhdx', 'subformat=dynamic'],
  ['vdi', 'static=on'],
] as const)('a disk of another program, %s with %s, holds the same as an image', async (format, options) => {
  const path = join(folder, `other.${format}`);
  qemuImg('convert', '-f', 'raw', '-O', format, '-o', options, raw, path);
  const image = await importImage(home.ctx, { path });
  rmSync(path);
  expect(image).toMatchObject({ virtualSize: 96 * MIB });
  const { disk } = home.ctx.layout.image(image.imageId);
  expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, disk)).toContain('identical');
});

describe('contents are stored once', () => {
  test('the same file by the same name is the same image', async () => {
    const first = await importImage(home.ctx, { path: qcow2 });
    await expect(importImage(home.ctx, { path: qcow2, name: first.name })).resolves.toEqual(first);
    expect(home.reported.info.join()).toContain('nothing to import');
    expect(images.list(home.ctx.db)).toHaveLength(1);
  });

  test('other contents or another meaning by the same name are refused', async () => {
    await importImage(home.ctx, { path: qcow2, name: 'mine' });
    for (const request of [{ path: raw }, { path: qcow2, firstBoot: 'none' as const }])
      await expect(importImage(home.ctx, { ...request, name: 'mine' })).rejects.toMatchObject({
        code: 'InvalidAMIName.Duplicate',
      });
    expect(readdirSync(home.ctx.layout.images)).toHaveLength(1);
  });

  test('by another name, or packed in another way, they share one file; the last one keeps it', async () => {
    const { layout } = home.ctx;
    const inode = (imageId: (typeof first)['imageId']): number => statSync(layout.image(imageId).disk).ino;
    const first = await importImage(home.ctx, { path: qcow2, name: 'first' });
    const second = await importImage(home.ctx, { path: qcow2, name: 'second' });
    const third = await importImage(home.ctx, { path: raw, name: 'third' });
    expect(new Set([first, second, third].map(({ digest }) => digest)).size).toBe(1);
    expect(new Set([first, second, third].map(({ imageId }) => inode(imageId))).size).toBe(1);
    await deregisterImage(home.ctx, { ImageId: first.imageId });
    await deregisterImage(home.ctx, { ImageId: third.imageId });
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, layout.image(second.imageId).disk)).toContain(
      'identical',
    );
    await deregisterImage(home.ctx, { ImageId: second.imageId });
    await expectNothingLeft();
  });
});

describe('a hostile disk is refused and leaves nothing', () => {
  test.each<[string, (path: string) => unknown]>([
    [
      'ImageHasBackingFile',
      (path) => qemuImg('create', '-f', 'qcow2', '-u', '-F', 'raw', '-b', '/etc/shadow', path, '1M'),
    ],
    [
      'ImageHasDataFile',
      (path) => qemuImg('create', '-f', 'qcow2', '-o', `data_file=${path}.data`, path, '1M'),
    ],
    ['ImageEncrypted', (path) => writeFileSync(path, qcow2File({ cryptMethod: 2 }))],
    ['ImageTooLarge', (path) => qemuImg('create', '-f', 'qcow2', path, '3T')],
    [
      'ImageHasSnapshots',
      (path) => {
        qemuImg('create', '-f', 'qcow2', path, '1M');
        return qemuImg('snapshot', '-c', 'before', path);
      },
    ],
    [
      'ImageFormatRefused',
      (path) => qemuImg('create', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', path, '1M'),
    ],
    [
      'ImageHasBackingFile',
      (path) => {
        const more = ['# parentFileNameHint="/etc/shadow"'];
        writeFileSync(path, vmdkFile({ descriptor: vmdkDescriptor({ more }) }));
      },
    ],
    ['ImageTooLarge', (path) => writeFileSync(path, vmdkFile({ capacity: 2n ** 43n }))],
    ['ImageFormatAmbiguous', (path) => writeFileSync(path, vhdFixed({ creator: 'vbox', cylinders: 7 }))],
    ['ImageHasBackingFile', (path) => writeFileSync(path, vhdDynamic({}, { parentName: '/etc/shadow' }))],
    ['ImageDirty', (path) => writeFileSync(path, vhdxFile({ headers: [{}, { logId: 'x' }] }))],
    ['ImageHasBackingFile', (path) => writeFileSync(path, vdiFile({ type: 4 }))],
    ['ImageFormatRefused', (path) => qemuImg('create', '-f', 'qed', path, '1M')],
    ['ImageFormatRefused', (path) => qemuImg('create', '-f', 'qcow', path, '1M')],
    ['ImageFormatRefused', (path) => qemuImg('create', '-f', 'parallels', path, '1M')],
  ])('%s', async (code, make) => {
    const path = join(folder, 'hostile.img');
    make(path);
    try {
      await expect(importImage(home.ctx, { path })).rejects.toMatchObject({ code });
      await expectNothingLeft();
    } finally {
      rmSync(path);
      rmSync(`${path}.data`, { force: true });
    }
  });

  test('a file that changes while it is being read', async () => {
    const path = join(folder, 'moving.raw');
    writeFileSync(path, readFileSync(raw));
    let changes = 0;
    const ctx = watching(home.ctx, ({ label }) => {
      if (label.startsWith('reading') && changes++ === 0) appendFileSync(path, 'more');
    });
    await expect(importImage(ctx, { path })).rejects.toMatchObject({ code: 'ImageChanged' });
    await expectNothingLeft();
    rmSync(path);
  });
});

test('whatever passes the inspector leads qemu-img nowhere else', async () => {
  const path = join(folder, 'mutant.qcow2');
  const opinions: (readonly [unknown, unknown])[] = [];
  for (let round = 0; round < 240; round++) {
    const mutant = qcow2File(round % 3 === 0 ? { version: 2 } : {});
    // Bytes that matter: flags, offsets, sizes and the first extension, one or two at a time.
    const offset = 4 + ((round * 37) % 124);
    mutant.writeUInt8((round * 101) % 256, offset);
    if (round % 2 === 0) mutant.writeUInt8((round * 53) % 256, 4 + ((round * 71) % 124));
    let verdict: ReturnType<typeof inspect>;
    try {
      verdict = inspect(windowOf(mutant));
    } catch {
      continue;
    }
    writeFileSync(path, mutant);
    // qemu-img may still refuse the file; what it reads, it must read as we did.
    const seen = await info(path, 'qcow2').catch(() => undefined);
    if (seen) opinions.push([seen, { ...verdict, otherFile: undefined, encrypted: false, snapshots: 0 }]);
  }
  expect(opinions.length).toBeGreaterThan(20);
  for (const [theirs, ours] of opinions) expect(theirs).toEqual(ours);
});

describe('an import that does not end well leaves nothing', () => {
  test.each(['reading', 'converting', 'checking'])('interrupted while %s', async (stage) => {
    const ctx = watching(home.ctx, ({ label }) => {
      if (label.startsWith(stage)) home.abort();
    });
    await expect(importImage(ctx, { path: raw })).rejects.toMatchObject({ code: 'Interrupted' });
    await expectNothingLeft();
  });

  test.each(FAILPOINTS.import.filter((point) => point !== 'import:recorded'))(
    'killed at %s, and swept',
    async (point) => {
      const status = await childImport({ BONAMI_FAILPOINT: point }).ended;
      expect(status).toBe('SIGKILL');
      const swept = await sweepAbandonedImports(home.ctx);
      expect(swept.map(({ name }) => name)).toEqual(['killed']);
      await expectNothingLeft();
    },
  );

  test('killed when it was done: the image stays', async () => {
    expect(await childImport({ BONAMI_FAILPOINT: 'import:recorded' }).ended).toBe('SIGKILL');
    await expect(sweepAbandonedImports(home.ctx)).resolves.toEqual([]);
    const { imageId } = resolveImage(home.ctx.db, 'killed');
    await deregisterImage(home.ctx, { ImageId: imageId });
    await expectNothingLeft();
  });

  test('killed while qemu-img converts: it goes too, and the next import clears up', async () => {
    const child = childImport({});
    await child.printed('converting 0');
    // Stopped, it cannot just be done in time.
    const converting = processesAbout(home.ctx.layout.incoming).map((line) => Number.parseInt(line, 10));
    expect(converting).toHaveLength(1);
    for (const pid of converting) process.kill(pid, 'SIGSTOP');
    child.kill();
    await child.ended;
    const alive = (): readonly string[] => processesAbout(home.ctx.layout.incoming);
    await waitUntil(() => alive().length === 0 || undefined, { timeoutMs: 5000 });
    const survivors = alive();
    for (const line of survivors) process.kill(Number.parseInt(line, 10), 'SIGKILL');
    expect(survivors).toEqual([]);
    const image = await importImage(home.ctx, { path: qcow2, name: 'killed' });
    expect(images.list(home.ctx.db)).toEqual([image]);
    expect(readdirSync(home.ctx.layout.incoming)).toEqual([]);
  });

  test('a second command for the same name waits for the first', async () => {
    const child = childImport({});
    await child.printed('reading');
    const image = await importImage(home.ctx, { path: raw, name: 'killed' });
    expect(await child.ended).toBe(0);
    expect(images.list(home.ctx.db)).toEqual([image]);
    expect(home.reported.info.join()).toContain('waiting for it');
  });
});

interface ChildImport {
  readonly ended: Promise<number | NodeJS.Signals | null>;
  kill(): void;
  printed(text: string): Promise<void>;
}

function childImport(env: Readonly<Record<string, string>>): ChildImport {
  const child = spawn(process.execPath, ['--import', 'tsx', CHILD, home.ctx.layout.home, raw, 'killed'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  return {
    ended,
    kill: () => child.kill('SIGKILL'),
    printed: async (text) => {
      await waitUntil(() => output.includes(text) || undefined, { timeoutMs: 20_000, maxPauseMs: 5 });
      expect(output).toContain(text);
    },
  };
}

describe('a full disk', () => {
  let small: string;
  beforeEach(() => {
    small = mkdtempSync(join(tmpdir(), 'bonami-small-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24M,mode=0700', 'bonami-test', small]);
  });
  afterEach(() => {
    // Lazily: SQLite lets go of its files only when the last statement is collected as garbage.
    execFileSync('umount', ['--lazy', small]);
    rmSync(small, { recursive: true });
  });

  test('is found out before anything is written', async () => {
    using onSmallDisk = testContext({ parent: small });
    await expect(importImage(onSmallDisk.ctx, { path: raw })).rejects.toMatchObject({
      code: 'NoSpace',
      message: expect.stringContaining(onSmallDisk.ctx.layout.home),
    });
    expect(onSmallDisk.reported.progress.map(({ label }) => label)).not.toContain('converting');
    await expectNothingLeft(onSmallDisk);
  });

  test('is the same error halfway, and the half is gone', async () => {
    const to = join(small, 'half.qcow2');
    const half = convert({ from: raw, format: 'raw', to, virtualSize: 96 * MIB });
    await expect(half).rejects.toMatchObject({ code: 'NoSpace' });
    execFileSync('fallocate', ['-l', '23M', join(small, 'filler')]);
    writeFileSync(join(small, 'rest'), '');
    expect(() => appendFileSync(join(small, 'rest'), Buffer.alloc(2 * MIB))).toThrow(/ENOSPC/);
    await expect(createEmpty({ path: to, sizeBytes: MIB })).rejects.toMatchObject({ code: 'NoSpace' });
    expect(readdirSync(small).toSorted()).toEqual(['filler', 'rest']);
  });
});

describe('qemu-img', () => {
  test('is told the format of every file that it opens, and gets whole paths', async () => {
    const lines: string[] = [];
    onCommand((line) => lines.push(line));
    const image = await importImage(home.ctx, { path: qcow2 });
    const { disk } = home.ctx.layout.image(image.imageId);
    const path = join(folder, 'told.qcow2');
    await createOverlay({ path, backingPath: disk, sizeBytes: 2 ** 30 });
    await check(path);
    const calls = lines
      .map((line) => / \S*qemu-img (.+)$/.exec(` ${line}`)?.[1])
      .filter((call) => call !== undefined);
    expect(calls.map((call) => call.split(' ')[0])).toEqual([
      'info',
      'measure',
      'convert',
      'create',
      'check',
    ]);
    const common = / -f qcow2 .*-- \/[^ ]+/;
    expect(calls.filter((call) => !common.test(call))).toEqual([]);
    expect(calls.filter((call) => call.includes(' -O qcow2 ')).map((call) => call.split(' ')[0])).toEqual([
      'measure',
      'convert',
    ]);
    expect(calls.filter((call) => call.includes(' -F qcow2 -b /'))).toHaveLength(1);
  });

  test('an overlay stands on its backing file, larger, by explicit formats', async () => {
    const [base, path] = [join(folder, 'base.qcow2'), join(folder, 'overlay.qcow2')];
    const percents: number[] = [];
    await convert({
      from: raw,
      format: 'raw',
      to: base,
      virtualSize: 96 * MIB,
      onProgress: (p) => percents.push(p),
    });
    expect(percents[0]).toBe(0);
    expect(percents.at(-1)).toBe(100);
    await createOverlay({ path, backingPath: base, sizeBytes: 2 ** 33 });
    await expect(info(path, 'qcow2')).resolves.toMatchObject({ virtualSize: 2 ** 33, otherFile: base });
    const facts = JSON.parse(qemuImg('info', '--output=json', '-f', 'qcow2', path)) as Record<
      string,
      unknown
    >;
    expect(facts).toMatchObject({ 'backing-filename-format': 'qcow2', 'cluster-size': 131072 });
    await expect(check(path)).resolves.toEqual({ corruptions: 0, leaks: 0 });
  });

  test('check counts what is wrong with a disk', async () => {
    const path = join(folder, 'damaged.qcow2');
    const damaged = qcow2File();
    damaged.writeUInt16BE(0, 2 * 65536);
    damaged.writeUInt16BE(1, 2 * 65536 + 10);
    writeFileSync(path, damaged);
    const { corruptions } = await check(path);
    expect(corruptions).toBeGreaterThan(0);
    await expect(check(join(folder, 'missing'))).rejects.toMatchObject({ code: 'CommandFailed' });
  });

  test('a failed overlay leaves no file, and a relative path is refused', async () => {
    const path = join(folder, 'orphan.qcow2');
    await expect(
      createOverlay({ path, backingPath: '/nowhere/base.qcow2', sizeBytes: MIB }),
    ).rejects.toMatchObject({
      code: 'CommandFailed',
    });
    expect(existsSync(path)).toBe(false);
    await expect(createEmpty({ path: 'nbd:localhost:10809', sizeBytes: MIB })).rejects.toMatchObject({
      code: 'InvalidArgument',
    });
  });

  test('runs without network and without root’s powers', async () => {
    // A named pipe in place of the disk keeps it there while its status is read.
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const aborter = new AbortController();
    const asking = info(pipe, 'raw', { signal: aborter.signal }).catch((error: unknown) => error);
    const status = await waitUntil(() => statusOf(`qemu-img info -U -f raw --output=json -- ${pipe}`), {
      timeoutMs: 5000,
    });
    aborter.abort();
    await asking;
    rmSync(pipe);
    expect(status).toMatchObject({ NoNewPrivs: '1', CapBnd: '0000000000000004', CapEff: '0000000000000004' });
    expect(status?.['net']).not.toBe(statSync('/proc/self/ns/net').ino);
    expect(status?.['nice']).toBe('10');
  });
});

/** Facts about the process with exactly this command line, once it runs. */
function statusOf(commandLine: string): Record<string, string | number> | undefined {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
      if (!line.endsWith(commandLine) || !line.startsWith('/') || line.includes('setpriv')) continue;
      const fields = readFileSync(`/proc/${pid}/status`, 'utf8')
        .split('\n')
        .map((row) => row.split(/:\s+/));
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
      return {
        ...Object.fromEntries(fields),
        net: statSync(`/proc/${pid}/ns/net`).ino,
        nice: stat?.[16] ?? '',
      };
    } catch {
      // Ended in between.
    }
  }
  return undefined;
}

describe('the catalog', () => {
  let catalog: string;
  let server: HttpsServer;
  let checksum: string;

  beforeAll(async () => {
    checksum = createHash('sha512').update(readFileSync(qcow2)).digest('hex');
    server = await httpsServer((request, response) => {
      if (request.url === '/SHA512SUMS') response.end(`${checksum}  packed.qcow2\n`);
      else if (request.url === '/packed.qcow2') response.end(readFileSync(qcow2));
      else response.writeHead(404).end();
    });
  });
  afterAll(async () => server.close());
  beforeEach(() => (catalog = mkdtempSync(join(tmpdir(), 'bonami-catalog-'))));
  afterEach(() => rmSync(catalog, { recursive: true, force: true }));

  interface Offer {
    readonly origin?: string;
    readonly recipe?: string;
    readonly builtWith?: readonly string[];
    readonly missing?: boolean;
  }

  function offer({ origin, recipe, builtWith = [], missing = false }: Offer): Ec2Context {
    mkdirSync(join(catalog, 'guest'));
    const entry = {
      name: 'guest',
      description: 'a guest',
      architecture: 'x86_64',
      bootMode: 'legacy-bios',
      rootDeviceName: '/dev/xvda',
      defaultUser: 'debian',
      firstBoot: 'cloud-init',
      rootPartition: 1,
      minimumDiskGiB: 4,
      builtWith,
      ...(recipe === undefined ? {} : { build: 'build.sh' }),
      ...(origin === undefined
        ? {}
        : {
            download: {
              url: `${origin}/${missing ? 'other' : 'packed'}.qcow2`,
              checksumUrl: `${origin}/SHA512SUMS`,
              checksumAlgorithm: 'sha512',
              format: 'qcow2',
              checkedLive: false,
            },
          }),
    };
    writeFileSync(join(catalog, 'guest/image.yaml'), JSON.stringify(entry));
    if (recipe !== undefined) {
      writeFileSync(join(catalog, 'guest/build.sh'), `#!/bin/sh\nset -e\n${recipe}\n`);
      chmodSync(join(catalog, 'guest/build.sh'), 0o755);
    }
    return { ...home.ctx, catalog };
  }

  const trusting = (): { ca: string; isAllowed: () => boolean } => ({ ca: server.ca, isAllowed: () => true });
  const recipe = (): string =>
    `echo "==> making the disk" >&2; echo noise >&2; [ "$2" = x86_64 ]; cp '${qcow2}' "$1"`;

  test('an image is downloaded, verified, and there the next time', async () => {
    const ctx = offer({ origin: server.origin, recipe: 'exit 1' });
    const image = await pullImage(ctx, { name: 'guest', connection: trusting() });
    expect(image).toMatchObject({
      name: 'guest',
      state: 'available',
      source: `downloaded from ${server.origin}/packed.qcow2, sha512 verified`,
      blockDeviceMappings: [{ volumeSize: 4 }],
    });
    const { size } = statSync(qcow2);
    expect(home.reported.progress).toContainEqual({
      label: 'downloading packed.qcow2',
      done: size,
      total: size,
      unit: 'bytes',
    });
    expect(readdirSync(ctx.layout.image(image.imageId).folder)).toEqual(['disk.qcow2']);
    await expect(pullImage(ctx, { name: 'guest' })).resolves.toEqual(image);
    await expect(buildImage(ctx, { name: 'guest' })).resolves.toEqual(image);
  });

  test('an image that is not what was promised is refused, not built instead', async () => {
    const honest = checksum;
    const ctx = offer({ origin: server.origin, recipe: recipe() });
    try {
      checksum = '0'.repeat(128);
      const attempt = pullImage(ctx, { name: 'guest', connection: trusting() });
      await expect(attempt).rejects.toMatchObject({ code: 'ImageDigestMismatch' });
    } finally {
      checksum = honest;
    }
    await expectNothingLeft();
  });

  test('an image without a checksum, and a host inside a network, are refused', async () => {
    const ctx = offer({ origin: server.origin, recipe: recipe(), missing: true });
    const attempt = pullImage(ctx, { name: 'guest', connection: trusting() });
    await expect(attempt).rejects.toMatchObject({ code: 'ChecksumMissing' });
    await expect(pullImage(ctx, { name: 'guest' })).rejects.toMatchObject({ code: 'AddressNotAllowed' });
    await expectNothingLeft();
  });

  test('where the host cannot be reached it is built, and says so', async () => {
    const ctx = offer({ origin: 'https://no-such-host.invalid', recipe: recipe() });
    const image = await pullImage(ctx, { name: 'guest' });
    expect(image.source).toBe("built from Debian's packages by images/guest/build.sh");
    expect(home.reported.info.join()).toMatch(/no-such-host\.invalid.*building 'guest' here instead/);
    expect(home.reported.progress).toContainEqual({ label: 'building guest: making the disk' });
    expect(home.reported.progress.map(({ label }) => label).join()).not.toContain('noise');
  });

  test('a recipe that fails, or makes something hostile, leaves nothing', async () => {
    const ctx = offer({ recipe: 'echo half > "$1"; echo "no mirror here" >&2; exit 3' });
    await expect(buildImage(ctx, { name: 'guest' })).rejects.toMatchObject({
      code: 'CommandFailed',
      message: expect.stringContaining('no mirror here'),
    });
    await expectNothingLeft();
    writeFileSync(
      join(catalog, 'guest/build.sh'),
      '#!/bin/sh\nqemu-img create -q -u -f qcow2 -F raw -b /etc/shadow "$1" 1M\n',
    );
    await expect(buildImage(ctx, { name: 'guest' })).rejects.toMatchObject({ code: 'ImageHasBackingFile' });
    await expectNothingLeft();
  });

  test('an interrupted recipe is ended with all that it has started', async () => {
    const marker = join(catalog, 'marker');
    const ctx = offer({ recipe: `tail -f /dev/null '${marker}' 2>/dev/null & echo "==> waiting" >&2; wait` });
    const interruptible = watching(ctx, ({ label }) => {
      if (label.endsWith('waiting')) home.abort();
    });
    await expect(buildImage(interruptible, { name: 'guest' })).rejects.toMatchObject({ code: 'Interrupted' });
    expect(await waitUntil(() => processesAbout(marker).length === 0 || undefined, { timeoutMs: 5000 })).toBe(
      true,
    );
    await expectNothingLeft();
  });

  test('missing packages are named with the command that installs them', async () => {
    const ctx = offer({ recipe: recipe(), builtWith: ['util-linux', 'no-such-package'] });
    await expect(buildImage(ctx, { name: 'guest' })).rejects.toMatchObject({
      code: 'PackagesMissing',
      hint: 'sudo apt-get install no-such-package',
    });
    await expectNothingLeft();
  });
});
