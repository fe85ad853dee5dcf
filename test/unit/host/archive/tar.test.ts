import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { decompress } from '../../../../src/host/archive/decompress.ts';
import { type TarOptions, readTar } from '../../../../src/host/archive/read-tar.ts';
import { isTar } from '../../../../src/host/archive/recognise.ts';
import { type TarFile, writeTar } from '../../../../src/host/archive/write-tar.ts';
import {
  type TarFields,
  bytesOf,
  inPieces,
  noise,
  paxRecords,
  tar,
  tarEntry,
  through,
} from '../../../support/archives.ts';
import { generator } from '../../../support/random.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

// Real programs and thousands of rounds, on a host that may have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const A: TarFields = { name: 'a', content: 'first' };
const END = Buffer.alloc(1024);

/** Names and contents of an archive's files. */
async function filesIn(archive: Buffer | Readable, options: TarOptions = {}): Promise<readonly string[][]> {
  const found: string[][] = [];
  const source = Buffer.isBuffer(archive) ? inPieces(archive) : archive;
  for await (const { name, size, stream } of readTar(source, options)) {
    const content = await bytesOf(stream);
    expect(content).toHaveLength(size);
    found.push([name, content.toString('latin1')]);
  }
  return found;
}

describe('reading', () => {
  test.each([1, 7, 511, 512, 513, 100_000])('in pieces of %d bytes', async (size) => {
    const big = noise(5000).toString('latin1');
    const archive = tar(A, { name: 'empty' }, { name: 'b', content: Buffer.from(big, 'latin1') });
    expect(isTar(archive)).toBe(true);
    expect(await filesIn(inPieces(archive, size))).toEqual([
      ['a', 'first'],
      ['empty', ''],
      ['b', big],
    ]);
  });

  test('what is not read is skipped, and told nevertheless', async () => {
    const content = noise(300_000);
    const seen = new Map<string, Buffer[]>();
    for await (const entry of readTar(inPieces(tar(...['a', 'b', 'c'].map((name) => ({ name, content })))))) {
      const pieces: Buffer[] = [];
      seen.set(entry.name, pieces);
      entry.onBytes((piece) => pieces.push(piece));
      if (entry.name === 'b') for await (const piece of entry.stream) if (piece !== undefined) break;
      if (entry.name === 'c') entry.stream.destroy();
    }
    expect([...seen.values()].map((pieces) => Buffer.concat(pieces).equals(content))).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('stopping early closes the source', async () => {
    const source = new PassThrough();
    source.write(tar({ name: 'a', content: noise(100_000) }));
    for await (const { name } of readTar(source)) {
      expect(name).toBe('a');
      break;
    }
    expect(source.closed).toBe(true);
  });

  test('abort is the error, before, between and while reading', async () => {
    const reason = new Error('enough');
    await expect(filesIn(tar(A), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const controller = new AbortController();
    const source = new PassThrough();
    source.write(tarEntry(A));
    const reading = filesIn(source, { signal: controller.signal });
    await sleep(20);
    controller.abort(reason);
    await expect(reading).rejects.toBe(reason);
    expect(source.closed).toBe(true);
  });

  test("the source's error is the error", async () => {
    const source = new PassThrough();
    source.write(tarEntry({ name: 'a', content: noise(10_000) }).subarray(0, 5000));
    setTimeout(() => source.destroy(new Error('the line is dead')), 10);
    await expect(filesIn(source)).rejects.toThrow('the line is dead');
  });

  test('damage that only the end of the compressed data shows is seen', async () => {
    const packed = through(tar({ name: 'a', content: noise(100_000) }), 'gzip', '-c');
    packed.writeUInt8(packed.readUInt8(packed.length - 6) ^ 1, packed.length - 6);
    await expect(filesIn(decompress(inPieces(packed), 'gzip'))).rejects.toMatchObject({
      code: 'ImageCorrupt',
    });
  });
});

describe('folders', () => {
  const archive = tar(
    { name: './', type: '5' },
    { name: './a', content: 'first' },
    { name: './sub/', type: '5' },
  );

  test('and a leading dot are refused, or not', async () => {
    await expect(filesIn(archive)).rejects.toMatchObject({
      code: 'ArchiveHostile',
      message: "the archive holds a folder, './'; only regular files are read",
    });
    expect(await filesIn(archive, { folders: 'skipped', leadingDot: 'dropped' })).toEqual([['a', 'first']]);
    await expect(filesIn(archive, { folders: 'skipped' })).rejects.toMatchObject({
      message: "the archive holds './a', which is a path; plain names are allowed",
    });
  });

  test('hold no files', async () => {
    const inside = tar({ name: './sub/a', content: 'x' });
    await expect(filesIn(inside, { folders: 'skipped', leadingDot: 'dropped' })).rejects.toMatchObject({
      code: 'ArchiveHostile',
      message: "the archive holds 'sub/a', which is a path; plain names are allowed",
    });
  });
});

describe('a hostile archive is refused by name', () => {
  const pax = (records: Readonly<Record<string, string>>, type = 'x'): TarFields => ({
    name: 'PaxHeader',
    type,
    content: paxRecords(records),
  });

  test.each<[what: string, archive: Buffer, message: RegExp]>([
    [
      'a symbolic link',
      tar({ name: 'a', type: '2', linkName: '/etc/passwd' }),
      /a symbolic link, 'a' to '\/etc\/passwd'/,
    ],
    ['a hard link', tar(A, { name: 'b', type: '1', linkName: 'a' }), /a hard link, 'b' to 'a'/],
    ['a character device', tar({ name: 'tty', type: '3' }), /a character device, 'tty'/],
    ['a block device', tar({ name: 'sda', type: '4' }), /a block device, 'sda'/],
    ['a pipe', tar({ name: 'p', type: '6' }), /a named pipe, 'p'/],
    ['a contiguous file', tar({ name: 'p', type: '7' }), /a contiguous file/],
    ['a sparse file', tar({ name: 'disk.raw', type: 'S', content: 'x' }), /a sparse file, 'disk.raw'/],
    ['a part of a file', tar({ name: 'x', type: 'M', content: 'x' }), /the rest of a file/],
    ['a volume label', tar({ name: 'x', type: 'V' }), /a volume label/],
    [
      'a long name',
      tar({ name: '././@LongLink', type: 'L', content: '../../etc/cron.d/x\0' }, A),
      /a long name/,
    ],
    ['a long link', tar({ name: '././@LongLink', type: 'K', content: 'x\0' }, A), /a long link name/],
    ['an unknown type', tar({ name: 'x', type: 'Z' }), /unknown type 'Z', 'x'/],
    ['an absolute name', tar({ name: '/etc/passwd' }), /'\/etc\/passwd', which is an absolute path/],
    ['..', tar({ name: '..' }), /'..', which is no name/],
    ['a way out', tar({ name: 'x/../../y' }), /which leads out of the archive/],
    ['a way out by its prefix', tar({ name: 'y', prefix: '..' }), /'..\/y', which leads out of the archive/],
    ['a path', tar({ name: 'x/y' }), /'x\/y', which is a path/],
    ['no name', tar({ name: '' }), /which is empty/],
    ['a file with a folder name', tar({ name: 'x/', content: 'y' }), /a file with a folder's name, 'x\/'/],
    ['a folder with a content', tar({ name: 'x/', type: '5', content: 'y' }), /a folder with a content/],
    ['a line break', tar({ name: 'x\ny' }), /'x\?y', which has control characters/],
    ['an escape', tar({ name: 'x\x1b[2Jy' }), /'x\?\[2Jy', which has control/],
    ['a reversed name', tar({ name: 'x\u202egnp.exe' }), /which has control characters/],
    ['no UTF-8', tar({ name: '', nameBytes: Buffer.from([0x78, 0xff, 0xfe]) }), /which is not UTF-8/],
    ['twice the same', tar(A, { name: 'b' }, { name: 'a' }), /^the archive holds 'a' twice$/],
    ['a path by pax', tar(pax({ path: '../x' }), A), /sets 'path' to '..\/x'/],
    ['a path for all by pax', tar(pax({ path: 'x' }, 'g'), A), /sets 'path' to 'x'/],
    ['a link by pax', tar(pax({ linkpath: '/etc' }), A), /sets 'linkpath'/],
    ['a sparse file by pax', tar(pax({ 'GNU.sparse.major': '1' }), A), /sets 'GNU.sparse.major'/],
    ['a small size by pax', tar(pax({ size: '0' }), A), /sets a size of '0', which belongs into the header/],
    ['a strange size by pax', tar(pax({ size: '99999999999x' }), A), /sets a size of '99999999999x'/],
    ['one size for all', tar(pax({ size: `${2 ** 40}` }, 'g'), A), /gives all its files one size/],
    ['two pax headers', tar(pax({ mtime: '1' }), pax({ mtime: '2' }), A), /several extended headers/],
    ['an encoding', tar(pax({ hdrcharset: 'BINARY' }), A), /sets 'hdrcharset'/],
    ['a prototype', tar(pax({ __proto__x: '1' }), A), /sets '__proto__x'/],
    ['a hidden entry', Buffer.concat([tar(A), tar({ name: 'b' })]), /goes on behind its end/],
    ['a word behind the end', Buffer.concat([tar(A), Buffer.from('x')]), /goes on behind its end/],
  ])('%s', async (_, archive, message) => {
    await expect(filesIn(archive, { folders: 'skipped', leadingDot: 'dropped' })).rejects.toMatchObject({
      code: 'ArchiveHostile',
      message: expect.stringMatching(message),
    });
  });

  test.each<[what: string, archive: Buffer, options: TarOptions, message: RegExp]>([
    ['entries', tar(...['a', 'b', 'c'].map((name) => ({ name }))), { maxEntries: 2 }, /more than 2 entries/],
    [
      'folders',
      tar(...'abc'.split('').map((name) => ({ name, type: '5' }))),
      { maxEntries: 2, folders: 'skipped' },
      /more than 2 entries/,
    ],
    ['bytes in a file', tar(A), { maxFileBytes: 4 }, /'a' of 5 bytes; at most 4 are allowed/],
    ['bytes in all', tar(A, { name: 'b', content: '123456' }), { maxBytes: 10 }, /more than 10 bytes/],
    [
      'a size that lies',
      tar({ name: 'a', size: '77777777777' }),
      { maxFileBytes: 2 ** 30 },
      /'a' of 8589934591 bytes/,
    ],
    ['words about files', tar(pax({ comment: 'x'.repeat(70_000) }), A), {}, /an extended header of 70/],
    ['zeros', Buffer.concat([tar(A), Buffer.alloc(2 << 20)]), {}, /followed by more than 1048576 zeros/],
  ])('too many %s', async (_, archive, options, message) => {
    await expect(filesIn(archive, options)).rejects.toMatchObject({
      code: 'ArchiveTooLarge',
      message: expect.stringMatching(message),
    });
  });

  test('a name that is too long for its reader', async () => {
    await expect(filesIn(tar({ name: 'x'.repeat(60) }), { maxName: 50 })).rejects.toMatchObject({
      code: 'ArchiveHostile',
      message: expect.stringContaining('which is longer than 50 bytes'),
    });
  });
});

describe('a damaged archive is refused', () => {
  test.each<[what: string, archive: Buffer]>([
    ['no tar', noise(2000)],
    ['a wrong checksum', tar({ ...A, checksum: '0000000\0' })],
    ['another magic', tar({ ...A, magic: 'ustbr\x0000' })],
    ['an old header', tar({ ...A, magic: '\0\0\0\0\0\0\0\0' })],
    ['a size with a letter', tar({ ...A, size: '0000000000x' })],
    ['a size with two numbers', tar({ ...A, size: '1 2' })],
    ['a negative size', tar({ ...A, size: `\xff${'\xff'.repeat(11)}` })],
    ['a size beyond reason', tar({ ...A, size: `\x80${'\xff'.repeat(11)}` })],
    ['a size that numbers cannot say', tar({ ...A, size: `\x80\0\0\0\0${'\xff'.repeat(7)}` })],
    ['pax without a length', tar({ name: 'x', type: 'x', content: 'mtime=1\n' }, A)],
    ['pax with a wrong length', tar({ name: 'x', type: 'x', content: '99 mtime=1\n' }, A)],
    ['pax without an end', tar({ name: 'x', type: 'x', content: '11 mtime=12' }, A)],
    ['pax with a negative length', tar({ name: 'x', type: 'x', content: '-9 mtime=1\n' }, A)],
    ['pax without a value', tar({ name: 'x', type: 'x', content: '6 abc\n' }, A)],
  ])('%s', async (_, archive) => {
    await expect(filesIn(archive)).rejects.toMatchObject({ code: 'ArchiveCorrupt' });
  });

  test('wherever it ends too soon', async () => {
    const archive = tar(
      A,
      { name: 'PaxHeader', type: 'x', content: paxRecords({ mtime: '1' }) },
      { name: 'b', content: Buffer.alloc(1500) },
    );
    const whole = archive.length - 512;
    for (let length = 0; length < whole; length += length % 512 === 0 ? 1 : 511 - (length % 512) || 1)
      await expect(filesIn(archive.subarray(0, length))).rejects.toMatchObject({
        code: 'ArchiveCorrupt',
        message: 'the archive ends too soon',
      });
    // One block of zeros is an end, as some writers have it.
    expect(await filesIn(archive.subarray(0, whole))).toHaveLength(2);
  });

  test('however it is changed: refused, or read as it then is', { timeout: 60_000 }, async () => {
    const next = generator(7);
    const archive = tar(
      A,
      { name: 'PaxHeader', type: 'x', content: paxRecords({ mtime: '1' }) },
      { name: 'b', content: noise(700) },
    );
    for (let round = 0; round < 400; round++) {
      const changed = Buffer.from(archive);
      for (let changes = 0; changes < 1 + next() * 3; changes++)
        changed.writeUInt8(Math.floor(next() * 256), Math.floor(next() * changed.length));
      const codes = await filesIn(inPieces(changed, 1 + Math.floor(next() * 2000)), {
        maxFileBytes: 1 << 20,
      }).then(
        () => 'read',
        (error: Error & { code?: string }) => error.code ?? error.message,
      );
      expect(['read', 'ArchiveCorrupt', 'ArchiveHostile', 'ArchiveTooLarge']).toContain(codes);
    }
  });
});

describe('harmless extras are passed over', () => {
  test('times, owners and attributes', async () => {
    const records = {
      mtime: '1.5',
      uname: 'me',
      'LIBARCHIVE.xattr.user.x': 'eA==',
      'SCHILY.xattr.user.x': 'x\ny',
    };
    const archive = tar(
      { name: 'g', type: 'g', content: paxRecords({ comment: 'of all' }) },
      { name: 'x', type: 'x', content: paxRecords(records) },
      A,
      { ...A, name: 'old', type: '\0' },
      { ...A, name: 'gnu', magic: 'ustar  \0' },
    );
    expect(await filesIn(archive)).toEqual(['a', 'old', 'gnu'].map((name) => [name, 'first']));
  });

  test('a size of 8 GiB and more, by pax and by GNU, though here it ends too soon', async () => {
    const binary = Buffer.alloc(12);
    binary.writeUInt8(0x80);
    binary.writeBigUInt64BE(2n ** 33n, 4);
    for (const archive of [
      Buffer.concat([
        tarEntry({ name: 'x', type: 'x', content: paxRecords({ size: `${2 ** 33}` }) }),
        tarEntry(A),
      ]),
      tarEntry({ ...A, size: binary.toString('latin1') }),
    ]) {
      const sizes: number[] = [];
      await expect(
        (async () => {
          for await (const { size } of readTar(inPieces(archive))) sizes.push(size);
        })(),
      ).rejects.toMatchObject({ message: 'the archive ends too soon' });
      expect(sizes).toEqual([2 ** 33]);
    }
  });
});

describe('archives of the real tar', () => {
  test.each(['ustar', 'gnu', 'posix', 'oldgnu'])('%s', async (format) => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, 'a'), 'first');
    writeFileSync(join(folder.path, 'b'), noise(100_000));
    const archive = execFileSync('tar', [`--format=${format}`, '-cf', '-', '-C', folder.path, '.']);
    const found = await filesIn(archive, { folders: 'skipped', leadingDot: 'dropped' });
    expect(new Set(found.map(([name]) => name))).toEqual(new Set(['a', 'b']));
    expect(found.find(([name]) => name === 'b')?.[1]).toBe(noise(100_000).toString('latin1'));
  });

  test('with holes and long names are refused', async () => {
    using folder = temporaryFolder();
    execFileSync('truncate', ['-s', '10M', join(folder.path, 'disk.raw')]);
    const pack = (...args: readonly string[]): Buffer =>
      execFileSync('tar', ['-cf', '-', '-C', folder.path, ...args]);
    for (const format of ['gnu', 'posix'])
      await expect(filesIn(pack(`--format=${format}`, '--sparse', 'disk.raw'))).rejects.toMatchObject({
        code: 'ArchiveHostile',
      });
    const long = 'x'.repeat(150);
    writeFileSync(join(folder.path, long), '');
    for (const format of ['gnu', 'posix'])
      await expect(filesIn(pack(`--format=${format}`, long))).rejects.toMatchObject({
        code: 'ArchiveHostile',
      });
  });
});

describe('writing', () => {
  const files: readonly TarFile[] = [
    { name: 'manifest.json', size: 2, content: Buffer.from('{}') },
    { name: 'empty', size: 0, content: Buffer.alloc(0) },
    { name: 'disk with a space', size: 100_000, content: inPieces(noise(100_000), 777) },
  ];

  test('what the real tar reads, and we', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'x.tar');
    const archive = await bytesOf(writeTar(files, { mtime: new Date('2026-01-02T03:04:05Z') }));
    writeFileSync(path, archive);
    expect(isTar(archive)).toBe(true);
    const listed = execFileSync('tar', ['--utc', '--full-time', '-tvf', path], { encoding: 'utf8' })
      .trim()
      .split('\n');
    expect(listed.map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      '-rw-r--r-- root/root 2 2026-01-02 03:04:05 manifest.json',
      '-rw-r--r-- root/root 0 2026-01-02 03:04:05 empty',
      '-rw-r--r-- root/root 100000 2026-01-02 03:04:05 disk with a space',
    ]);
    const out = join(folder.path, 'out');
    mkdirSync(out);
    execFileSync('tar', ['-xf', path, '--no-same-owner', '-C', out]);
    expect(readFileSync(join(out, 'disk with a space')).equals(noise(100_000))).toBe(true);
    expect((await filesIn(archive)).map(([name]) => name)).toEqual(files.map(({ name }) => name));
  });

  test('the same files, the same bytes', async () => {
    const pack = async (): Promise<Buffer> =>
      bytesOf(writeTar([{ name: 'a', size: 1, content: Buffer.from('x') }]));
    expect((await pack()).equals(await pack())).toBe(true);
  });

  test('a size of 8 GiB and more', async () => {
    const [head] = await take(writeTar([{ name: 'big', size: 2 ** 33 + 1, content: inPieces(END) }]), 1);
    const sizes: number[] = [];
    const cut = Buffer.concat([head ?? END]);
    await expect(
      (async () => {
        for await (const { size } of readTar(inPieces(cut))) sizes.push(size);
      })(),
    ).rejects.toMatchObject({ message: 'the archive ends too soon' });
    expect(sizes).toEqual([2 ** 33 + 1]);
  });

  test.each<[what: string, files: readonly TarFile[], code: string]>([
    ['a path', [{ name: '../x', size: 0, content: END.subarray(0, 0) }], 'ArchiveHostile'],
    ['a long name', [{ name: 'x'.repeat(101), size: 0, content: END.subarray(0, 0) }], 'ArchiveHostile'],
    ['a name in another script', [{ name: 'диск', size: 0, content: END.subarray(0, 0) }], 'ArchiveHostile'],
    [
      'a name twice',
      ['a', 'a'].map((name) => ({ name, size: 0, content: END.subarray(0, 0) })),
      'ArchiveHostile',
    ],
    ['a file that shrank', [{ name: 'a', size: 3, content: Buffer.from('ab') }], 'ImageChanged'],
    ['a file that grew', [{ name: 'a', size: 1, content: inPieces(Buffer.from('ab'), 1) }], 'ImageChanged'],
  ])('not %s', async (_, refused, code) => {
    await expect(bytesOf(writeTar(refused))).rejects.toMatchObject({ code });
  });

  test("a content's error is the error", async () => {
    const content = new PassThrough();
    content.write('x');
    setTimeout(() => content.destroy(new Error('the disk is dead')), 10);
    await expect(bytesOf(writeTar([{ name: 'a', size: 10, content }]))).rejects.toThrow('the disk is dead');
  });

  test('no faster than it is read, and no longer', async () => {
    let [given, isClosed] = [0, false];
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) {
          given++;
          yield noise(1 << 16);
          await sleep(0);
        }
      } finally {
        isClosed = true;
      }
    }
    const archive = writeTar([{ name: 'a', size: 2 ** 40, content: endless() }]);
    await archive.next();
    await sleep(100);
    expect(given).toBeLessThan(10);
    await archive.return();
    expect(isClosed).toBe(true);
  });
});

async function take(archive: AsyncIterable<Buffer>, count: number): Promise<readonly Buffer[]> {
  const pieces: Buffer[] = [];
  for await (const piece of archive) if (pieces.push(piece) === count) break;
  return pieces;
}
