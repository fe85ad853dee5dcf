import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { parseUserData, USER_DATA_LIMIT } from '../../../../src/ec2/instances/user-data.ts';

const parse = (text: string): ReturnType<typeof parseUserData> => parseUserData(Buffer.from(text));

describe('the kind of user data', () => {
  test.each([
    ['#cloud-config\npackages: [vim]\n', 'cloud-config'],
    ['#cloud-config', 'cloud-config'],
    ['#cloud-config-archive\n- type: text/x-shellscript\n  content: "#!/bin/sh"\n', 'cloud-config'],
    ['#!/bin/sh\necho hi\n', 'script'],
    ['#!/usr/bin/env python3\n', 'script'],
    ['MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="x"\n', 'mime'],
    ['content-type: multipart/mixed; boundary="x"\n', 'mime'],
    ['From: nobody\n', 'mime'],
    ['#include\nhttps://a.example/b\n', 'include'],
    ['#include-once\nhttps://a.example/b\n', 'include'],
    ['## template: jinja\n#cloud-config\n{{ x }}\n', 'jinja'],
    ['#cloud-boothook\n#!/bin/sh\n', 'boothook'],
    ['#part-handler\n', 'part-handler'],
  ])('%j is %s, without any warning', async (text, kind) => {
    expect(await parse(text)).toEqual({ kind, compressed: false, warnings: [] });
  });

  test.each([
    ['echo hi\n', 'echo hi'],
    ['#cloud-configuration\n', '#cloud-configuration'],
    ['# cloud-config\n', '# cloud-config'],
    ['#Cloud-Config\n', '#Cloud-Config'],
    ['', ''],
  ])('%j is unknown, and the warning shows its first line', async (text, first) => {
    const { kind, warnings } = await parse(text);
    expect(kind).toBe('unknown');
    expect(warnings).toEqual([expect.stringContaining(`its first line '${first}' is no format`)]);
  });

  test('a long first line is shown in part', async () => {
    const { warnings } = await parse('x'.repeat(100));
    expect(warnings).toEqual([expect.stringContaining(`'${'x'.repeat(60)}'`)]);
  });
});

describe('a warning', () => {
  test('tells of a byte order mark, and the kind is still told', async () => {
    expect(await parse('\uFEFF#!/bin/sh\n')).toMatchObject({
      kind: 'script',
      warnings: [expect.stringContaining('byte order mark')],
    });
  });

  test('tells of a script whose interpreter ends with a carriage return', async () => {
    expect(await parse('#!/bin/sh\r\necho hi\r\n')).toMatchObject({
      kind: 'script',
      warnings: [expect.stringContaining('carriage return')],
    });
    expect(await parse('#cloud-config\r\npackages: [vim]\r\n')).toMatchObject({ warnings: [] });
  });

  test.each([
    ['#cloud-config\npackages: [vim\n', 'it is not valid YAML'],
    ['#cloud-config\na: 1\na: 2\n', 'it is not valid YAML'],
    ['#cloud-config\n- vim\n', 'a cloud-config is a mapping'],
    ['#cloud-config\nvim\n', 'a cloud-config is a mapping'],
    ['#cloud-config-archive\npackages: [vim]\n', 'a cloud-config-archive is a list'],
    ['#cloud-config-archive\n- [\n', 'it is not valid YAML'],
  ])('for %j is that %s', async (text, warning) => {
    expect(await parse(text)).toMatchObject({
      kind: 'cloud-config',
      warnings: [expect.stringContaining(warning)],
    });
  });

  test('about YAML is one line that says where', async () => {
    const { warnings } = await parse('#cloud-config\npackages:\n  - vim\n bad\n');
    expect(warnings).toEqual([expect.stringMatching(/^it is not valid YAML: .* at line \d+[^\n]*$/)]);
  });

  test('is not given for a script that is no YAML', async () => {
    expect(await parse('#!/bin/sh\na: [\n')).toMatchObject({ warnings: [] });
  });
});

describe('compressed user data', () => {
  test('is looked into', async () => {
    expect(await parseUserData(gzipSync('#cloud-config\n- vim\n'))).toEqual({
      kind: 'cloud-config',
      compressed: true,
      warnings: [expect.stringContaining('mapping')],
    });
  });

  test.each([
    ['is cut off', gzipSync(randomBytes(1000)).subarray(0, 500)],
    ['has nothing after its magic number', Buffer.from([0x1f, 0x8b])],
    ['unpacks to more than is looked at', gzipSync(Buffer.alloc(4 * 2 ** 20 + 1, '#'))],
  ])('that %s cannot be unpacked, which is a warning', async (_what, bytes) => {
    expect(await parseUserData(bytes)).toEqual({
      kind: 'unknown',
      compressed: true,
      warnings: ['it begins like gzip, but cannot be unpacked'],
    });
  });

  test('may hold more than the limit once it is unpacked', async () => {
    const text = `#!/bin/sh\n${'#'.repeat(2 * USER_DATA_LIMIT)}`;
    expect(await parseUserData(gzipSync(text))).toMatchObject({ kind: 'script', warnings: [] });
  });
});

describe('the size of user data', () => {
  const ofSize = (size: number): Buffer => Buffer.from('#!/bin/sh\n'.padEnd(size, '#'));

  test('may be the limit', async () => {
    expect(await parseUserData(ofSize(16_384))).toMatchObject({ kind: 'script' });
  });

  test('may not be more, and the error tells both', async () => {
    await expect(parseUserData(ofSize(16_385))).rejects.toMatchObject({
      code: 'InvalidParameterValue',
      message: 'User data is limited to 16384 bytes; this is 16385',
      hint: expect.stringContaining('gzip'),
    });
  });

  test('counts bytes, not characters', async () => {
    await expect(parse(`#!/bin/sh\n${'é'.repeat(8_200)}`)).rejects.toThrow('this is 16410');
  });
});
