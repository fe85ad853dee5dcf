import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { exportImage } from '../../src/ec2/images/export-image.ts';
import { importImage } from '../../src/ec2/images/import-image.ts';
import type { Image } from '../../src/store/images.ts';
import { snapshots } from '../../src/store/snapshots.ts';
import { type TestContext, testContext } from '../support/context.ts';
import {
  expectNothingLeft,
  expectOnly,
  importing,
  makeDisk,
  qemuImg,
  rootDisk,
} from '../support/image-files.ts';

let folder: string;
let raw: string;
/** The contents of the next archive. */
let parts: string;
let home: TestContext;
let digest: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bonami-archives-'));
  raw = makeDisk(join(folder, 'original.raw'));
  using first = testContext();
  digest = rootDisk(first, await importImage(first.ctx, importing(raw))).digest;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  home = testContext();
  parts = join(folder, 'parts');
  mkdirSync(parts);
});
afterEach(() => {
  home.cleanup();
  rmSync(parts, { recursive: true, force: true });
});

/** An archive by the host's own tar of these files, in this order. */
function tar(name: string, files: readonly string[], ...options: readonly string[]): string {
  const path = join(folder, name);
  rmSync(path, { force: true });
  execFileSync('tar', ['-C', parts, '-cf', path, ...options, '--', ...files]);
  return path;
}

function part(name: string, content: string | Buffer): string {
  writeFileSync(join(parts, name), content);
  return name;
}

function vmdk(name = 'disk-1.vmdk', from = raw): string {
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', from, join(parts, name));
  return name;
}

async function expectRefused(path: string, code: string): Promise<void> {
  await expect(importImage(home.ctx, importing(path))).rejects.toMatchObject({ code });
  await expectNothingLeft(home);
}

interface Described {
  readonly files: readonly string[];
  readonly name?: string;
  readonly compression?: string;
  readonly before?: string;
  readonly systems?: number;
}

function ovf({ files, name = 'web', compression, before = '', systems = 1 }: Described): string {
  const packed = compression === undefined ? '' : ` ovf:compression="${compression}"`;
  const file = files.map((href, at) => `<File ovf:href="${href}" ovf:id="f${at}"${packed}/>`).join('');
  const disk = files
    .map((_, at) => `<Disk ovf:diskId="d${at}" ovf:fileRef="f${at}" ovf:capacity="1"/>`)
    .join('');
  const items = files
    .map(
      (_, at) =>
        `<Item><AddressOnParent>${at}</AddressOnParent><HostResource>ovf:/disk/d${at}</HostResource><Parent>3</Parent><ResourceType>17</ResourceType></Item>`,
    )
    .join('');
  const system = `<VirtualSystem ovf:id="vm"><Name>${name}</Name><VirtualHardwareSection>${items}</VirtualHardwareSection></VirtualSystem>`;
  return `<?xml version="1.0"?>${before}<Envelope xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"><References>${file}</References><DiskSection>${disk}</DiskSection>${system.repeat(systems)}</Envelope>`;
}

function manifest(algorithm: 'SHA1' | 'SHA256', files: readonly string[]): string {
  return files
    .map((name) => {
      const hash = createHash(algorithm.toLowerCase()).update(readFileSync(join(parts, name)));
      return `${algorithm}(${name})= ${hash.digest('hex')}\n`;
    })
    .join('');
}

