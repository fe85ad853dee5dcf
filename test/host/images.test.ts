import { execFileSync, spawn } from 'node:child_process';
import { createHash, randomFillSync } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FAILPOINTS } from '../../src/core/failpoint.ts';
import type { Ec2Context, Progress } from '../../src/ec2/context.ts';
import { buildImage } from '../../src/ec2/images/build-image.ts';
import { deregisterImage } from '../../src/ec2/images/deregister-image.ts';
import { importImage } from '../../src/ec2/images/import-image.ts';
import { pullImage } from '../../src/ec2/images/pull-image.ts';
import { resolveImage } from '../../src/ec2/images/resolve-image.ts';
import { settledImage, sweepAbandonedImages } from '../../src/ec2/images/sweep-images.ts';
import { sweepAbandonedSnapshots } from '../../src/ec2/snapshots/remove-snapshot.ts';
import { ensureVolume } from '../../src/ec2/volumes/ensure-volume.ts';
import { verifyDigests } from '../../src/ec2/verify-digests.ts';
import { onCommand } from '../../src/host/command.ts';
import { exportDisk } from '../../src/host/disk/export-disk.ts';
import { inspect } from '../../src/host/disk/inspector/inspect.ts';
import { check, convert, createEmpty, createOverlay, info } from '../../src/host/disk/qemu-img.ts';
import { isLocked } from '../../src/host/process/lock.ts';
import { waitUntil } from '../../src/host/wait-until.ts';
import { type Image, images, snapshotIdsOf } from '../../src/store/images.ts';
import { snapshots } from '../../src/store/snapshots.ts';
import { volumes } from '../../src/store/volumes.ts';
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
import { droppingProxy } from '../support/dropping-proxy.ts';
import { type FlakyServer, flakyServer } from '../support/flaky-file.ts';
import { type HttpsServer, httpsServer } from '../support/https-server.ts';
import { generator } from '../support/random.ts';

const MIB = 2 ** 20;
const CHILD = fileURLToPath(new URL('../support/import-child.ts', import.meta.url));

/** Disk files that all tests import from. */
let folder: string;
let raw: string;
let qcow2: string;
let vmdk: string;
/** One that is imported in no time. */
let tiny: string;
let home: TestContext;
/** What qemu-img was asked to do in this file, by the arguments. */
const calls: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-disks-'));
  raw = join(folder, 'plain.raw');
  // Random in the middle, so that it neither compresses nor vanishes; zeros around it.
  writeFileSync(raw, randomFillSync(mbrDisk(96 * MIB), MIB, 40 * MIB));
  qcow2 = join(folder, 'packed.qcow2');
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-c', raw, qcow2);
  vmdk = join(folder, 'other.vmdk');
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=monolithicSparse', raw, vmdk);
  tiny = join(folder, 'tiny.raw');
  writeFileSync(tiny, mbrDisk());
  onCommand((line) => calls.push(...(/ \S*qemu-img (.+)$/.exec(` ${line}`)?.slice(1) ?? [])));
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

/** A disk of nothing that says what it is for. */
function said(name?: string): { name?: string; architecture: 'x86_64' } {
  return { architecture: 'x86_64', ...(name === undefined ? {} : { name }) };
}

/** The file with the lowest layer of an image's disk. */
function layerOf(image: Image, disk = 0): string {
  const snapshotId = snapshotIdsOf(image)[disk];
  if (snapshotId === undefined) throw new Error(`${image.imageId} has no disk ${disk}`);
  return join(home.ctx.layout.snapshot(snapshotId).folder, '0.qcow2');
}

function digestsOf(image: Image): readonly string[] {
  return snapshotIdsOf(image).flatMap((id) => snapshots.get(home.ctx.db, id)?.layers ?? []);
}

async function removeWhole({ imageId }: Image): Promise<void> {
  await deregisterImage(home.ctx, { ImageId: imageId, DeleteAssociatedSnapshots: true });
}

