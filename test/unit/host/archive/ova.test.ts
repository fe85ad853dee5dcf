import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { describe, expect, test, vi } from 'vitest';
import type { Ovf } from '../../../../src/host/archive/ovf.ts';
import { ovfManifest } from '../../../../src/host/archive/ovf-manifest.ts';
import { readOva } from '../../../../src/host/archive/read-ova.ts';
import { unwrap } from '../../../../src/host/archive/unwrap.ts';
import { ovfDescriptor } from '../../../../src/host/archive/write-ovf.ts';
import { writeTar } from '../../../../src/host/archive/write-tar.ts';
import { bytesOf, inPieces, noise, tar, through } from '../../../support/archives.ts';
import { descriptor, disk, drive, manifestLine, ova } from '../../../support/ova.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

// Real programs and thousands of rounds, on a host that may have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const DISK = noise(5000);
const ONE = { name: 'disk.vmdk', content: DISK };
const mf = (...lines: readonly string[]) => ({ name: 'vm.mf', content: lines.join('') });

interface Read {
  readonly ovf: Ovf;
  /** Files and their contents, as they came. */
  readonly disks: readonly (readonly [file: string, content: Buffer])[];
}

async function read(archive: Buffer | Readable): Promise<Read> {
  const disks: [string, Buffer][] = [];
  const ovf = await readOva(Buffer.isBuffer(archive) ? inPieces(archive) : archive, {
    onDisk: async ({ file }, stream, size) => {
      disks.push([file, await bytesOf(stream)]);
      expect(disks.at(-1)?.[1]).toHaveLength(size);
    },
  });
  return { ovf, disks };
}

