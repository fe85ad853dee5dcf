import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { HostError } from '../../../../src/core/errors.ts';
import { type Ovf, parseOvf } from '../../../../src/host/archive/ovf.ts';
import { readOva } from '../../../../src/host/archive/read-ova.ts';
import { ovfManifest } from '../../../../src/host/archive/ovf-manifest.ts';
import { type OvfRequest, ovfDescriptor } from '../../../../src/host/archive/write-ovf.ts';
import { writeTar } from '../../../../src/host/archive/write-tar.ts';
import { generator } from '../../../support/random.ts';

const parse = (xml: string): Ovf => parseOvf(Buffer.from(xml));

interface Machine {
  readonly files?: string;
  readonly disks?: string;
  readonly items?: string;
  readonly system?: string;
  readonly before?: string;
}

/** A descriptor as VMware writes it, with parts of it replaced. */
function descriptor({ files, disks, items, system, before = '' }: Machine = {}): string {
  const hardware = `<VirtualHardwareSection>${items ?? item({ id: 'vmdisk1' })}</VirtualHardwareSection>`;
  return `<?xml version="1.0" encoding="UTF-8"?>${before}
<Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1"
  xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
  <References>${files ?? '<File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="4"/>'}</References>
  <DiskSection><Info/>${disks ?? '<Disk ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:capacity="1"/>'}</DiskSection>
  ${system ?? `<VirtualSystem ovf:id="machine"><Name>web</Name>${hardware}</VirtualSystem>`}
</Envelope>`;
}

interface Drive {
  readonly id: string;
  readonly parent?: number;
  readonly place?: number;
}

function item({ id, parent = 3, place = 0 }: Drive): string {
  return `<Item><rasd:AddressOnParent>${place}</rasd:AddressOnParent>
    <rasd:HostResource>ovf:/disk/${id}</rasd:HostResource><rasd:InstanceID>9</rasd:InstanceID>
    <rasd:Parent>${parent}</rasd:Parent><rasd:ResourceType>17</rasd:ResourceType></Item>`;
}

const twoFiles = '<File ovf:href="a.vmdk" ovf:id="fa"/><File ovf:href="b.vmdk" ovf:id="fb"/>';
const twoDisks = '<Disk ovf:diskId="da" ovf:fileRef="fa"/><Disk ovf:diskId="db" ovf:fileRef="fb"/>';

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof HostError ? error.code : `not ours: ${String(error)}`;
  }
  return 'nothing thrown';
}