/** No record, no file, no lock, no process of an import is left in the home. */
async function expectNothingLeft({ ctx }: TestContext = home): Promise<void> {
  expect(images.list(ctx.db)).toEqual([]);
  expect(snapshots.list(ctx.db)).toEqual([]);
  expect(readdirSync(ctx.layout.snapshots)).toEqual([]);
  expect(readdirSync(ctx.layout.incoming)).toEqual([]);
  expect(readdirSync(ctx.layout.run).filter((name) => /^(ami|snap)-/.test(name))).toEqual([]);
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
    const { ctx } = home;
    const image = await importImage(ctx, { source: path(), said: said('mine') });
    const [snapshotId] = snapshotIdsOf(image);
    expect(image).toMatchObject({
      name: 'mine',
      state: 'available',
      source: `imported from ${path()}`,
      blockDeviceMappings: [
        { deviceName: '/dev/xvda', snapshotId, volumeSize: 1, deleteOnTermination: true },
      ],
    });
    expect(resolveImage(ctx.db, 'mine')).toEqual(image);
    expect(snapshots.list(ctx.db)).toMatchObject([
      { snapshotId, state: 'completed', owner: image.imageId, volumeId: null, volumeSize: 1 },
    ]);
    expect(digestsOf(image)).toEqual([expect.stringMatching(/^content-sha256:[0-9a-f]{64}$/)]);
    const layer = layerOf(image);
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, layer)).toContain('identical');
    await expect(check(layer)).resolves.toEqual({ corruptions: 0, leaks: 0, compressedClusters: 0 });
    expect(statSync(layer).mode & 0o7777).toBe(0o444);
    expect(readdirSync(ctx.layout.snapshots)).toEqual([snapshotId]);
    expect(readdirSync(join(layer, '..'))).toEqual(['0.qcow2']);
    expect(readdirSync(ctx.layout.incoming)).toEqual([]);
    // Zeros are holes, and what was compressed is not any more.
    expect(statSync(layer).blocks * 512).toBeLessThan(44 * MIB);
    expect(statSync(layer).size).toBeGreaterThan(40 * MIB);
    const labels = new Set(home.reported.progress.map(({ label }) => label));
    expect([...labels]).toEqual(['importing', 'looking at what is on the disk']);
    // As far as there is data.
    const last = home.reported.progress.at(-2);
    expect(last).toMatchObject({ unit: 'bytes', total: 96 * MIB });
    expect(last?.done).toBeGreaterThanOrEqual(41 * MIB);
    expect(last?.done).toBeLessThanOrEqual(96 * MIB);
  });

  test('an unknown raw disk when the user insists', async () => {
    const unknown = join(folder, 'unknown.bin');
    writeFileSync(unknown, Buffer.alloc(5000, 'x'));
    await expect(importImage(home.ctx, { source: unknown, said: said() })).rejects.toMatchObject({
      code: 'ImageFormatUnknown',
    });
    await expectNothingLeft();
    const image = await importImage(home.ctx, { source: unknown, format: 'raw', said: said() });
    expect(image).toMatchObject({ name: 'unknown' });
    await expect(info(layerOf(image), 'qcow2')).resolves.toMatchObject({ virtualSize: 5120 });
  });

  test('but not one of which nobody says what processor it is for', async () => {
    await expect(importImage(home.ctx, { source: raw })).rejects.toMatchObject({
      code: 'ArchitectureUnknown',
    });
    await expectNothingLeft();
  });
});

