import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checksumFor, digestFor } from '../../../../../src/ec2/images/sources/checksum-file.ts';
import {
  parseChecksumOption,
  readChecksumOption,
} from '../../../../../src/ec2/images/sources/checksum-option.ts';
import { type HttpsServer, httpsServer } from '../../../../support/https-server.ts';

const [a, b] = ['a'.repeat(128), 'B'.repeat(128)];
const [c, d] = ['c'.repeat(64), 'D'.repeat(64)];
const WANTED = { file: 'disk.qcow2', algorithm: 'sha512' } as const;
const WANTED_256 = { file: 'disk.qcow2', algorithm: 'sha256' } as const;

const CLEAR_SIGNED = `-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# Cloud-Base-44-1.7.x86_64.qcow2: 532217856 bytes
SHA256 (Cloud-Base-44-1.7.x86_64.qcow2) = ${d}
# disk.qcow2: 541542268 bytes
SHA256 (disk.qcow2) = ${c}
-----BEGIN PGP SIGNATURE-----

iQIzBAEBCAAdFiEE
SHA256 (other.qcow2) = ${c}
-----END PGP SIGNATURE-----
`;

describe('lines of `hex  file`', () => {
  test('are read as text and as binary, and the digest is in lower case', () => {
    expect(checksumFor(`${a}  other.qcow2\n${b}  disk.qcow2\n`, WANTED)).toBe('b'.repeat(128));
    expect(checksumFor(`${a} *disk.qcow2\r\n`, { ...WANTED, form: 'hex-file' })).toBe(a);
    expect(checksumFor(`${a}  ./disk.qcow2`, WANTED)).toBe(a);
    expect(checksumFor(`${a}  disk.qcow2\n${a} *disk.qcow2`, WANTED)).toBe(a);
  });

  test('of several algorithms under headings, as Gentoo writes them', () => {
    const text = `# MD5 HASH\n${'e'.repeat(32)}  disk.qcow2\n# SHA512 HASH\n${a}  disk.qcow2\n`;
    expect(checksumFor(text, { ...WANTED, form: 'hex-file' })).toBe(a);
  });

  test.each([
    ['another file', `${a}  xdisk.qcow2\n${a}  disk.qcow2.asc\n${a}  sub/disk.qcow2\n${a}  ../disk.qcow2`],
    ['another algorithm', `${c}  disk.qcow2`],
    ['two answers', `${a}  disk.qcow2\n${b}  disk.qcow2`],
    ['nothing', ''],
    ['one space', `${a} disk.qcow2`],
    ['a tab', `${a}\tdisk.qcow2`],
    ['a digit too many', `${a}a  disk.qcow2`],
    ['a letter that is no digit', `${'g'.repeat(128)}  disk.qcow2`],
    ['something in front', `- ${a}  disk.qcow2`],
    ['an escaped name', `\\${a}  disk.qcow2`],
    ['what comes after a signature', `-----BEGIN PGP SIGNATURE-----\n${a}  disk.qcow2`],
    ['a text without end', `${a}  disk.qcow2\n${'x'.repeat(2 ** 20)}`],
  ])('give nothing for %s', (_what, text) => expect(checksumFor(text, WANTED)).toBeUndefined());
});

describe('lines of `SHA256 (file) = hex`', () => {
  test('are read alone and between the lines of a signature', () => {
    expect(checksumFor(`SHA256 (disk.qcow2) = ${d}\n`, { ...WANTED_256, form: 'bsd' })).toBe(d.toLowerCase());
    expect(checksumFor(CLEAR_SIGNED, { ...WANTED_256, form: 'bsd' })).toBe(c);
    expect(checksumFor(`SHA512 (disk.qcow2) = ${a}`, WANTED)).toBe(a);
  });

  test.each([
    [
      'another file',
      `SHA256 (xdisk.qcow2) = ${c}\nSHA256 (disk.qcow2.xz) = ${c}\nSHA256 (a/disk.qcow2) = ${c}`,
    ],
    ['another algorithm', `SHA512 (disk.qcow2) = ${c}\nMD5 (disk.qcow2) = ${c}`],
    ['two answers', `SHA256 (disk.qcow2) = ${c}\nSHA256 (disk.qcow2) = ${d}`],
    ['a comment', `# SHA256 (disk.qcow2) = ${c}`],
    ['two names', `SHA256 (disk.qcow2) = x) = ${c}`],
    ['a shorter digest', `SHA256 (disk.qcow2) = ${c.slice(1)}`],
    ['a longer digest', `SHA256 (disk.qcow2) = ${c} `],
  ])('give nothing for %s', (_what, text) =>
    expect(checksumFor(text, { ...WANTED_256, form: 'bsd' })).toBeUndefined(),
  );

  test('are for no file after the signature', () => {
    expect(checksumFor(CLEAR_SIGNED, { ...WANTED_256, file: 'other.qcow2' })).toBeUndefined();
  });

  test('take a file name as it is, not as a pattern', () => {
    const file = 'disk(1)+[x].qcow2';
    expect(checksumFor(`SHA256 (${file}) = ${c}`, { ...WANTED_256, file })).toBe(c);
    expect(checksumFor(`SHA256 (diskXqcow2) = ${c}`, WANTED_256)).toBeUndefined();
  });
});