describe('an OVA', () => {
  test.each(['SHA1', 'SHA256'] as const)('with a manifest of %s, last or second', async (algorithm) => {
    const files = [part('web.ovf', ovf({ files: ['disk-1.vmdk'] })), vmdk()];
    part('web.mf', manifest(algorithm, files));
    for (const order of [
      ['web.ovf', 'disk-1.vmdk', 'web.mf'],
      ['web.ovf', 'web.mf', 'disk-1.vmdk'],
    ]) {
      using other = testContext();
      const image = await importImage(other.ctx, importing(tar('web.ova', order)));
      expect(image.name).toBe('web');
      expect(rootDisk(other, image).digest).toBe(digest);
      await expectOnly(other, [image]);
    }
  });

  test('with two disks, of which the machine’s first is the root', async () => {
    const second = makeDisk(join(folder, 'second.raw'), 8);
    // The archive's order is not the machine's.
    const files = [vmdk('b.vmdk', second), vmdk('a.vmdk')];
    part('web.ovf', ovf({ files: ['a.vmdk', 'b.vmdk'] }));
    const image = await importImage(home.ctx, importing(tar('two.ova', ['web.ovf', ...files])));
    expect(rootDisk(home, image).digest).toBe(digest);
    expect(image.blockDeviceMappings.map(({ deviceName }) => deviceName)).toEqual(['/dev/xvda', '/dev/sdf']);
    await expectOnly(home, [image]);
  });

  test('with a compressed disk', async () => {
    vmdk();
    execFileSync('gzip', ['-1', join(parts, 'disk-1.vmdk')]);
    part('web.ovf', ovf({ files: ['disk-1.vmdk.gz'], compression: 'gzip' }));
    const image = await importImage(home.ctx, importing(tar('packed.ova', ['web.ovf', 'disk-1.vmdk.gz'])));
    expect(rootDisk(home, image).digest).toBe(digest);
  });

  test('of a machine whose name no image can have is called after its file', async () => {
    part('x.ovf', ovf({ files: [vmdk()], name: 'x' }));
    const image = await importImage(home.ctx, importing(tar('appliance.ova', ['x.ovf', 'disk-1.vmdk'])));
    expect(image.name).toBe('appliance');
  });

  test.each<[string, string, () => readonly string[]]>([
    [
      'ArchiveCorrupt',
      'another disk than its manifest says',
      () => {
        const files = [part('web.ovf', ovf({ files: ['disk-1.vmdk'] })), vmdk()];
        const wrong = manifest('SHA256', files).replace(/[0-9a-f]{8}\n$/, '00000000\n');
        return [...files, part('web.mf', wrong)];
      },
    ],
    ['ArchiveCorrupt', 'no disk', () => [part('web.ovf', ovf({ files: ['disk-1.vmdk'] }))]],
    [
      'ArchiveHostile',
      'a file too many',
      () => [part('web.ovf', ovf({ files: ['disk-1.vmdk'] })), vmdk(), part('run.sh', '#!/bin/sh')],
    ],
    [
      'OvfRefused',
      'a document type',
      () => [
        part(
          'web.ovf',
          ovf({ files: ['disk-1.vmdk'], before: '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/shadow">]>' }),
        ),
        vmdk(),
      ],
    ],
    ['ArchiveHostile', 'a path', () => [part('web.ovf', ovf({ files: ['../disk-1.vmdk'] })), vmdk()]],
    [
      'OvfRefused',
      'two machines',
      () => [part('web.ovf', ovf({ files: ['disk-1.vmdk'], systems: 2 })), vmdk()],
    ],
    [
      'ImageHasBackingFile',
      'a disk that leads elsewhere',
      () => {
        qemuImg(
          'create',
          '-f',
          'qcow2',
          '-u',
          '-F',
          'raw',
          '-b',
          '/etc/shadow',
          join(parts, 'd.qcow2'),
          '1M',
        );
        return [part('web.ovf', ovf({ files: ['d.qcow2'] })), 'd.qcow2'];
      },
    ],
    [
      'OvfRefused',
      'more disks than there are names for',
      () => {
        const names = Array.from({ length: 14 }, (_, index) => `d${index}.raw`);
        const small = readFileSync(raw).subarray(0, 2 ** 20);
        return [part('web.ovf', ovf({ files: names })), ...names.map((name) => part(name, small))];
      },
    ],
  ])('%s: one with %s', async (code, _what, make) => {
    expect.hasAssertions();
    await expectRefused(tar('hostile.ova', make()), code);
  });
});

