import { describe, expect, test, vi } from 'vitest';
import { type Ovf, parseOvf } from '../../../../src/host/archive/ovf.ts';
import { ovfDescriptor } from '../../../../src/host/archive/write-ovf.ts';
import { generator } from '../../../support/random.ts';
import { descriptor, disk, drive, item, VMDK } from '../../../support/ova.ts';

// Real programs and thousands of rounds, on a host that may have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const parse = (text: string): Ovf => parseOvf(Buffer.from(text));
const fileOf = (number: number, attributes = ''): string =>
  `<File ovf:href="disk${number}.vmdk" ovf:id="file${number}" ${attributes}/>`;

describe('a descriptor says', () => {
  test("what VMware's say", () => {
    expect(parse(descriptor({ files: '<File ovf:href="disk.vmdk" ovf:id="file1" ovf:size="77"/>' }))).toEqual(
      {
        name: 'web & mail',
        operatingSystem: { id: 94, description: 'ubuntu64Guest' },
        cpus: 2,
        memory: 1536 * 2 ** 20,
        firmware: 'efi',
        disks: [{ file: 'disk.vmdk', isCompressed: false, capacity: 20 * 2 ** 30, format: VMDK }],
        files: new Map([['disk.vmdk', 77]]),
      },
    );
  });

  test("what VirtualBox' say, in OVF 2.0 and without a name", () => {
    const text = `<?xml version="1.0"?>
<Envelope ovf:version="2.0" xml:lang="en-US" xmlns="http://schemas.dmtf.org/ovf/envelope/2" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/2" xmlns:rasd="r" xmlns:sasd="s" xmlns:vbox="v">
  <References><File ovf:id="file1" ovf:href="box-disk001.vmdk"/></References>
  <DiskSection><Info>D</Info><Disk ovf:capacity="8589934592" ovf:diskId="vmdisk1" ovf:fileRef="file1" vbox:uuid="ac4b"/></DiskSection>
  <VirtualSystem ovf:id="box">
    <Info>A virtual machine</Info>
    <OperatingSystemSection ovf:id="96"><Info>K</Info><Description>Debian_64</Description><vbox:OSType>Debian_64</vbox:OSType></OperatingSystemSection>
    <VirtualHardwareSection>
      <Info>H</Info>
      ${item(1, 3, { VirtualQuantity: 1 })}${item(2, 4, { AllocationUnits: 'MegaBytes', VirtualQuantity: 512 })}${item(5, 20)}
      <StorageItem><sasd:AddressOnParent>0</sasd:AddressOnParent><sasd:HostResource>/disk/vmdisk1</sasd:HostResource><sasd:InstanceID>8</sasd:InstanceID><sasd:Parent>5</sasd:Parent><sasd:ResourceType>17</sasd:ResourceType></StorageItem>
    </VirtualHardwareSection>
    <vbox:Machine ovf:required="false"><Hardware><CPU count="9"/></Hardware></vbox:Machine>
  </VirtualSystem>
</Envelope>`;
    expect(parse(text)).toMatchObject({
      name: 'box',
      operatingSystem: { id: 96, description: 'Debian_64' },
      cpus: 1,
      memory: 512 * 2 ** 20,
      firmware: undefined,
      disks: [{ file: 'box-disk001.vmdk', capacity: 2 ** 33, format: undefined }],
    });
  });

  test('the same under another prefix, with attributes and CDATA', () => {
    const text = descriptor({
      machine: '<VirtualSystem ovf:id="x"><Name ovf:msgid="n"><![CDATA[a &amp; <b>]]></Name></VirtualSystem>',
    })
      .replaceAll(/<(\/?)(Envelope|References|File|DiskSection|Disk|VirtualSystem|Name)\b/g, '<$1zz:$2')
      .replace('xmlns:ovf=', 'xmlns:zz="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf=');
    expect(parse(text)).toMatchObject({
      name: 'a &amp; <b>',
      operatingSystem: { id: undefined, description: undefined },
      cpus: undefined,
      disks: [{ file: 'disk.vmdk' }],
    });
  });

  test('the disks in the order in which the machine finds them', () => {
    const files = [1, 2, 3, 4].map((number) => fileOf(number)).join('');
    const disks = [1, 2, 3, 4].map((number) => disk(number)).join('');
    const orderOf = (items: string): readonly string[] =>
      parse(descriptor({ files, disks, items })).disks.map(({ file }) => file.slice(4, 5));
    // Those in no drive come last.
    const items = drive('vmdisk3', 2) + drive('vmdisk1', 10) + drive('vmdisk2', 0);
    expect(orderOf(items)).toEqual(['2', '3', '1', '4']);
    expect(orderOf(drive('vmdisk1', 0, 11) + drive('vmdisk4', 1, 9))).toEqual(['4', '1', '2', '3']);
    // A CD-ROM drive is none of them, nor is a drive for another configuration; a drive that is there twice is one.
    const cd = item(50, 15, { HostResource: 'ovf:/file/file3', Parent: 3 });
    const other = item(
      51,
      17,
      { HostResource: 'ovf:/disk/vmdisk3', Parent: 3 },
      ' ovf:configuration="large"',
    );
    expect(orderOf(cd + other + drive('vmdisk2', 0) + drive('vmdisk2', 1))).toEqual(['2', '1', '4']);
    expect(orderOf('')).toEqual(['1', '2', '3', '4']);
  });

  test('what holds when nobody chooses', () => {
    const sections = `<DeploymentOptionSection><Configuration ovf:id="small"/><Configuration ovf:id="large" ovf:default="true"/></DeploymentOptionSection>`;
    const cpus = (attributes: string, count: number): string =>
      item(1, 3, { VirtualQuantity: count }, attributes);
    const items =
      drive('vmdisk1', 0) +
      cpus(' ovf:configuration="small"', 3) +
      cpus(' ovf:configuration="medium large"', 4) +
      cpus(' ovf:configuration="small" ovf:bound="max"', 5) +
      cpus(' ovf:bound="min"', 6);
    expect(parse(descriptor({ sections, items })).cpus).toBe(4);
    expect(parse(descriptor({ items })).cpus).toBe(2);
  });

  test('no capacity where it is a property of a deployment, or nothing is said', () => {
    for (const capacity of ['ovf:capacity="${size}"', ''])
      expect(
        parse(descriptor({ disks: `<Disk ${capacity} ovf:diskId="vmdisk1" ovf:fileRef="file1"/>` })).disks,
      ).toMatchObject([{ capacity: undefined }]);
  });

  test.each([
    ['byte', 1],
    ['byte * 2^30', 2 ** 30],
    ['byte*2^20', 2 ** 20],
    ['byte * 10^9', 1e9],
    ['GigaBytes', 2 ** 30],
    ['MB', 2 ** 20],
  ])('sizes in %s', (units, bytes) => {
    const disks = `<Disk ovf:capacity="3" ovf:capacityAllocationUnits="${units}" ovf:diskId="d" ovf:fileRef="file1"/>`;
    expect(parse(descriptor({ disks, items: '' })).disks[0]?.capacity).toBe(3 * bytes);
  });

  test('which files are compressed', () => {
    for (const [said, isCompressed] of [
      ['gzip', true],
      ['bzip2', true],
      ['identity', false],
      ['', false],
    ] as const)
      expect(
        parse(descriptor({ files: `<File ovf:href="disk.vmdk" ovf:id="file1" ovf:compression="${said}"/>` }))
          .disks,
      ).toMatchObject([{ isCompressed }]);
  });

  test('a name that can be shown', () => {
    const named = (name: string): string | undefined =>
      parse(descriptor({ machine: `<VirtualSystem ovf:id="x"><Name>${name}</Name></VirtualSystem>` })).name;
    expect(named('a\n\t b&#27;[2J&#x202e;c')).toBe('a b[2Jc');
    expect(named('x'.repeat(1000))).toHaveLength(255);
    expect(named('&unknown; &#xffffff;')).toBe('&unknown; &#xffffff;');
    expect(named('')).toBe('x');
  });
});