describe('a good OVA', () => {
  test('of several real disks, packed by tar, with holes and a manifest at the end', async () => {
    using folder = temporaryFolder();
    const files = ['one.vmdk', 'two.vmdk', 'three.vmdk'];
    for (const [index, file] of files.entries()) {
      writeFileSync(
        join(folder.path, 'raw'),
        Buffer.concat([noise(200_000, index + 1), Buffer.alloc(848_576)]),
      );
      execFileSync(
        'qemu-img',
        ['convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', 'raw', file],
        { cwd: folder.path },
      );
    }
    const text = descriptor({
      files: files.map((file, index) => `<File ovf:href="${file}" ovf:id="file${index}"/>`).join(''),
      disks: files.map((_, index) => disk(index)).join(''),
      items: drive('vmdisk2', 0) + drive('vmdisk0', 1) + drive('vmdisk1', 2),
    });
    writeFileSync(join(folder.path, 'vm.ovf'), text);
    const contents = files.map((file) => readFileSync(join(folder.path, file)));
    writeFileSync(
      join(folder.path, 'vm.mf'),
      manifestLine('vm.ovf', text) +
        files.map((file, index) => manifestLine(file, contents[index] ?? '')).join(''),
    );
    execFileSync('tar', ['--format=ustar', '-cf', 'vm.ova', 'vm.ovf', ...files, 'vm.mf'], {
      cwd: folder.path,
    });
    const { ovf, disks } = await read(createReadStream(join(folder.path, 'vm.ova')));
    expect(ovf.disks.map(({ file }) => file)).toEqual(['three.vmdk', 'one.vmdk', 'two.vmdk']);
    expect(disks.map(([file]) => file)).toEqual(files);
    expect(disks.every(([, content], index) => content.equals(contents[index] ?? Buffer.alloc(0)))).toBe(
      true,
    );
  });

  test.each(['SHA1', 'SHA256', 'SHA512', 'SHA2-256'])(
    'with a manifest by %s, before its disks or after them',
    async (algorithm) => {
      const text = descriptor();
      const manifest = mf(
        manifestLine('vm.ovf', text, algorithm.replace('2-', '')).replace(
          /^SHA256/,
          algorithm === 'SHA2-256' ? algorithm : 'SHA256',
        ),
        manifestLine('disk.vmdk', DISK, algorithm.replace('2-', '')),
      );
      const cert = { name: 'vm.cert', content: 'whose?' };
      for (const archive of [ova(text, manifest, cert, ONE), ova(text, ONE, manifest, cert)])
        expect((await read(archive)).disks).toEqual([['disk.vmdk', DISK]]);
    },
  );

  test('without a manifest, and with one that has only the disks', async () => {
    expect((await read(ova(descriptor(), ONE))).ovf.name).toBe('web & mail');
    expect((await read(ova(descriptor(), mf(manifestLine('disk.vmdk', DISK)), ONE))).ovf.name).toBe(
      'web & mail',
    );
  });

  test('tells its descriptor before its disks, and hands over no other files', async () => {
    const files = '<File ovf:href="disk.vmdk" ovf:id="file1"/><File ovf:href="cd.iso" ovf:id="file2"/>';
    const order: string[] = [];
    await readOva(inPieces(ova(descriptor({ files }), { name: 'cd.iso', content: 'x' }, ONE)), {
      onDescriptor: ({ disks }) => void order.push(`descriptor of ${disks.length}`),
      onDisk: async ({ file }) => void order.push(file),
    });
    expect(order).toEqual(['descriptor of 1', 'disk.vmdk']);
  });

  test('a compressed disk is handed over as it is', async () => {
    const files = '<File ovf:href="disk.vmdk" ovf:id="file1" ovf:compression="gzip"/>';
    const packed = through(DISK, 'gzip', '-c');
    const manifest = mf(manifestLine('disk.vmdk', packed));
    await readOva(inPieces(ova(descriptor({ files }), manifest, { name: 'disk.vmdk', content: packed })), {
      onDisk: async ({ isCompressed }, stream) => {
        expect(isCompressed).toBe(true);
        expect(await bytesOf((await unwrap(stream)).content)).toEqual(DISK);
      },
    });
  });

  test('a disk that its taker leaves in the middle is still compared', async () => {
    const taking = readOva(inPieces(ova(descriptor(), ONE, mf(manifestLine('disk.vmdk', 'other')))), {
      onDisk: async (_, stream) => void stream.destroy(),
    });
    await expect(taking).rejects.toMatchObject({ code: 'ArchiveCorrupt' });
  });

  test('of ours: the tar, the descriptor and the manifest are one', async () => {
    const text = ovfDescriptor({
      name: 'mine',
      architecture: 'arm64',
      isUefi: true,
      cpus: 1,
      memoryMiB: 512,
      disks: [{ file: 'disk.vmdk', size: DISK.length, virtualSize: 2 ** 20 }],
    });
    const digests = Object.entries({ 'mine.ovf': Buffer.from(text), 'disk.vmdk': DISK }).map(
      ([file, content]) => ({
        file,
        sha256: createHash('sha256').update(content).digest('hex'),
      }),
    );
    const files = { 'mine.ovf': text, 'disk.vmdk': DISK, 'mine.mf': ovfManifest(digests) };
    const archive = await bytesOf(
      writeTar(
        Object.entries(files).map(([name, text]) => ({
          name,
          size: text.length,
          content: Buffer.from(text),
        })),
      ),
    );
    expect(await read(archive)).toMatchObject({
      ovf: { name: 'mine', firmware: 'efi' },
      disks: [['disk.vmdk', DISK]],
    });
  });
});