describe('a descriptor', () => {
  test('says which file the disk is', () => {
    expect(parse(descriptor())).toMatchObject({
      name: 'web',
      firmware: undefined,
      disks: [{ file: 'disk.vmdk', isCompressed: false }],
      files: new Map([['disk.vmdk', 4]]),
    });
  });

  test('orders its disks by controller and place, not by how it lists them', () => {
    const order = (items: string): readonly string[] =>
      parse(descriptor({ files: twoFiles, disks: twoDisks, items })).disks.map(({ file }) => file);
    expect(order(item({ id: 'db', place: 0 }) + item({ id: 'da', place: 1 }))).toEqual(['b.vmdk', 'a.vmdk']);
    expect(order(item({ id: 'da', parent: 4 }) + item({ id: 'db', parent: 3, place: 5 }))).toEqual([
      'b.vmdk',
      'a.vmdk',
    ]);
    expect(order(item({ id: 'db' }))).toEqual(['b.vmdk', 'a.vmdk']);
  });

  test('may name a firmware and compress a file', () => {
    const config = '<vmw:Config vmw:key="firmware" vmw:value="efi"/>';
    const system = `<VirtualSystem ovf:id="machine"><VirtualHardwareSection>${config}</VirtualHardwareSection></VirtualSystem>`;
    const files = '<File ovf:href="disk.vmdk.gz" ovf:id="file1" ovf:compression="gzip"/>';
    expect(parse(descriptor({ system, files }))).toMatchObject({
      name: 'machine',
      firmware: 'efi',
      disks: [{ file: 'disk.vmdk.gz', isCompressed: true }],
    });
  });

  test.each<[string, string, string]>([
    ['OvfRefused', 'a document type', descriptor({ before: '<!DOCTYPE x SYSTEM "file:///etc/shadow">' })],
    ['OvfRefused', 'a document type in small letters', descriptor({ before: '<!doctype x>' })],
    [
      'OvfRefused',
      'entities',
      descriptor({ before: '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>' }),
    ],
    ['ArchiveHostile', 'a file in a folder', descriptor({ files: '<File ovf:href="a/b" ovf:id="file1"/>' })],
    [
      'ArchiveHostile',
      'a file outside',
      descriptor({ files: '<File ovf:href="../../etc/shadow" ovf:id="file1"/>' }),
    ],
    [
      'ArchiveHostile',
      'a file of this host',
      descriptor({ files: '<File ovf:href="/etc/shadow" ovf:id="file1"/>' }),
    ],
    [
      'ArchiveHostile',
      'a file elsewhere',
      descriptor({ files: '<File ovf:href="http://a/b" ovf:id="file1"/>' }),
    ],
    ['ArchiveHostile', 'a file without a name', descriptor({ files: '<File ovf:href="" ovf:id="file1"/>' })],
    [
      'OvfRefused',
      'a file in chunks',
      descriptor({ files: '<File ovf:href="disk.vmdk" ovf:id="file1" ovf:chunkSize="9"/>' }),
    ],
    [
      'OvfRefused',
      'an unknown compression',
      descriptor({ files: '<File ovf:href="disk.vmdk" ovf:id="file1" ovf:compression="lzma"/>' }),
    ],
    [
      'OvfRefused',
      'one file by two ids',
      descriptor({ files: '<File ovf:href="a" ovf:id="file1"/><File ovf:href="a" ovf:id="file2"/>' }),
    ],
    [
      'OvfRefused',
      'two files by one id',
      descriptor({ files: '<File ovf:href="a" ovf:id="file1"/><File ovf:href="b" ovf:id="file1"/>' }),
    ],
    ['OvfRefused', 'a disk without a file', descriptor({ disks: '<Disk ovf:diskId="vmdisk1"/>' })],
    ['OvfRefused', 'a disk of no file', descriptor({ disks: '<Disk ovf:diskId="d" ovf:fileRef="other"/>' })],
    [
      'OvfRefused',
      'several machines',
      descriptor({ system: '<VirtualSystemCollection><VirtualSystem/></VirtualSystemCollection>' }),
    ],
    [
      'OvfRefused',
      'two machines',
      descriptor({ system: '<VirtualSystem ovf:id="a"/><VirtualSystem ovf:id="b"/>' }),
    ],
    ['OvfRefused', 'no machine', descriptor({ system: '' })],
    ['OvfRefused', 'another document', '<html/>'],
    ['OvfRefused', 'nothing', ''],
    ['OvfRefused', 'no XML', 'x'.repeat(1000)],
    ['OvfRefused', 'unfinished XML', descriptor().slice(0, 400)],
    ['OvfRefused', 'the names of what every object has', '<Envelope><__proto__/><constructor/></Envelope>'],
    ['OvfRefused', 'depth', `${'<a>'.repeat(100_000)}${'</a>'.repeat(100_000)}`],
  ])('%s: %s', (code, _what, xml) => {
    expect(codeOf(() => parse(xml))).toBe(code);
  });

  test('whatever is changed in it, there is a machine or a refusal, soon', () => {
    const random = generator(11);
    const whole = descriptor({ files: twoFiles, disks: twoDisks });
    const started = performance.now();
    for (let round = 0; round < 1500; round++) {
      const bytes = Buffer.from(whole);
      for (let change = 0; change < 1 + Math.floor(random() * 6); change++)
        bytes.writeUInt8(Math.floor(random() * 256), Math.floor(random() * bytes.length));
      const end = random() < 0.2 ? Math.floor(random() * bytes.length) : bytes.length;
      expect(codeOf(() => parseOvf(bytes.subarray(0, end)))).not.toContain('not ours');
    }
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test('of our own is read again, whatever the image is called', () => {
    const request: OvfRequest = {
      name: `it's <web> & "co" (1)`,
      architecture: 'x86_64',
      isUefi: true,
      cpus: 2,
      memoryMiB: 1024,
      disks: Array.from({ length: 12 }, (_, index) => ({
        file: `disk-${index}.vmdk`,
        size: 10,
        virtualSize: 2 ** 30,
      })),
    };
    const read = parse(ovfDescriptor(request));
    expect(read.firmware).toBe('efi');
    expect(read.disks.map(({ file }) => file)).toEqual(request.disks.map(({ file }) => file));
    expect(read.name).toBe(request.name);
  });
});

interface Part {
  readonly name: string;
  readonly text: string;
}

const hex = (algorithm: string, text: string): string => createHash(algorithm).update(text).digest('hex');
const ovf: Part = { name: 'web.ovf', text: descriptor() };
const disk: Part = { name: 'disk.vmdk', text: 'disk' };

function manifest(algorithm: 'SHA1' | 'SHA256' | 'SHA512', ...parts: readonly Part[]): Part {
  const lines = parts.map(
    ({ name, text }) => `${algorithm}(${name})= ${hex(algorithm.toLowerCase(), text)}\n`,
  );
  return { name: 'web.mf', text: lines.join('') };
}

interface Read {
  readonly ovf: Ovf;
  readonly taken: Readonly<Record<string, string>>;
}

async function read(...parts: readonly Part[]): Promise<Read> {
  const files = parts.map(({ name, text }) => {
    const content = Buffer.from(text);
    return { name, size: content.length, content };
  });
  const taken: Record<string, string> = {};
  const result = await readOva(Readable.from(writeTar(files), { objectMode: false }), {
    onDisk: async ({ file }, stream) => {
      taken[file] = (await buffer(stream)).toString();
    },
  });
  return { ovf: result, taken };
}

describe('an OVA', () => {
  test.each(['SHA1', 'SHA256', 'SHA512'] as const)(
    'is compared with its manifest by %s',
    async (algorithm) => {
      const right = manifest(algorithm, ovf, disk);
      for (const parts of [
        [ovf, disk, right],
        [ovf, right, disk],
        [ovf, disk],
      ])
        await expect(read(...parts)).resolves.toMatchObject({ taken: { 'disk.vmdk': 'disk' } });
      for (const wrong of [
        manifest(algorithm, ovf, { ...disk, text: 'other' }),
        manifest(algorithm, { ...ovf, text: 'other' }, disk),
        manifest(algorithm, ovf, disk, { name: 'missing.vmdk', text: '' }),
      ])
        for (const parts of [
          [ovf, disk, wrong],
          [ovf, wrong, disk],
        ])
          await expect(read(...parts)).rejects.toMatchObject({ code: 'ArchiveCorrupt' });
    },
  );

  test('may spell its manifest as other programs do', async () => {
    const digest = hex('sha256', 'disk');
    for (const text of [
      `SHA256(disk.vmdk)=${digest}`,
      `sha256 (disk.vmdk) = ${digest.toUpperCase()}\r\n`,
      `\n\nSHA256(disk.vmdk)= ${digest}\n\n`,
    ])
      await expect(
        read(ovf, disk, { name: 'web.mf', text: `${text}\n${manifest('SHA256', ovf).text}` }),
      ).resolves.toBeDefined();
    for (const text of ['MD5(disk.vmdk)= 0', 'garbage', 'SHA256(disk.vmdk)= xyz', '\0\0\0'])
      await expect(read(ovf, disk, { name: 'web.mf', text })).rejects.toMatchObject({
        code: 'ArchiveCorrupt',
      });
  });

  test('has a manifest that says something of every disk, or none', async () => {
    for (const text of ['', '\n', ovfManifest([{ file: ovf.name, sha256: hex('sha256', ovf.text) }])])
      await expect(read(ovf, disk, { name: 'web.mf', text })).rejects.toMatchObject({
        code: 'ArchiveCorrupt',
      });
  });

  test('has one manifest only', async () => {
    const right = manifest('SHA256', ovf, disk);
    const wrong = manifest('SHA256', ovf, { ...disk, text: 'other' });
    await expect(read(ovf, wrong, disk, { ...right, name: 'other.mf' })).rejects.toBeInstanceOf(HostError);
  });

  test.each<[string, string, readonly Part[]]>([
    ['ArchiveCorrupt', 'without its disk', [ovf]],
    ['ArchiveCorrupt', 'that begins with a disk', [disk, ovf]],
    ['ArchiveCorrupt', 'that is empty', []],
    ['ArchiveHostile', 'with a file that nobody names', [ovf, disk, { name: 'extra.sh', text: '#!' }]],
    ['ArchiveHostile', 'with two descriptors', [ovf, { ...ovf, name: 'other.ovf' }, disk]],
    ['ArchiveTooLarge', 'with an endless descriptor', [{ name: 'web.ovf', text: ' '.repeat(2 ** 20 + 1) }]],
    [
      'ArchiveTooLarge',
      'with an endless manifest',
      [ovf, { name: 'web.mf', text: '\n'.repeat(2 ** 20 + 1) }],
    ],
  ])('%s: one %s', async (code, _what, parts) => {
    await expect(read(...parts)).rejects.toMatchObject({ code });
  });

  test('may have files that are not disks, and a certificate', async () => {
    const files = '<File ovf:href="disk.vmdk" ovf:id="file1"/><File ovf:href="nvram" ovf:id="file2"/>';
    const parts = [
      { ...ovf, text: descriptor({ files }) },
      disk,
      { name: 'nvram', text: 'x' },
      { name: 'web.cert', text: 'x' },
    ];
    await expect(read(...parts)).resolves.toMatchObject({ taken: { 'disk.vmdk': 'disk' } });
  });

  test('fails with what whoever takes a disk fails with', async () => {
    const files = [ovf, disk].map(({ name, text }) => ({
      name,
      size: Buffer.byteLength(text),
      content: Buffer.from(text),
    }));
    const source = Readable.from(writeTar(files), { objectMode: false });
    const reading = readOva(source, { onDisk: async () => Promise.reject(new Error('no room')) });
    await expect(reading).rejects.toThrow('no room');
    expect(source.destroyed).toBe(true);
  });
});