describe('a descriptor is refused', () => {
  const bomb = `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">${'bcdefghij'
    .split('')
    .map((name, index) => `<!ENTITY ${name} "${`&${'abcdefghi'[index]};`.repeat(10)}">`)
    .join('')}]>`;
  const two = fileOf(1) + fileOf(2);
  test.each<[what: string, text: string, message: RegExp]>([
    [
      'with a document type',
      descriptor().replace('<Envelope', '<!DOCTYPE Envelope><Envelope'),
      /has a document type or entities/,
    ],
    [
      'with a document type in small letters',
      descriptor().replace('<Envelope', '<!doctype e SYSTEM "file:///etc/passwd"><Envelope'),
      /has a document type/,
    ],
    ['with an entity bomb', bomb + descriptor(), /has a document type or entities/],
    ['that is empty', '', /not XML/],
    ['that is text', 'hello', /not XML/],
    ['that is not closed', '<Envelope><References>', /not XML/],
    ['with two roots', '<Envelope/><Envelope/>', /not XML/],
    ['with a deep nest', `<Envelope>${'<a>'.repeat(1000)}${'</a>'.repeat(1000)}</Envelope>`, /not XML/],
    ['with a prototype', '<Envelope><__proto__>1</__proto__></Envelope>', /not XML/],
    ['that is something else', '<domain/>', /has 'domain' for a root element/],
    ['of no machine', descriptor({ machine: '' }), /several machines, or none/],
    [
      'of two machines',
      descriptor({ machine: '<VirtualSystem/><VirtualSystem/>' }),
      /several machines, or none/,
    ],
    [
      'of a collection',
      descriptor({ machine: '<VirtualSystemCollection><VirtualSystem/></VirtualSystemCollection>' }),
      /several machines/,
    ],
    ['without disks', descriptor({ disks: '', items: '' }), /has no disk/],
    [
      'with a drive for no disk',
      descriptor({ items: drive('other', 0) }),
      /a drive with a disk 'other' that it does not describe/,
    ],
    [
      'with a disk without a file',
      descriptor({ disks: '<Disk ovf:capacity="1" ovf:diskId="vmdisk1"/>' }),
      /a disk 'vmdisk1' without a file/,
    ],
    [
      'with a disk in an unknown file',
      descriptor({ disks: '<Disk ovf:capacity="1" ovf:diskId="vmdisk1" ovf:fileRef="file9"/>' }),
      /without a file/,
    ],
    [
      'with a difference',
      descriptor({ disks: disk(1, 'ovf:parentRef="x"') }),
      /only a difference to another/,
    ],
    [
      'with two disks in a file',
      descriptor({ disks: disk(1) + disk(2).replace('file2', 'file1'), items: '' }),
      /several disks in one file/,
    ],
    [
      'with two files of one name',
      descriptor({ files: two.replace('disk2', 'disk1') }),
      /refers to 'disk1.vmdk' twice/,
    ],
    [
      'with two files of one id',
      descriptor({ files: two.replace('file2', 'file1') }),
      /refers to 'disk2.vmdk' twice/,
    ],
    [
      'with a file without a name',
      descriptor({ files: '<File ovf:id="file1"/>' }),
      /a file without an id or a name/,
    ],
    ['with a file in pieces', descriptor({ files: fileOf(1, 'ovf:chunkSize="1000"') }), /cut into chunks/],
    [
      'with an unknown compression',
      descriptor({ files: fileOf(1, 'ovf:compression="xz"') }),
      /compressed by 'xz'/,
    ],
    [
      'with a manifest for a disk',
      descriptor({ files: fileOf(1).replace('disk1.vmdk', 'x.mf') }),
      /as if it were a disk/,
    ],
    ['with a strange size', descriptor({ files: fileOf(1, 'ovf:size="0x10"') }), /gives a size as '0x10'/],
    [
      'with a strange capacity',
      descriptor({ disks: disk(1).replace('1048576', '1e6') }),
      /gives a capacity as '1e6'/,
    ],
    [
      'with strange units',
      descriptor({ disks: disk(1, 'ovf:capacityAllocationUnits="byte * 2^99"') }),
      /counts in 'byte \* 2\^99'/,
    ],
    [
      'with strange processors',
      descriptor({ items: drive('vmdisk1', 0) + item(9, 3, { VirtualQuantity: '-1' }) }),
      /gives a quantity as '-1'/,
    ],
  ])('%s', (_, text, message) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ code: 'OvfRefused', message: expect.stringMatching(message) }),
    );
  });

  test.each(['../x', '/etc/passwd', 'http://host/x.vmdk', 'a/b', '..', 'x&#10;y', ''])(
    'with a file %j',
    (href) => {
      const files = `<File ovf:href="${href}" ovf:id="file1"/>`;
      expect(() => parse(descriptor({ files }))).toThrow(expect.objectContaining({ code: 'ArchiveHostile' }));
    },
  );

  test('that is not UTF-8', () => {
    expect(() => parseOvf(Buffer.from(descriptor(), 'utf16le'))).toThrow(
      expect.objectContaining({ code: 'OvfRefused' }),
    );
    expect(() => parseOvf(Buffer.from([0x3c, 0xff]))).toThrow(/is not UTF-8/);
  });

  test('or read, however it is changed', () => {
    const next = generator(11);
    const text = Buffer.from(
      descriptor({ files: two, disks: disk(1) + disk(2), items: drive('vmdisk1', 0) + drive('vmdisk2', 1) }),
    );
    for (let round = 0; round < 500; round++) {
      const changed = Buffer.from(text);
      for (let changes = 0; changes < 1 + next() * 4; changes++)
        changed.write(
          '<>"/&= xA0:\0!'.charAt(Math.floor(next() * 13)),
          Math.floor(next() * changed.length),
          'latin1',
        );
      let code = 'read';
      try {
        parseOvf(changed);
      } catch (error) {
        code = (error as Error & { code?: string }).code ?? String(error);
      }
      expect(['read', 'OvfRefused', 'ArchiveHostile']).toContain(code);
    }
  });

  test.each([
    ['attributes', `<a ${'b=c '.repeat(250_000)}/>`],
    ['names', `<a>${'<a:a:a:a/>'.repeat(100_000)}</a>`],
    ['comments', `<a>${'<!--'.repeat(250_000)}`],
    ['references', `<a>${'&amp;'.repeat(200_000)}</a>`],
  ])(
    'in bounded time, however many %s it has',
    (_, text) => {
      const start = performance.now();
      expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'OvfRefused' }));
      expect(performance.now() - start).toBeLessThan(20_000);
    },
    30_000,
  );
});