describe('a bare digest', () => {
  test.each([a, `${a}\n`, `${a}\r\n`])('is read (%#)', (text) =>
    expect(checksumFor(text, { ...WANTED, form: 'bare' })).toBe(a),
  );
  test.each([`${a}  disk.qcow2`, `${a}\n${a}\n`, ` ${a}`, c, '', '<html>'])(
    'is no more than that (%#)',
    (text) => expect(checksumFor(text, { ...WANTED, form: 'bare' })).toBeUndefined(),
  );
});

test('a form that was named is the only one that is read', () => {
  expect(checksumFor(`${a}  disk.qcow2`, { ...WANTED, form: 'bsd' })).toBeUndefined();
  expect(checksumFor(a, { ...WANTED, form: 'hex-file' })).toBeUndefined();
  expect(checksumFor(CLEAR_SIGNED, { ...WANTED_256, form: 'hex-file' })).toBeUndefined();
});

test('without an algorithm the strongest is taken', () => {
  const text = `${c}  disk.qcow2\nSHA512 (disk.qcow2) = ${b}\n`;
  expect(digestFor(text, 'disk.qcow2')).toEqual({ algorithm: 'sha512', hex: b.toLowerCase() });
  expect(digestFor(`${d}\n`, 'disk.qcow2')).toEqual({ algorithm: 'sha256', hex: d.toLowerCase() });
  expect(digestFor(CLEAR_SIGNED, 'missing')).toBeUndefined();
});

describe('what is typed', () => {
  test.each([
    [{}, undefined],
    [{ sha256: d }, { digest: { algorithm: 'sha256', hex: d.toLowerCase() } }],
    [{ sha256: `sha256:${c}` }, { digest: { algorithm: 'sha256', hex: c } }],
    [{ sha512: a }, { digest: { algorithm: 'sha512', hex: a } }],
    [{ checksum: 'https://a.example/SHA256SUMS' }, { url: 'https://a.example/SHA256SUMS' }],
    [{ checksum: '../SHA256SUMS' }, { path: '../SHA256SUMS' }],
    [{ checksum: 'a:b' }, { path: 'a:b' }],
  ])('%j is understood', (words, option) => expect(parseChecksumOption(words)).toEqual(option));

  test.each([
    [{ sha256: c, sha512: a }, 'InvalidParameterCombination', 'leave one of them out'],
    [{ sha256: c, checksum: 'x' }, 'InvalidParameterCombination', 'leave one of them out'],
    [{ sha256: '' }, 'InvalidParameterValue', 'sha256sum FILE'],
    [{ sha256: c.slice(1) }, 'InvalidParameterValue', 'sha256sum FILE'],
    [{ sha256: a }, 'InvalidParameterValue', `--sha512 ${a}`],
    [{ sha512: `sha256:${c}` }, 'InvalidParameterValue', 'sha512sum FILE'],
    [
      { checksum: 'http://a.example/SHA256SUMS' },
      'InvalidParameterValue',
      expect.stringContaining('--sha256'),
    ],
    [{ checksum: 'file:///etc/shadow' }, 'InvalidParameterValue', expect.stringContaining('--sha256')],
  ])('%j is refused', (words, code, hint) => {
    expect(() => parseChecksumOption(words)).toThrow(expect.objectContaining({ code, hint }));
  });
});

describe('readChecksumOption', () => {
  let folder: string;
  let server: HttpsServer;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bonami-checksum-'));
    server = await httpsServer((request, response) =>
      request.url === '/SUMS' ? response.end(CLEAR_SIGNED) : response.writeHead(404).end(),
    );
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });
  const read = async (checksum: string, file = 'disk.qcow2'): Promise<unknown> =>
    readChecksumOption(parseChecksumOption({ checksum }) ?? { path: '' }, {
      file,
      connection: {
        signal: new AbortController().signal,
        ca: server.ca,
        allowedHosts: ['localhost'],
      },
    });

  test('takes the digest from a file here or elsewhere', async () => {
    const path = join(folder, 'SUMS');
    writeFileSync(path, CLEAR_SIGNED);
    for (const place of [path, `${server.origin}/SUMS`])
      expect(await read(place)).toEqual({ algorithm: 'sha256', hex: c });
  });

  test('says which file has none, or is not there', async () => {
    await expect(read(`${server.origin}/SUMS`, 'missing')).rejects.toMatchObject({
      code: 'ChecksumMissing',
      hint: '--sha256 HEX',
    });
    await expect(read(`${server.origin}/other`)).rejects.toMatchObject({ code: 'DownloadMissing' });
    await expect(read(join(folder, 'other'))).rejects.toMatchObject({ code: 'ChecksumMissing' });
    await expect(read(folder)).rejects.toMatchObject({ code: 'ChecksumMissing' });
    const long = join(folder, 'long');
    writeFileSync(long, `${c}  disk.qcow2\n`.repeat(20_000));
    await expect(read(long)).rejects.toMatchObject({ code: 'ChecksumMissing' });
  });
});