describe('a plain tar file', () => {
  test('with one disk and notes beside it, by any spelling', async () => {
    copyFileSync(raw, join(parts, 'disk.raw'));
    const files = [part('README.txt', 'notes'), 'disk.raw', part('SHA256.sha256', 'x')];
    for (const path of [tar('one.tar', files), tar('dot.tar', ['.'])]) {
      using other = testContext();
      const image = await importImage(other.ctx, importing(path));
      expect(rootDisk(other, image).digest).toBe(digest);
    }
  });

  test.each(['gzip', 'xz', 'zstd', 'bzip2'])('compressed with %s', async (program) => {
    copyFileSync(raw, join(parts, 'disk.raw'));
    const path = tar('packed.tar', ['disk.raw'], '-I', program);
    expect(rootDisk(home, await importImage(home.ctx, importing(path))).digest).toBe(digest);
  });

  test('with two disks, or with none', async () => {
    expect.hasAssertions();
    copyFileSync(raw, join(parts, 'a.raw'));
    copyFileSync(raw, join(parts, 'b.raw'));
    await expectRefused(tar('two.tar', ['a.raw', 'b.raw']), 'ArchiveHostile');
    await expectRefused(tar('none.tar', [part('notes.txt', 'x')]), 'ArchiveCorrupt');
  });

  test('with a link, a device or a sparse file', async () => {
    expect.hasAssertions();
    execFileSync('ln', ['-s', '/etc/shadow', join(parts, 'disk.raw')]);
    await expectRefused(tar('link.tar', ['disk.raw']), 'ArchiveHostile');
    execFileSync('mknod', [join(parts, 'device'), 'b', '7', '0']);
    await expectRefused(tar('device.tar', ['device']), 'ArchiveHostile');
    execFileSync('truncate', ['-s', '10M', join(parts, 'sparse.raw')]);
    await expectRefused(tar('sparse.tar', ['sparse.raw'], '--sparse'), 'ArchiveHostile');
  });

  test('that was cut off, at its end or in the disk', async () => {
    copyFileSync(raw, join(parts, 'disk.raw'));
    const path = tar('cut.tar', ['disk.raw']);
    const { size } = statSync(path);
    for (const length of [size - 10_240, size / 2, 1024]) {
      truncateSync(path, Math.floor(length));
      await expect(importImage(home.ctx, importing(path))).rejects.toMatchObject({ code: 'ArchiveCorrupt' });
      await expectNothingLeft(home);
    }
  });
});

test.each(['gzip', 'xz', 'bzip2', 'zstd'])(
  'a bomb packed with %s is refused before it fills the disk',
  async (program) => {
    expect.hasAssertions();
    // One letter over and over: no disk, and larger than any real contents by so little.
    const pattern = join(folder, 'pattern');
    writeFileSync(
      pattern,
      Buffer.concat([readFileSync(raw).subarray(0, 2 ** 20), Buffer.alloc(300 * 2 ** 20, 'x')]),
    );
    const path = join(folder, 'bomb.raw.packed');
    writeFileSync(path, execFileSync(program, ['-c', pattern], { maxBuffer: 2 ** 26 }));
    rmSync(pattern);
    await expectRefused(path, 'CompressionBomb');
  },
);