describe('an OVA is refused', () => {
  const text = descriptor();
  const good = manifestLine('disk.vmdk', DISK);
  const wrong = good.replace(/[\da-f]{4}$/m, '0000');
  test.each<[what: string, archive: Buffer, code: string, message: RegExp]>([
    ['that is empty', tar(), 'ArchiveCorrupt', /is empty/],
    [
      'whose descriptor is not first',
      tar(ONE, { name: 'vm.ovf', content: text }),
      'ArchiveCorrupt',
      /begins with 'disk.vmdk' and not with its descriptor/,
    ],
    [
      'with two descriptors',
      ova(text, { name: 'b.ovf', content: text }, ONE),
      'ArchiveHostile',
      /a second descriptor, 'b.ovf'/,
    ],
    [
      'with a large descriptor',
      ova(text.replace('Generated', 'x'.repeat(1 << 20)), ONE),
      'ArchiveTooLarge',
      /'vm.ovf' of \d+ bytes; at most 1048576/,
    ],
    [
      'with a large manifest',
      ova(text, mf(good, '\n'.repeat(1 << 20)), ONE),
      'ArchiveTooLarge',
      /'vm.mf' of/,
    ],
    [
      'with a file too many',
      ova(text, ONE, { name: 'extra.vmdk' }),
      'ArchiveHostile',
      /holds 'extra.vmdk', which its descriptor does not name/,
    ],
    ['with a file missing', ova(text), 'ArchiveCorrupt', /lacks 'disk.vmdk', which its descriptor names/],
    ['with a file twice', ova(text, ONE, ONE), 'ArchiveHostile', /holds 'disk.vmdk' twice/],
    [
      'with a link for a disk',
      ova(text, { name: 'disk.vmdk', type: '2', linkName: '/dev/sda' }),
      'ArchiveHostile',
      /a symbolic link, 'disk.vmdk' to '\/dev\/sda'/,
    ],
    [
      'with a path',
      ova(text, { ...ONE, name: '../disk.vmdk' }),
      'ArchiveHostile',
      /leads out of the archive/,
    ],
    ['with a leading dot', ova(text, { ...ONE, name: './disk.vmdk' }), 'ArchiveHostile', /is a path/],
    ['with a folder', ova(text, { name: 'x/', type: '5' }, ONE), 'ArchiveHostile', /holds a folder/],
    [
      'with another size',
      ova(descriptor({ files: '<File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="4999"/>' }), ONE),
      'ArchiveCorrupt',
      /a 'disk.vmdk' of 5000 bytes instead of 4999/,
    ],
    [
      'with another disk than its manifest says, before it',
      ova(text, mf(wrong), ONE),
      'ArchiveCorrupt',
      /another 'disk.vmdk' than its manifest says \(sha256\)/,
    ],
    [
      'with another disk than its manifest says, after it',
      ova(text, ONE, mf(wrong)),
      'ArchiveCorrupt',
      /another 'disk.vmdk' than its manifest says/,
    ],
    [
      'with another descriptor than its manifest says',
      ova(text, ONE, mf(good, manifestLine('vm.ovf', 'x', 'SHA1'))),
      'ArchiveCorrupt',
      /another 'vm.ovf' than its manifest says \(sha1\)/,
    ],
    [
      'with a manifest without its disk',
      ova(text, ONE, mf(manifestLine('vm.ovf', text))),
      'ArchiveCorrupt',
      /a manifest without 'disk.vmdk'/,
    ],
    [
      'with a manifest of more files',
      ova(text, ONE, mf(good, manifestLine('x', ''))),
      'ArchiveCorrupt',
      /lacks 'x', which its manifest names/,
    ],
    [
      'with two manifests',
      ova(text, mf(good), { ...mf(good), name: 'b.mf' }, ONE),
      'ArchiveCorrupt',
      /two manifests/,
    ],
    [
      'with two digests for a file',
      ova(text, mf(good, wrong), ONE),
      'ArchiveCorrupt',
      /two digests for 'disk.vmdk'/,
    ],
    [
      'with a manifest of something else',
      ova(text, mf('MD5(disk.vmdk)= 00\n'), ONE),
      'ArchiveCorrupt',
      /a manifest with a line 'MD5/,
    ],
    [
      'with too many files',
      ova(text, ...Array.from({ length: 200 }, (_, index) => ({ name: `${index}.cert` }))),
      'ArchiveTooLarge',
      /more than 100 entries/,
    ],
    [
      'that was cut off before its manifest',
      ova(text, ONE).subarray(0, -1024),
      'ArchiveCorrupt',
      /ends too soon/,
    ],
  ])('%s', async (_, archive, code, message) => {
    await expect(read(archive)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test('by its taker: nothing is read any more', async () => {
    const source = new PassThrough();
    source.write(ova(text, ONE, ONE).subarray(0, 6000));
    const reading = readOva(source, { onDisk: async () => Promise.reject(new Error('no room')) });
    await expect(reading).rejects.toThrow('no room');
    expect(source.closed).toBe(true);
    const early = readOva(inPieces(ova(text, ONE)), {
      onDescriptor: () => Promise.reject(new Error('not this machine')),
      onDisk: async () => Promise.reject(new Error('never')),
    });
    await expect(early).rejects.toThrow('not this machine');
  });

  test('when it is aborted', async () => {
    const controller = new AbortController();
    const source = new PassThrough();
    source.write(ova(text, ONE).subarray(0, 6000));
    const reading = readOva(source, {
      signal: controller.signal,
      onDisk: async (_, stream) => {
        controller.abort(new Error('enough'));
        await bytesOf(stream);
      },
    });
    await expect(reading).rejects.toThrow('enough');
    expect(source.closed).toBe(true);
  });
});