test('every format of the same disk becomes an image of the same digest, and all are one file', async () => {
  const disk = join(folder, 'small.raw');
  writeFileSync(disk, randomFillSync(mbrDisk(24 * MIB), MIB, 6 * MIB));
  const made = (name: string, format: string, ...options: string[]): string => {
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, disk, join(folder, name));
    return join(folder, name);
  };
  const packed = (name: string, program: string, ...options: string[]): string => {
    const content = execFileSync(program, [...options, '-c', disk], { maxBuffer: 2 ** 30 });
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const tar = join(folder, 'small.tar.gz');
  execFileSync('tar', ['-czf', tar, '-C', folder, 'small.raw']);
  const sources = [
    disk,
    made('plain.qcow2', 'qcow2'),
    made('old.qcow2', 'qcow2', '-o', 'compat=0.10'),
    made('zlib.qcow2', 'qcow2', '-c'),
    made('zstd.qcow2', 'qcow2', '-c', '-o', 'compression_type=zstd'),
    made('tiny-clusters.qcow2', 'qcow2', '-o', 'cluster_size=512'),
    made('subclusters.qcow2', 'qcow2', '-o', 'extended_l2=on,cluster_size=128k'),
    made('sparse.vmdk', 'vmdk', '-o', 'subformat=monolithicSparse'),
    made('stream.vmdk', 'vmdk', '-o', 'subformat=streamOptimized'),
    made('dynamic.vhd', 'vpc', '-o', 'subformat=dynamic,force_size=on'),
    made('fixed.vhd', 'vpc', '-o', 'subformat=fixed,force_size=on'),
    made('dynamic.vhdx', 'vhdx', '-o', 'subformat=dynamic'),
    made('static.vdi', 'vdi', '-o', 'static=on'),
    packed('small.raw.gz', 'gzip', '-1'),
    packed('small.raw.xz', 'xz', '-0'),
    packed('small.raw.zst', 'zstd', '-q'),
    packed('small.raw.bz2', 'bzip2', '-1'),
    tar,
  ];
  const imported: Image[] = [];
  for (const [index, source] of sources.entries())
    imported.push(await importImage(home.ctx, { source, said: said(`image-${index}`) }));
  const seen = imported.map((image, index) => ({
    source: sources[index],
    digests: digestsOf(image),
    ino: statSync(layerOf(image)).ino,
  }));
  const [first] = seen;
  expect(seen).toEqual(sources.map((source) => ({ ...first, source })));
  expect(new Set(imported.flatMap(snapshotIdsOf)).size).toBe(sources.length);
  const [image] = imported;
  if (image === undefined) throw new Error('no image');
  expect(statSync(layerOf(image)).nlink).toBe(sources.length);
  expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', disk, layerOf(image))).toContain('identical');
  await expect(verifyDigests(home.ctx)).resolves.toEqual([
    { name: 'digests', status: 'ok', fact: '1 files hold what they should' },
  ]);
  for (const each of imported) await removeWhole(each);
  await expectNothingLeft();
  for (const source of sources) rmSync(source);
});

describe('contents are stored once', () => {
  test('the same file by the same name is the same image', async () => {
    const first = await importImage(home.ctx, { source: qcow2, said: said() });
    const again = { source: qcow2, said: said(first.name) };
    await expect(importImage(home.ctx, again)).resolves.toEqual(first);
    // However it is packed.
    await expect(importImage(home.ctx, { ...again, source: raw })).resolves.toEqual(first);
    expect(home.reported.info.join()).toContain('nothing to import');
    expect(images.list(home.ctx.db)).toEqual([first]);
    expect(snapshots.list(home.ctx.db)).toHaveLength(1);
    expect(readdirSync(home.ctx.layout.snapshots)).toHaveLength(1);
    expect(readdirSync(home.ctx.layout.incoming)).toEqual([]);
  });

  test('other contents or another meaning by the same name are refused', async () => {
    await importImage(home.ctx, { source: qcow2, said: said('mine') });
    for (const [request, message] of [
      [{ source: tiny, said: said('mine') }, /of other contents$/],
      [{ source: qcow2, said: { ...said('mine'), firstBoot: 'none' as const } }, /of other settings$/],
    ] as const)
      await expect(importImage(home.ctx, request)).rejects.toMatchObject({
        code: 'InvalidAMIName.Duplicate',
        message: expect.stringMatching(message),
      });
    expect(readdirSync(home.ctx.layout.snapshots)).toHaveLength(1);
    expect(readdirSync(home.ctx.layout.incoming)).toEqual([]);
    expect(images.list(home.ctx.db)).toHaveLength(1);
  });

  test('by another name, or packed in another way, they share one file; the last one keeps it', async () => {
    const first = await importImage(home.ctx, { source: qcow2, said: said('first') });
    const second = await importImage(home.ctx, { source: qcow2, said: said('second') });
    const third = await importImage(home.ctx, { source: raw, said: said('third') });
    expect(new Set([first, second, third].flatMap(digestsOf)).size).toBe(1);
    const files = [first, second, third].map((image) => statSync(layerOf(image)));
    expect(new Set(files.map(({ ino }) => ino)).size).toBe(1);
    expect(files.map(({ nlink }) => nlink)).toEqual([3, 3, 3]);
    await removeWhole(first);
    await removeWhole(third);
    expect(statSync(layerOf(second)).nlink).toBe(1);
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, layerOf(second))).toContain('identical');
    await removeWhole(second);
    await expectNothingLeft();
  });
});