describe('a descriptor of ours', () => {
  const request = {
    name: 'web "1" <&> more',
    architecture: 'x86_64',
    distribution: 'debian',
    isUefi: true,
    cpus: 2,
    memoryMiB: 2048,
    disks: [
      { file: 'disk-0.vmdk', size: 100, virtualSize: 2 ** 30 },
      { file: `it's "b" & <c>.vmdk`, size: 200, virtualSize: 2 ** 40 },
    ],
  } as const;

  test('is read back as it was meant', () => {
    expect(parse(ovfDescriptor(request))).toEqual({
      name: request.name,
      operatingSystem: { id: 96, description: 'debian (x86_64)' },
      cpus: 2,
      memory: 2 ** 31,
      firmware: 'efi',
      disks: request.disks.map(({ file, virtualSize }) => ({
        file,
        isCompressed: false,
        capacity: virtualSize,
        format: VMDK,
      })),
      files: new Map(request.disks.map(({ file, size }) => [file, size])),
    });
  });

  test.each([
    ['ubuntu', 'x86_64', 94],
    ['ubuntu', 'i386', 93],
    ['debian', 'arm64', 96],
    ['alpine', 'x86_64', 101],
    ['constructor', 'armhf', 36],
    [undefined, 'i386', 36],
  ] as const)('names %s on %s by its number', (distribution, architecture, id) => {
    expect(parse(ovfDescriptor({ ...request, distribution, architecture })).operatingSystem.id).toBe(id);
  });

  test('has its elements in the order of the schema', () => {
    const text = ovfDescriptor({ ...request, isUefi: false, name: 'a\u0000\u001bb' });
    expect(parse(text)).toMatchObject({ name: 'ab', firmware: undefined });
    const sequences = [
      ['<References>', '<DiskSection>', '<NetworkSection>', '<VirtualSystem '],
      ['<Name>', '<OperatingSystemSection ', '<VirtualHardwareSection>', '<System>', '<Item>'],
      [
        '<rasd:AddressOnParent>',
        '<rasd:ElementName>Hard',
        '<rasd:HostResource>',
        '<rasd:InstanceID>10<',
        '<rasd:Parent>',
      ],
    ];
    for (const sequence of sequences) {
      const places = sequence.map((tag) => text.indexOf(tag));
      expect(places).toEqual(places.toSorted((one, other) => one - other));
      expect(places).not.toContain(-1);
    }
  });

  test('never puts a disk at the address of the controller', () => {
    const disks = Array.from({ length: 12 }, (_, index) => ({
      file: `${index}.vmdk`,
      size: 1,
      virtualSize: 1,
    }));
    const text = ovfDescriptor({ ...request, disks });
    expect(text).not.toContain('<rasd:AddressOnParent>7<');
    expect(parse(text).disks.map(({ file }) => file)).toEqual(disks.map(({ file }) => file));
  });
});
