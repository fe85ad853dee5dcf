import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { type Header, type Pack, pack } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { HostError } from '../../../../src/core/errors.ts';
import { type TarOptions, readTar } from '../../../../src/host/archive/read-tar.ts';
import { type TarFile, writeTar } from '../../../../src/host/archive/write-tar.ts';
import { generator } from '../../../support/random.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';

const BLOCK = 512;

type Entry = Partial<Header> & Pick<Header, 'name'>;

/** An archive of these entries by another hand, which writes whatever it is told. */
async function archive(...entries: readonly (Entry & { readonly body?: string })[]): Promise<Buffer> {
  const made: Pack = pack();
  for (const { body = '', ...header } of entries) made.entry(header, body);
  made.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of made as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Sets bytes of the first header and makes its checksum right again. */
function patched(tar: Buffer, ...fields: readonly (readonly [offset: number, text: string])[]): Buffer {
  const copy = Buffer.from(tar);
  for (const [offset, text] of fields) copy.write(text, offset, 'latin1');
  copy.write(' '.repeat(8), 148, 'latin1');
  const sum = copy.subarray(0, BLOCK).reduce((total, byte) => total + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

type Contents = Readonly<Record<string, string>>;

async function read(tar: Buffer, options?: TarOptions, step = 700): Promise<Contents> {
  const pieces: Buffer[] = [];
  for (let offset = 0; offset < tar.length; offset += step) pieces.push(tar.subarray(offset, offset + step));
  const found: Record<string, string> = {};
  for await (const { name, size, stream } of readTar(Readable.from(pieces, { objectMode: false }), options)) {
    const content = await buffer(stream);
    expect(content.length).toBe(size);
    found[name] = content.toString('latin1');
  }
  return found;
}

async function written(...files: readonly TarFile[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of writeTar(files)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const file = (name: string, body = 'content'): Entry & { readonly body: string } => ({ name, body });

describe('what is refused', () => {
  test.each<[string, Entry]>([
    ['a symbolic link', { name: 'disk', type: 'symlink', linkname: '/etc/shadow' }],
    ['a hard link', { name: 'disk', type: 'link', linkname: 'other' }],
    ['a character device', { name: 'disk', type: 'character-device', devmajor: 1, devminor: 3 }],
    ['a block device', { name: 'disk', type: 'block-device', devmajor: 8, devminor: 0 }],
    ['a named pipe', { name: 'disk', type: 'fifo' }],
    ['a folder', { name: 'folder/', type: 'directory' }],
    ['a contiguous file', { name: 'disk', type: 'contiguous-file' }],
    ['an absolute name', { name: '/etc/shadow' }],
    ['a name that leads out', { name: '../disk' }],
    ['a name in a folder', { name: 'folder/disk' }],
    ['a leading dot', { name: './disk' }],
    ['no name', { name: '..' }],
    ['a control character', { name: 'disk\u001b[2J' }],
    ['a line break', { name: 'disk\nother' }],
    ['a character that turns the writing', { name: 'disk\u202Ekcid' }],
    ['another name in an extended header', { name: 'disk', pax: { path: 'other' } }],
    ['a link in an extended header', { name: 'disk', pax: { linkpath: '/etc/shadow' } }],
    ['a sparse file of GNU', { name: 'disk', pax: { 'GNU.sparse.major': '1' } }],
  ])('%s', async (_what, header) => {
    await expect(read(await archive(header))).rejects.toMatchObject({ code: 'ArchiveHostile' });
  });

  test('a file that is there twice, under whatever spelling', async () => {
    for (const [first, second] of [
      ['disk', 'disk'],
      ['./disk', 'disk'],
    ] as const)
      await expect(
        read(await archive(file(first), file(second)), { leadingDot: 'dropped' }),
      ).rejects.toMatchObject({ code: 'ArchiveHostile', message: expect.stringContaining('twice') });
  });

  test("GNU's sparse files and kinds that nobody knows", async () => {
    const plain = await archive(file('disk'));
    for (const type of ['S', 'M', 'V', 'D', 'Z', '1', '2', '3', '6'])
      await expect(read(patched(plain, [156, type]))).rejects.toBeInstanceOf(HostError);
  });

  test('more files, folders or bytes than allowed', async () => {
    const many = await archive(file('a'), file('b'), file('c'));
    await expect(read(many, { maxEntries: 2 })).rejects.toMatchObject({ code: 'ArchiveTooLarge' });
    await expect(read(many, { maxFileBytes: 6 })).rejects.toMatchObject({ code: 'ArchiveTooLarge' });
    await expect(read(many, { maxBytes: 20 })).rejects.toMatchObject({ code: 'ArchiveTooLarge' });
    await expect(read(many, { maxEntries: 3, maxFileBytes: 7, maxBytes: 21 })).resolves.toHaveProperty('c');
    const folders = Array.from({ length: 3 }, (_, index) => ({
      name: `folder${index}/`,
      type: 'directory' as const,
    }));
    await expect(
      read(await archive(...folders), { maxEntries: 2, folders: 'skipped' }),
    ).rejects.toMatchObject({ code: 'ArchiveTooLarge' });
  });

  test('a name that is longer than a file may have', async () => {
    await expect(read(await archive(file('x'.repeat(256))))).rejects.toMatchObject({
      code: 'ArchiveHostile',
    });
  });

  test("a message never repeats a stranger's control characters", async () => {
    const error: unknown = await read(await archive(file('\u001b]0;owned\u0007'))).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({ message: expect.not.stringMatching(/\p{Cc}/u) });
  });
});

describe('sizes that lie', () => {
  const honest = archive(file('disk', 'x'.repeat(1000)), file('other'));

  test.each([
    ['more than there is', '00000777777'],
    ['two TiB more than allowed', '77777777777'],
    ['no number', 'zzzzzzzzzzz'],
    ['negative', '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'],
    ['beyond what a number holds', '\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'],
  ])('%s', async (_what, size) => {
    await expect(read(patched(await honest, [124, size]))).rejects.toBeInstanceOf(HostError);
  });

  test('in an extended header', async () => {
    for (const size of ['-1', '99999999999999999999', 'many', '5000'])
      await expect(read(await archive({ ...file('disk'), pax: { size } }))).rejects.toBeInstanceOf(HostError);
  });
});

describe('an archive that is not whole', () => {
  // Nothing in it is zero, so that no cut looks like an end.
  const whole = archive(file('first', 'x'.repeat(BLOCK)), file('second', 'y'.repeat(2 * BLOCK)));

  test('cut off at any block', async () => {
    const tar = await whole;
    for (let length = 0; length < tar.length - 2 * BLOCK; length += BLOCK)
      await expect(read(tar.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        code: 'ArchiveCorrupt',
      });
  });

  test('cut off within a block', async () => {
    const tar = await whole;
    for (const length of [1, 100, 511, 513, 1500, tar.length - 2 * BLOCK - 1])
      await expect(read(tar.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        code: 'ArchiveCorrupt',
      });
  });

  test('a header whose checksum is wrong, and garbage instead of a header', async () => {
    const damaged = Buffer.from(await whole);
    damaged.writeUInt8(damaged.readUInt8(0) ^ 1, 0);
    await expect(read(damaged)).rejects.toMatchObject({ code: 'ArchiveCorrupt' });
    await expect(read(Buffer.alloc(4096, 'x'))).rejects.toMatchObject({ code: 'ArchiveCorrupt' });
  });

  test('garbage behind the end', async () => {
    for (const garbage of [Buffer.from('x'), Buffer.alloc(BLOCK, 'x'), Buffer.alloc(5000, 'x')])
      await expect(read(Buffer.concat([await whole, garbage]))).rejects.toMatchObject({
        code: 'ArchiveHostile',
      });
  });

  test('more zeros behind the end are what tar itself writes', async () => {
    await expect(read(Buffer.concat([await whole, Buffer.alloc(20 * BLOCK)]))).resolves.toHaveProperty(
      'second',
    );
  });
});

describe('streams', () => {
  test('pieces of any size give the same files', async () => {
    const tar = await archive(file('first', 'x'.repeat(1500)), file('empty', ''), file('last'));
    for (const step of [1, 3, 511, 512, 513, 10_000])
      await expect(read(tar, {}, step)).resolves.toEqual({
        first: 'x'.repeat(1500),
        empty: '',
        last: 'content',
      });
  });

  test('what is not read is skipped', async () => {
    const tar = await archive(file('first', 'x'.repeat(100_000)), file('second'));
    const names: string[] = [];
    for await (const { name } of readTar(Readable.from([tar], { objectMode: false }))) names.push(name);
    expect(names).toEqual(['first', 'second']);
  });

  test("the source's error, the signal's reason, and a reader who leaves: the source is gone", async () => {
    const failing = Readable.from(
      (async function* () {
        yield (await archive(file('disk', 'x'.repeat(5000)))).subarray(0, 1024);
        throw new Error('the wire broke');
      })(),
      { objectMode: false },
    );
    const reading = async (source: Readable, options?: TarOptions): Promise<void> => {
      for await (const { stream } of readTar(source, options)) await buffer(stream);
    };
    await expect(reading(failing)).rejects.toThrow('the wire broke');
    expect(failing.destroyed).toBe(true);
    const aborter = new AbortController();
    const silent = new Readable({ read: () => undefined });
    const waiting = reading(silent, { signal: aborter.signal });
    aborter.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    expect(silent.destroyed).toBe(true);
    const left = Readable.from([await archive(file('first'), file('second'))], { objectMode: false });
    for await (const { name } of readTar(left)) if (name === 'first') break;
    expect(left.destroyed).toBe(true);
  });
});

describe("together with the host's own tar", () => {
  test.each(['gnu', 'ustar', 'v7', 'oldgnu', 'posix'])(
    'reads what tar --format=%s writes',
    async (format) => {
      using folder = temporaryFolder();
      const content = randomBytes(100_000);
      writeFileSync(join(folder.path, 'disk.raw'), content);
      writeFileSync(join(folder.path, 'notes.txt'), 'notes');
      const args = ['-C', folder.path, `--format=${format}`, '-cf', '-', 'disk.raw', 'notes.txt'];
      const found = await read(execFileSync('tar', args)).catch((error: unknown) => error);
      // Before POSIX there was no magic by which an archive could be told from anything else.
      const files = { 'disk.raw': content.toString('latin1'), 'notes.txt': 'notes' };
      expect(found).toMatchObject(format === 'v7' ? { code: 'ArchiveCorrupt' } : files);
    },
  );

  test('tar -C FOLDER . is read where that is allowed', async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, 'disk.raw'), 'disk');
    const tar = execFileSync('tar', ['-C', folder.path, '-cf', '-', '.']);
    await expect(read(tar)).rejects.toMatchObject({ code: 'ArchiveHostile' });
    await expect(read(tar, { leadingDot: 'dropped', folders: 'skipped' })).resolves.toEqual({
      'disk.raw': 'disk',
    });
    mkdirSync(join(folder.path, 'deep'));
    writeFileSync(join(folder.path, 'deep', 'file'), 'x');
    const deep = execFileSync('tar', ['-C', folder.path, '-cf', '-', '.']);
    await expect(read(deep, { leadingDot: 'dropped', folders: 'skipped' })).rejects.toMatchObject({
      code: 'ArchiveHostile',
    });
  });

  test('sparse files are refused', async () => {
    using folder = temporaryFolder();
    const path = join(folder.path, 'disk.raw');
    execFileSync('truncate', ['-s', '10M', path]);
    for (const format of ['gnu', 'posix']) {
      const args = ['-C', folder.path, '--sparse', `--format=${format}`, '-cf', '-', 'disk.raw'];
      await expect(read(execFileSync('tar', args))).rejects.toMatchObject({ code: 'ArchiveHostile' });
    }
  });

  test('tar unpacks what we write, byte for byte', async () => {
    using folder = temporaryFolder();
    const content = randomBytes(70_001);
    const tar = await written(
      { name: 'first.bin', size: content.length, content },
      { name: 'empty', size: 0, content: Buffer.alloc(0) },
      { name: 'streamed', size: 6, content: Readable.from([Buffer.from('abc'), Buffer.from('def')]) },
    );
    const path = join(folder.path, 'made.tar');
    writeFileSync(path, tar);
    execFileSync('tar', ['-C', folder.path, '-xf', path]);
    expect(readFileSync(join(folder.path, 'first.bin')).equals(content)).toBe(true);
    expect(readFileSync(join(folder.path, 'empty'))).toHaveLength(0);
    expect(readFileSync(join(folder.path, 'streamed'), 'utf8')).toBe('abcdef');
    await expect(read(tar)).resolves.toMatchObject({ streamed: 'abcdef', empty: '' });
  });
});

describe('the writer', () => {
  test('gives the same bytes for the same files', async () => {
    const files = [{ name: 'disk', size: 3, content: Buffer.from('abc') }];
    expect((await written(...files)).equals(await written(...files))).toBe(true);
  });

  test('refuses contents that are shorter or longer than they were', async () => {
    for (const content of [Buffer.from('ab'), Buffer.from('abcd'), Buffer.alloc(100_000)])
      await expect(written({ name: 'disk', size: 3, content })).rejects.toMatchObject({
        code: 'ImageChanged',
      });
  });

  test('refuses names that the reader would, and the same name twice', async () => {
    const one = (name: string): TarFile => ({ name, size: 0, content: Buffer.alloc(0) });
    for (const name of ['', '.', '..', '/abs', 'a/b', 'line\nbreak', 'x'.repeat(101)])
      await expect(written(one(name))).rejects.toMatchObject({ code: 'ArchiveHostile' });
    await expect(written(one('disk'), one('disk'))).rejects.toMatchObject({ code: 'ArchiveHostile' });
  });

  test("hands on a content's error", async () => {
    const content = (async function* () {
      yield Buffer.from('ab');
      throw new Error('the disk broke');
    })();
    await expect(written({ name: 'disk', size: 3, content })).rejects.toThrow('the disk broke');
  });

  test('ends its sources when nobody reads on', async () => {
    let isEnded = false;
    const content = (async function* () {
      try {
        for (;;) yield Buffer.alloc(65_536);
      } finally {
        isEnded = true;
      }
    })();
    for await (const _ of writeTar([{ name: 'disk', size: 2 ** 40, content }])) break;
    expect(isEnded).toBe(true);
  });
});

test('whatever bytes are changed, there are files or a refusal, soon', async () => {
  const tar = await archive(
    file('first', 'x'.repeat(700)),
    { ...file('second'), pax: { comment: 'a remark' } },
    file(`${'n'.repeat(150)}.raw`),
  );
  const random = generator(7);
  const started = performance.now();
  for (let round = 0; round < 1500; round++) {
    const mutant = Buffer.from(tar);
    const changes = 1 + Math.floor(random() * 4);
    for (let change = 0; change < changes; change++)
      mutant.writeUInt8(Math.floor(random() * 256), Math.floor(random() * mutant.length));
    const first = patched(mutant);
    const kept = first.subarray(0, random() < 0.2 ? Math.floor(random() * first.length) : first.length);
    const result = await read(kept, {}, 4096).catch((error: unknown) => error);
    const isOurs = !(result instanceof Error) || result instanceof HostError;
    expect(isOurs, `round ${round}: ${String(result)}`).toBe(true);
  }
  expect(performance.now() - started).toBeLessThan(30_000);
});