describe('verifyDigests', () => {
  test('finds a byte that changed in a layer, by everything that has the layer', async () => {
    const { ctx } = home;
    const first = await importImage(ctx, { source: raw, said: said('first') });
    const second = await importImage(ctx, { source: qcow2, said: said('second') });
    const other = await importImage(ctx, { source: tiny, said: said('other') });
    const volume = {
      volumeId: 'vol-0aaaaaaaaaaaaaaaa',
      size: 1,
      volumeType: 'gp3',
      iops: null,
      throughput: null,
      isLimited: false,
      availabilityZone: 'us-east-1a',
      createTime: '2026-01-02T03:04:05.000Z',
      snapshotId: snapshotIdsOf(first)[0] ?? null,
      layers: [...digestsOf(first)],
      attachment: null,
    } as const satisfies Partial<Parameters<typeof volumes.insert>[1]>;
    volumes.insert(ctx.db, { ...volume, layers: [...volume.layers] });
    const layers = await ensureVolume(ctx, { ...volume, layers: [...volume.layers] }, { uid: null });
    expect(layers).toHaveLength(2);
    expect(statSync(layerOf(first)).nlink).toBe(3);
    await expect(verifyDigests(ctx)).resolves.toEqual([
      { name: 'digests', status: 'ok', fact: '2 files hold what they should' },
    ]);
    const stored = readFileSync(layerOf(first));
    const where = stored.indexOf(readFileSync(raw).subarray(7 * MIB, 7 * MIB + 4096));
    expect(where).toBeGreaterThan(0);
    flip(layerOf(first), where + 100);
    const found = await verifyDigests(ctx);
    expect(found.map(({ name, status }) => `${name}: ${status}`)).toEqual(
      [snapshotIdsOf(first)[0], snapshotIdsOf(second)[0], volume.volumeId].map(
        (id) => `digests of ${id}: fail`,
      ),
    );
    expect(found[0]?.fact).toBe(`'${layerOf(first)}' is not what it was`);
    flip(layerOf(first), where + 100);
    await expect(verifyDigests(ctx)).resolves.toMatchObject([{ status: 'ok' }]);
    rmSync(layerOf(other));
    await expect(verifyDigests(ctx)).resolves.toMatchObject([
      { name: `digests of ${snapshotIdsOf(other)[0]}`, fact: expect.stringContaining('has 0 of 1 layers') },
    ]);
  });

  function flip(path: string, offset: number): void {
    const file = openSync(path, 'r+');
    const byte = Buffer.alloc(1);
    readSync(file, byte, 0, 1, offset);
    writeSync(file, Buffer.from([byte.readUInt8() ^ 1]), 0, 1, offset);
    closeSync(file);
  }
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
      await expect(importImage(home.ctx, { source: path, said: said() })).rejects.toMatchObject({ code });
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
      if (label === 'importing' && changes++ === 0) appendFileSync(path, 'more');
    });
    await expect(importImage(ctx, { source: path, said: said() })).rejects.toMatchObject({
      code: 'ImageChanged',
    });
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
  const sources: Readonly<Record<string, () => string>> = {
    raw: () => raw,
    qcow2: () => qcow2,
    vmdk: () => vmdk,
  };

  test.each([
    ['importing', 'raw'],
    ['importing', 'qcow2'],
    ['looking', 'raw'],
    ['converting', 'vmdk'],
    ['checking', 'vmdk'],
    ['verifying', 'raw'],
  ])('interrupted while %s a %s disk', async (stage, kind) => {
    const source = sources[kind]?.() ?? '';
    const hex = createHash('sha256').update(readFileSync(source)).digest('hex');
    const seen: string[] = [];
    const ctx = watching(home.ctx, ({ label }) => {
      seen.push(label);
      if (label.startsWith(stage)) home.abort();
    });
    await expect(
      importImage(ctx, { source, said: said(), checksum: { digest: { algorithm: 'sha256', hex } } }),
    ).rejects.toMatchObject({ code: 'Interrupted' });
    expect(seen.at(-1)).toMatch(stage);
    await expectNothingLeft();
  });

  test('interrupted while it waits for bytes that do not come', async () => {
    const never = new PassThrough();
    never.write(readFileSync(raw).subarray(0, 40 * MIB));
    const ctx = watching(home.ctx, ({ label }) => {
      if (label === 'importing') setTimeout(() => home.abort(), 50);
    });
    await expect(importImage(ctx, { source: '-', stdin: never, said: said('never') })).rejects.toMatchObject({
      code: 'Interrupted',
    });
    await expectNothingLeft();
  });

  test.each(FAILPOINTS.import.filter((point) => point !== 'import:recorded'))(
    'killed at %s, and swept',
    async (point) => {
      const status = await childImport({ env: { BONAMI_FAILPOINT: point } }).ended;
      expect(status).toBe('SIGKILL');
      const swept = await sweepAbandonedImages(home.ctx);
      expect(swept.map(({ name }) => name)).toEqual(['killed']);
      expect(sweepAbandonedSnapshots(home.ctx)).toEqual([]);
      await expectNothingLeft();
    },
  );

  test('killed when it was done: the image stays', async () => {
    expect(await childImport({ env: { BONAMI_FAILPOINT: 'import:recorded' } }).ended).toBe('SIGKILL');
    await expect(sweepAbandonedImages(home.ctx)).resolves.toEqual([]);
    const image = resolveImage(home.ctx.db, 'killed');
    await expect(verifyDigests(home.ctx)).resolves.toMatchObject([{ status: 'ok' }]);
    await removeWhole(image);
    await expectNothingLeft();
  });

  test(
    'killed at any moment: the next command clears up, or finds a whole image',
    { timeout: 400_000 },
    async () => {
      const random = generator(7);
      const { ctx } = home;
      const outcomes: string[] = [];
      // How long one takes from its first word to its end.
      const measured = childImport({});
      await measured.printed('ready');
      const began = performance.now();
      expect(await measured.ended).toBe(0);
      const usual = performance.now() - began;
      await removeWhole(resolveImage(ctx.db, 'killed'));
      for (let round = 0; round < 30; round++) {
        const source = Object.values(sources)[round % 3]?.();
        const child = childImport({ ...(source === undefined ? {} : { source }) });
        await child.printed('ready');
        await sleep(random() * usual * 1.1);
        child.kill();
        outcomes.push(String(await child.ended));
        const next = await importImage(ctx, { source: tiny, said: said('next') });
        const [killed] = images.listBy(ctx.db, 'name', 'killed');
        expect(images.list(ctx.db)).toHaveLength(killed ? 2 : 1);
        expect(killed?.state ?? 'available').toBe('available');
        await expect(verifyDigests(ctx)).resolves.toMatchObject([{ status: 'ok' }]);
        if (killed) await removeWhole(killed);
        await removeWhole(next);
        // Killed before it was recorded, all that is left is a lock that nobody holds, until the host starts again.
        for (const name of readdirSync(ctx.layout.run).filter((each) => /^ami-.*\.lock$/.test(each))) {
          expect(isLocked(join(ctx.layout.run, name))).toBe(false);
          rmSync(join(ctx.layout.run, name));
        }
        await expectNothingLeft();
      }
      expect(outcomes.filter((outcome) => outcome === 'SIGKILL').length).toBeGreaterThan(10);
    },
  );

  test('killed while qemu-img converts: it goes too, and the next import clears up', async () => {
    const child = childImport({ source: vmdk });
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
    const image = await importImage(home.ctx, { source: qcow2, said: said('killed') });
    expect(images.list(home.ctx.db)).toEqual([image]);
    expect(readdirSync(home.ctx.layout.incoming)).toEqual([]);
  });

  test('a second command for the same name waits for the first', async () => {
    const bytes = readFileSync(raw);
    const child = childImport({ source: '-' });
    child.write(bytes.subarray(0, 40 * MIB));
    await child.printed('importing');
    const second = importImage(home.ctx, { source: raw, said: said('killed') });
    await expect.poll(() => home.reported.info.join(), { timeout: 20_000 }).toContain('waiting for it');
    child.write(bytes.subarray(40 * MIB));
    child.end();
    expect(await child.ended).toBe(0);
    const image = await second;
    expect(images.list(home.ctx.db)).toEqual([image]);
    await expect(settledImage(home.ctx, 'killed')).resolves.toEqual(image);
    expect(home.reported.info.join()).toContain('nothing to import');
  });
});