describe('our own bundle', () => {
  let bundle: string;
  let image: Image;

  beforeEach(async () => {
    using source = testContext();
    image = await importImage(
      source.ctx,
      importing(raw, { said: { name: 'golden', description: 'a test' } }),
    );
    bundle = join(folder, 'golden.tar');
    await exportImage(source.ctx, { image: 'golden', destination: bundle, compress: false, replace: true });
    execFileSync('tar', ['-C', parts, '-xf', bundle]);
  });

  /** The bundle again, with its manifest changed. */
  function changed(change: (manifest: Record<string, unknown>) => unknown, files = ['disk-0.qcow2']): string {
    const path = join(parts, 'bonami-image.json');
    const content = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify(change(content)));
    return tar('changed.tar', ['bonami-image.json', ...files]);
  }

  const disk = (more: Readonly<Record<string, unknown>>) => (content: Record<string, unknown>) => ({
    ...content,
    disks: [{ ...(content['disks'] as object[])[0], ...more }],
  });
  const said = (more: Readonly<Record<string, unknown>>) => (content: Record<string, unknown>) => ({
    ...content,
    ...more,
  });

  test('is the same image elsewhere', async () => {
    const back = await importImage(home.ctx, { source: bundle });
    expect(back).toMatchObject({ name: 'golden', description: 'a test', architecture: image.architecture });
    expect(rootDisk(home, back).digest).toBe(digest);
    expect(snapshots.list(home.ctx.db)).toHaveLength(1);
    await expectOnly(home, [back]);
  });

  test('is read from standard input, too', async () => {
    const back = await importImage(home.ctx, { source: '-', stdin: createReadStream(bundle) });
    expect(back.name).toBe('golden');
    await expectOnly(home, [back]);
  });

  test.each<[string, string, Parameters<typeof changed>[0]]>([
    ['ImageDigestMismatch', 'another digest', disk({ digest: `content-sha256:${'0'.repeat(64)}` })],
    ['BundleBroken', 'a digest of another kind', disk({ digest: 'sha256:00' })],
    ['BundleBroken', 'a path for a file', disk({ file: '../disk-0.qcow2' })],
    ['BundleBroken', 'a path for a device', disk({ deviceName: '/dev/../etc/passwd' })],
    ['BundleBroken', 'a device with options', disk({ deviceName: '/dev/xvda,readonly=off' })],
    ['BundleBroken', 'no size', disk({ volumeSize: 0 })],
    ['BundleBroken', 'a negative size', disk({ volumeSize: -1 })],
    ['BundleBroken', 'half a size', disk({ volumeSize: 1.5 })],
    ['BundleBroken', 'a huge size', disk({ volumeSize: 1e300 })],
    ['BundleBroken', 'a kind of volume that is none', disk({ volumeType: 'gp9' })],
    ['BundleBroken', 'something that nobody knows', said({ hook: 'rm -rf /' })],
    ['BundleBroken', 'another version', said({ bonamiImage: 2 })],
    ['BundleBroken', 'a root device without a disk', said({ rootDeviceName: '/dev/xvdb' })],
    ['BundleBroken', 'no disks', said({ disks: [] })],
    ['BundleBroken', 'a user that is an option', said({ defaultUser: '-oProxyCommand=x' })],
    ['BundleBroken', 'a name that a terminal obeys', said({ name: 'golden\u001b[2J' })],
    ['BundleBroken', 'a name like an id', said({ name: 'ami-0123456789abcdef0' })],
    ['BundleBroken', 'a description that a terminal obeys', said({ description: 'x\u001b]0;owned\u0007' })],
    ['BundleBroken', 'nothing but a list', () => []],
    ['BundleBroken', 'nothing', () => null],
    [
      'BundleBroken',
      'one disk twice',
      (content) =>
        said({ disks: [...(content['disks'] as object[]), ...(content['disks'] as object[])] })(content),
    ],
  ])('%s: a manifest with %s', async (code, _what, change) => {
    expect.hasAssertions();
    await expectRefused(changed(change), code);
  });

  test('without its disk, with another file, or with a manifest that is no JSON', async () => {
    expect.hasAssertions();
    await expectRefused(tar('lacks.tar', ['bonami-image.json']), 'BundleBroken');
    part('extra.qcow2', 'x');
    await expectRefused(
      tar('extra.tar', ['bonami-image.json', 'disk-0.qcow2', 'extra.qcow2']),
      'BundleBroken',
    );
    part('bonami-image.json', '{"bonamiImage":');
    await expectRefused(tar('broken.tar', ['bonami-image.json', 'disk-0.qcow2']), 'BundleBroken');
    part('bonami-image.json', ' '.repeat(2 ** 20 + 1));
    await expectRefused(tar('endless.tar', ['bonami-image.json', 'disk-0.qcow2']), 'BundleBroken');
  });

  test('whose disk leads elsewhere', async () => {
    expect.hasAssertions();
    qemuImg(
      'create',
      '-f',
      'qcow2',
      '-u',
      '-F',
      'raw',
      '-b',
      '/etc/shadow',
      join(parts, 'disk-0.qcow2'),
      '1M',
    );
    await expectRefused(tar('leads.tar', ['bonami-image.json', 'disk-0.qcow2']), 'ImageHasBackingFile');
  });
});