interface ChildImport {
  readonly ended: Promise<number | NodeJS.Signals | null>;
  kill(): void;
  write(bytes: Buffer): void;
  end(): void;
  printed(text: string): Promise<void>;
}

interface ChildOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly source?: string;
}

function childImport({ env = {}, source = raw }: ChildOptions): ChildImport {
  const args = ['--import', 'tsx', CHILD, home.ctx.layout.home, source, 'killed'];
  const child = spawn(process.execPath, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, ...env },
  });
  // Killed, it reads nothing any more.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<number | NodeJS.Signals | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  let output = '';
  child.stdout.on('data', (chunk) => (output += String(chunk)));
  return {
    ended,
    kill: () => child.kill('SIGKILL'),
    write: (bytes) => child.stdin.write(bytes),
    end: () => child.stdin.end(),
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

  test.each([
    ['raw', () => raw],
    ['qcow2', () => qcow2],
    ['vmdk', () => vmdk],
  ])('is found out before anything is written: %s', async (_kind, path) => {
    using onSmallDisk = testContext({ parent: small });
    await expect(importImage(onSmallDisk.ctx, { source: path(), said: said() })).rejects.toMatchObject({
      code: 'NoSpace',
      message: expect.stringContaining(onSmallDisk.ctx.layout.home),
    });
    expect(onSmallDisk.reported.progress).toEqual([]);
    await expectNothingLeft(onSmallDisk);
  });

  test('is the same error halfway through a stream, and the half is gone', async () => {
    using onSmallDisk = testContext({ parent: small });
    const attempt = importImage(onSmallDisk.ctx, {
      source: '-',
      stdin: createReadStream(raw),
      said: said('streamed'),
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'NoSpace',
      message: expect.stringContaining(onSmallDisk.ctx.layout.home),
    });
    expect(onSmallDisk.reported.progress.length).toBeGreaterThan(1);
    await expectNothingLeft(onSmallDisk);
    // There is room for a small one now.
    await expect(importImage(onSmallDisk.ctx, { source: tiny, said: said() })).resolves.toMatchObject({
      name: 'tiny',
    });
  });

  test('is the same error halfway through a conversion, and the half is gone', async () => {
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
  /** Subcommands that were called meanwhile. */
  async function callsOf(work: () => Promise<unknown>): Promise<readonly string[]> {
    const before = calls.length;
    await work();
    return calls.slice(before).map((call) => call.split(' ')[0] ?? '');
  }

  test('is asked for what nobody else can do, and no more', async () => {
    const [base, path, flat] = ['told-base', 'told', 'told-flat'].map((name) =>
      join(folder, `${name}.qcow2`),
    );
    if (!base || !path || !flat) throw new Error('no paths');
    const bring = (source: string, name: string) => async () =>
      importImage(home.ctx, { source, said: said(name) });
    await expect(callsOf(bring(raw, 'told-raw'))).resolves.toEqual([]);
    // Where the file system shares blocks, the clone is checked before it is kept.
    expect([[], ['check']]).toContainEqual(await callsOf(bring(qcow2, 'told-qcow2')));
    await expect(callsOf(bring(vmdk, 'told-vmdk'))).resolves.toEqual(['info', 'convert']);
    await convert({ from: raw, format: 'raw', to: base, virtualSize: 96 * MIB });
    await expect(
      callsOf(async () => createOverlay({ path, backingPath: base, sizeBytes: 2 ** 30 })),
    ).resolves.toEqual(['create']);
    const exported = {
      layers: [base, path],
      to: flat,
      format: 'qcow2',
      virtualSize: 2 ** 30,
      signal: home.ctx.signal,
      onProgress: () => undefined,
    } as const;
    await expect(callsOf(async () => exportDisk(exported))).resolves.toEqual(['convert']);
    expect(calls.at(-1)).toContain(`driver=qcow2,file.driver=file,file.filename=${path}`);
    expect(calls.at(-1)).toContain(
      `backing.driver=qcow2,backing.file.driver=file,backing.file.filename=${base}`,
    );
  });

  test('follows no header out of the layers that it is given', async () => {
    const [base, lying, flat] = ['true', 'lying', 'flat'].map((name) => join(folder, `${name}.qcow2`));
    if (!base || !lying || !flat) throw new Error('no paths');
    await convert({ from: raw, format: 'raw', to: base, virtualSize: 96 * MIB });
    qemuImg('create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/shadow', lying, `${96 * MIB}`);
    await exportDisk({
      layers: [base, lying],
      to: flat,
      format: 'qcow2',
      virtualSize: 96 * MIB,
      signal: home.ctx.signal,
      onProgress: () => undefined,
    });
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, flat)).toContain('identical');
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
    await expect(info(path, 'qcow2')).resolves.toMatchObject({
      virtualSize: 2 ** 33,
      otherFile: 'base.qcow2',
    });
    const facts = JSON.parse(qemuImg('info', '--output=json', '-f', 'qcow2', path)) as Record<
      string,
      unknown
    >;
    expect(facts).toMatchObject({ 'backing-filename-format': 'qcow2', 'cluster-size': 131072 });
    await expect(check(path)).resolves.toEqual({ corruptions: 0, leaks: 0, compressedClusters: 0 });
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
      createOverlay({ path, backingPath: join(folder, 'nowhere.qcow2'), sizeBytes: MIB }),
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
  let flaky: FlakyServer;

  beforeAll(async () => {
    flaky = flakyServer({ body: readFileSync(qcow2), etag: '"the-disk"' });
    checksum = createHash('sha512').update(readFileSync(qcow2)).digest('hex');
    server = await httpsServer((request, response) => {
      if (request.url === '/SHA512SUMS') response.end(`${checksum}  packed.qcow2\n`);
      else if (request.url === '/packed.qcow2') flaky.listener(request, response);
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
      label: `reading ${server.origin}/packed.qcow2`,
      done: size,
      total: size,
      unit: 'bytes',
    });
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, layerOf(image))).toContain('identical');
    expect(readdirSync(ctx.layout.incoming)).toEqual([]);
    await expect(pullImage(ctx, { name: 'guest' })).resolves.toEqual(image);
    await expect(buildImage(ctx, { name: 'guest' })).resolves.toEqual(image);
  });

  test('an image whose connection is lost again and again is downloaded all the same', async () => {
    const proxy = await droppingProxy(Number(new URL(server.origin).port), (connection) => ({
      down: 9 * MIB,
      how: connection % 2 === 0 ? 'reset' : 'end',
    }));
    try {
      const before = flaky.ranges.length;
      const ctx = offer({ origin: `https://localhost:${proxy.port}` });
      const image = await pullImage(ctx, { name: 'guest', connection: trusting() });
      expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, layerOf(image))).toContain('identical');
      const ranges = flaky.ranges.slice(before);
      expect(ranges.length).toBeGreaterThan(3);
      expect(ranges.slice(1)).toEqual(ranges.slice(1).map(() => expect.stringMatching(/^bytes=[1-9]\d*-$/)));
      expect(home.reported.progress.at(-2)).toMatchObject({ done: statSync(qcow2).size });
    } finally {
      await proxy.close();
    }
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
    expect(qemuImg('compare', '-f', 'raw', '-F', 'qcow2', raw, layerOf(image))).toContain('identical');
    expect(digestsOf(image)).toEqual(digestsOf(await importImage(ctx, { source: raw, said: said('same') })));
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

test('every call of qemu-img names the format of every file that it opens, by whole paths', () => {
  expect(calls.length).toBeGreaterThan(50);
  const formats = '(?:qcow2|raw|vmdk|vpc|vhdx|vdi)';
  const told = [
    new RegExp(`^(?:info|measure|check|map) (?!.* -[bF] ).*-f ${formats} .*-- '?/[^ ]+$`),
    new RegExp(`^convert (?!.* -[bF] ).*-f ${formats} .*-O ${formats} .*-- '?/[^ ]+ '?/[^ ]+$`),
    /^convert .*--image-opts .*-O \S+ .*-- '?driver=qcow2,file\.driver=file,file\.filename=\/\S+ '?\/\S+$/,
    /^create -q -f qcow2 (?:-F qcow2 -b [^/ ]+ )?-o \S+ -- '?\/\S+ \d+$/,
  ];
  // But for the one test of what is refused.
  const wrong = calls.filter((call) => !told.some((form) => form.test(call)));
  expect(wrong).toEqual([]);
  // Each layer below another is told as well.
  for (const call of calls.filter((each) => each.includes('--image-opts')))
    expect(call.match(/(?:^|[ ,'])(?:backing\.)*driver=/g)).toHaveLength(
      call.match(/file\.filename=/g)?.length ?? 0,
    );
});
