import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { type DiskFindings, examine } from '../../../../src/host/disk/examine.ts';
import {
  type CountedSource,
  EXT_UUID,
  type Tree,
  generator,
  makeDisk,
  makeExt,
  makeFat,
  missingTools,
  mutate,
  scratchFolder,
  sourceOf,
  writeTree,
} from '../../../support/file-systems.ts';
import {
  arm64Image,
  armZImage,
  bzImage,
  efiProgram,
  elfProgram,
  grubCode,
} from '../../../support/programs.ts';

const MIB = 2 ** 20;
const missing = missingTools('mke2fs', 'mformat', 'mcopy', 'sfdisk');
const scratch = scratchFolder();
afterAll(scratch.remove);

let made = 0;

function ext(tree: Tree, sizeMiB = 4): Buffer {
  const folder = join(scratch.path, `${made++}`);
  makeExt(`${folder}.ext`, writeTree(folder, tree), { sizeMiB, options: ['-O', '^has_journal'] });
  return readFileSync(`${folder}.ext`);
}

function fat(tree: Tree): Buffer {
  const folder = join(scratch.path, `${made++}`);
  makeFat(`${folder}.fat`, writeTree(folder, tree), { sizeMiB: 2 });
  return readFileSync(`${folder}.fat`);
}

const ROOT_TYPE = '0FC63DAF-8483-4772-8E79-3D69D8477DE4';
const ESP_TYPE = 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B';
const BIOS_TYPE = '21686148-6449-6E6F-744E-656564454649';

interface Layout {
  /** 6 MiB of room in partition 1. */
  readonly root?: Buffer;
  readonly rootType?: string;
  /** 3 MiB of room in partition 15. */
  readonly esp?: Buffer;
  /** Whether there is a BIOS boot partition. */
  readonly biosBoot?: boolean;
  readonly code?: Buffer;
}

/** A disk like those that distributions publish. */
function gptDisk({ root, rootType = ROOT_TYPE, esp, biosBoot = false, code }: Layout): CountedSource {
  const path = join(scratch.path, `${made++}.raw`);
  const script = [
    'label: gpt',
    `1: start=10240, size=12288, type=${rootType}`,
    ...(biosBoot ? [`14: start=2048, size=2048, type=${BIOS_TYPE}`] : []),
    ...(esp ? [`15: start=4096, size=6144, type=${ESP_TYPE}`] : []),
  ].join('\n');
  makeDisk(path, 12, script, [
    ...(root ? [{ at: 5 * MIB, bytes: root }] : []),
    ...(esp ? [{ at: 2 * MIB, bytes: esp }] : []),
    ...(code ? [{ at: 0, bytes: code }] : []),
  ]);
  return sourceOf(readFileSync(path));
}

const DEBIAN_RELEASE = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
HOME_URL="https://www.debian.org/"
`;
const DEBIAN: Tree = {
  'usr/lib/os-release': DEBIAN_RELEASE,
  'etc/os-release': { link: '../usr/lib/os-release' },
  bin: { link: 'usr/bin' },
  'usr/bin/dash': elfProgram('x86_64'),
  'usr/bin/sh': { link: 'dash' },
  'usr/bin/cloud-init': '#!/usr/bin/python3\n',
  'boot/vmlinuz-6.1': bzImage(64),
  'etc/cloud/cloud.cfg': 'system_info:\n  default_user:\n    name: base\n  distro: debian\n',
  'etc/cloud/cloud.cfg.d/01_debian.cfg': 'system_info:\n  default_user:\n    name: debian\n',
  'etc/cloud/cloud.cfg.d/05_early.cfg': 'datasource_list: [ Azure ]\n',
  'etc/cloud/cloud.cfg.d/90_dpkg.cfg': '# by dpkg\ndatasource_list: [ NoCloud, Ec2, None ]\n',
  'etc/cloud/cloud.cfg.d/README': 'datasource_list: [ Wrong ]\n',
};

describe.skipIf(missing !== '')('disks as distributions publish them', { timeout: 30_000 }, () => {
  test('Debian: GPT, BIOS and UEFI, root first', async () => {
    const esp = fat({ 'EFI/BOOT/BOOTX64.EFI': efiProgram(), 'EFI/BOOT/grub.cfg': '' });
    const source = gptDisk({ root: ext(DEBIAN), esp, biosBoot: true, code: grubCode() });
    await expect(examine(source)).resolves.toEqual({
      architecture: 'x86_64',
      bootMode: 'uefi-preferred',
      partitionScheme: 'gpt',
      rootPartition: 1,
      rootFileSystem: 'ext',
      rootUuid: EXT_UUID,
      rootLabel: 'a label',
      distribution: {
        id: 'debian',
        version: '12',
        name: 'Debian GNU/Linux 12 (bookworm)',
        variant: undefined,
      },
      cloudInit: { present: true, datasources: ['NoCloud', 'Ec2', 'None'], defaultUser: 'debian' },
      firstBoot: 'cloud-init',
      evidence: [
        '/usr/bin/dash is ELF x86-64',
        'the first sector holds boot code, and partition 15 holds /EFI/BOOT/BOOTX64.EFI',
      ],
      notes: [],
    } satisfies DiskFindings);
    expect(source.cost.bytes).toBeLessThan(8 * MIB);
  });

  test('CirrOS: MBR, an active partition and nothing but own scripts', async () => {
    const path = join(scratch.path, 'cirros.raw');
    const root = ext({
      'sbin/init': { link: '/bin/busybox' },
      'bin/busybox': elfProgram('i386'),
      'etc/cirros/version': '',
    });
    makeDisk(path, 8, 'label: dos\nstart=2048, size=10240, type=83, bootable', [
      { at: MIB, bytes: root },
      { at: 0, bytes: Buffer.from('\xfa\x31\xc0', 'latin1') },
    ]);
    await expect(examine(sourceOf(readFileSync(path)))).resolves.toMatchObject({
      architecture: 'i386',
      bootMode: 'legacy-bios',
      partitionScheme: 'mbr',
      rootPartition: 1,
      distribution: undefined,
      cloudInit: { present: false },
      firstBoot: 'cirros-init',
    });
  });

  test('Alpine: one file system on the whole disk, with a loader in front of it', async () => {
    const disk = ext({
      ...DEBIAN,
      'etc/os-release': 'ID=alpine\nVERSION_ID=3.21.0\nPRETTY_NAME="Alpine Linux v3.21"\n',
    });
    disk.write('\xeb\x58\x90EXTLINUX', 0, 'latin1');
    disk.writeUInt16BE(0x55aa, 510);
    await expect(examine(sourceOf(disk))).resolves.toMatchObject({
      architecture: 'x86_64',
      bootMode: 'legacy-bios',
      partitionScheme: 'none',
      rootPartition: 0,
      distribution: { id: 'alpine', version: '3.21.0', name: 'Alpine Linux v3.21' },
    });
  });

  test('Flatcar: programs in a partition for /usr, an empty root, Ignition', async () => {
    const path = join(scratch.path, 'flatcar.raw');
    makeDisk(
      path,
      16,
      `label: gpt
3: start=2048, size=12288, type=5DFBF5F4-2848-4BAC-AA5E-0D9A20B745A6, name="USR-A"
9: start=16384, size=12288, type=3884DD41-8582-4404-B9A8-E9B84F2DF50E, name="ROOT"`,
      [
        { at: MIB, bytes: ext({ 'lib/os-release': 'ID=flatcar\n', 'bin/bash': elfProgram('arm64') }) },
        { at: 8 * MIB, bytes: ext({}) },
      ],
    );
    await expect(examine(sourceOf(readFileSync(path)))).resolves.toMatchObject({
      architecture: 'arm64',
      bootMode: 'uefi',
      rootPartition: 9,
      distribution: { id: 'flatcar' },
      firstBoot: 'ignition',
      evidence: ['/usr/bin/bash is ELF AArch64', 'arm64 always boots by UEFI'],
    });
  });

  test('Fedora CoreOS: a deployment of OSTree', async () => {
    const deployment = `ostree/deploy/fedora-coreos/deploy/${'0'.repeat(64)}.0`;
    const root = ext({
      [`${deployment}/usr/lib/os-release`]: 'ID=fedora\nVERSION_ID=43\nVARIANT_ID=coreos\n',
      [`${deployment}/usr/bin/bash`]: elfProgram('x86_64'),
    });
    await expect(examine(gptDisk({ root }))).resolves.toMatchObject({
      architecture: 'x86_64',
      rootPartition: 1,
      distribution: { id: 'fedora', version: '43', variant: 'coreos' },
      firstBoot: 'ignition',
    });
  });

  test('a system inside an initramfs is known by its kernel', async () => {
    const root = ext({ 'boot/vmlinuz': bzImage(64), 'boot/initrd': 'x' });
    const found = await examine(gptDisk({ root, biosBoot: true, code: grubCode() }));
    expect(found).toMatchObject({ architecture: 'x86_64', bootMode: 'legacy-bios', firstBoot: undefined });
    expect(found.rootPartition).toBeUndefined();
    expect(found.evidence).toContain('/boot/vmlinuz is a 64-bit bzImage');
  });
});

describe.skipIf(missing !== '')('the architecture', { timeout: 30_000 }, () => {
  test.each<[string, Tree, DiskFindings['architecture']]>([
    [
      'i386 programs and an amd64 kernel',
      { 'bin/sh': elfProgram('i386'), 'boot/vmlinuz': bzImage(64) },
      'i386',
    ],
    ['hard float', { 'bin/sh': elfProgram('armhf') }, 'armhf'],
    ['soft float, which nothing here boots', { 'bin/sh': elfProgram('armel') }, undefined],
    ['another processor', { 'bin/sh': elfProgram('riscv64') }, undefined],
    [
      'a script for a shell and a program behind it',
      { 'bin/sh': '#!x', 'sbin/init': elfProgram('arm64') },
      'arm64',
    ],
    [
      'a link in a ring and a program behind it',
      { init: '', 'bin/sh': { link: 'sh' }, 'bin/bash': elfProgram('arm64') },
      'arm64',
    ],
    ['a 64-bit kernel', { 'boot/vmlinuz-1': bzImage(64) }, 'x86_64'],
    ['a 32-bit kernel', { 'boot/vmlinuz-1': bzImage(32) }, 'i386'],
    ['a kernel too old to say', { 'boot/vmlinuz-1': bzImage(64, 0x20a) }, undefined],
    ['an ARM64 kernel in the root', { Image: arm64Image() }, 'arm64'],
    ['an ARM kernel', { 'boot/zImage': armZImage() }, 'armhf'],
    ['an EFI kernel', { 'boot/vmlinuz-1': efiProgram(0xaa64) }, 'arm64'],
    ['a kernel whose name is that of a folder', { 'boot/kernel/x': '', 'boot/linux': bzImage(64) }, 'x86_64'],
    ['nothing', { 'etc/hosts': '' }, undefined],
  ])('%s', async (_what, tree, architecture) => {
    expect((await examine(sourceOf(ext(tree)))).architecture).toBe(architecture);
  });

  test.each<[string, Tree, DiskFindings['architecture'], DiskFindings['bootMode']]>([
    ['a loader for x64', { 'EFI/BOOT/BOOTX64.EFI': 'x' }, 'x86_64', 'uefi'],
    ['a loader for IA32', { 'efi/boot/bootia32.efi': 'x' }, 'i386', 'uefi'],
    ['both', { 'EFI/BOOT/BOOTIA32.EFI': 'x', 'EFI/BOOT/BOOTX64.EFI': 'x' }, 'x86_64', 'uefi'],
    ['a loader for ARM64', { 'EFI/BOOT/BOOTAA64.EFI': 'x' }, 'arm64', 'uefi'],
    ['a loader for ARM', { 'EFI/BOOT/BOOTARM.EFI': 'x' }, 'armhf', 'uefi'],
    ["a distribution's own loader", { 'EFI/debian/grubx64.efi': 'x' }, 'x86_64', 'uefi'],
    ['a loader without a telling name', { 'EFI/Linux/one.efi': efiProgram() }, 'x86_64', 'uefi'],
    ['a kernel and a loader', { linux: bzImage(64), 'EFI/BOOT/BOOTIA32.EFI': 'x' }, 'x86_64', 'uefi'],
    ['no loader', { 'EFI/BOOT/readme.txt': 'x' }, undefined, undefined],
  ])('%s in the ESP', async (_what, tree, architecture, bootMode) => {
    await expect(examine(gptDisk({ esp: fat(tree) }))).resolves.toMatchObject({ architecture, bootMode });
  });

  test('is told by the type of a partition that cannot be read', async () => {
    const root = Buffer.alloc(MIB);
    root.write('LUKS\xba\xbe', 0, 'latin1');
    const rootType = '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709';
    await expect(examine(gptDisk({ root, rootType }))).resolves.toMatchObject({
      architecture: 'x86_64',
      notes: ['partition 1: LUKS is not read'],
    });
  });
});

describe.skipIf(missing !== '')('the boot mode', { timeout: 30_000 }, () => {
  const loader = (): Buffer => fat({ 'EFI/BOOT/BOOTX64.EFI': 'x' });
  const jump = Buffer.from('\xeb\x63\x90', 'latin1');

  test.each<[string, () => Layout, DiskFindings['bootMode']]>([
    ['nothing', () => ({}), undefined],
    ['code and a BIOS boot partition', () => ({ code: jump, biosBoot: true }), 'legacy-bios'],
    ['a BIOS boot partition and no code', () => ({ biosBoot: true }), undefined],
    ['code that has nothing to load', () => ({ code: jump }), undefined],
    ["GRUB's code", () => ({ code: grubCode() }), 'legacy-bios'],
    ['an ESP', () => ({ esp: loader() }), 'uefi'],
    ['an ESP and code', () => ({ esp: loader(), code: jump, biosBoot: true }), 'uefi-preferred'],
    ['an empty ESP and code', () => ({ esp: fat({}), code: jump, biosBoot: true }), 'legacy-bios'],
  ])('%s', async (_what, layout, bootMode) => {
    expect((await examine(gptDisk(layout()))).bootMode).toBe(bootMode);
  });

  test('FAT on a whole disk, whose first sector is always code, is none by BIOS', async () => {
    await expect(examine(sourceOf(loader()))).resolves.toMatchObject({
      bootMode: 'uefi',
      partitionScheme: 'none',
    });
  });
});

describe.skipIf(missing !== '')('the first boot', { timeout: 30_000 }, () => {
  const system: Tree = { 'etc/os-release': 'ID=x\n', 'bin/sh': elfProgram('x86_64') };

  test.each<[string, Tree, DiskFindings['firstBoot']]>([
    ['nobody', {}, 'none'],
    ["cloud-init's leavings", { 'etc/cloud/cloud.cfg': '' }, 'none'],
    ['cloud-init', { 'usr/bin/cloud-init': '' }, 'cloud-init'],
    [
      'cloud-init beside others',
      { 'usr/local/bin/cloud-init': '', 'usr/libexec/nuageinit': '' },
      'cloud-init',
    ],
    ['nuageinit', { 'usr/libexec/nuageinit': '' }, 'nuageinit'],
    ['Ignition', { 'usr/lib/ignition/base.ign': '' }, 'ignition'],
    ['cirros-init', { 'etc/cirros-init/config': '' }, 'cirros-init'],
  ])('%s', async (_what, tree, firstBoot) => {
    expect((await examine(sourceOf(ext({ ...system, ...tree })))).firstBoot).toBe(firstBoot);
  });

  test.each<[string, string, DiskFindings['cloudInit']]>([
    ['nothing', '', { present: true, datasources: undefined, defaultUser: undefined }],
    ['no YAML', '{[', { present: true, datasources: undefined, defaultUser: undefined }],
    ['no mapping', '- a\n', { present: true, datasources: undefined, defaultUser: undefined }],
    ['an empty list', 'datasource_list: []\n', { present: true, datasources: [], defaultUser: undefined }],
    [
      'things that are no names',
      'datasource_list: [Ec2, 7, {}, "a b", "\\e[2J"]\nsystem_info: {default_user: {name: "a; b"}}\n',
      { present: true, datasources: ['Ec2'], defaultUser: undefined },
    ],
    [
      'a key twice, and other spellings',
      'datasource_list:\n  - A\ndatasource_list:\n  - Ec2\nsystem_info: {default_user: {name: ec2-user}}\n',
      { present: true, datasources: ['Ec2'], defaultUser: 'ec2-user' },
    ],
    [
      'a name of an object',
      'system_info: {default_user: {__proto__: {name: root}}}\n',
      { present: true, datasources: undefined, defaultUser: undefined },
    ],
  ])("cloud-init's configuration is %s", async (_what, config, cloudInit) => {
    const disk = ext({ ...system, 'usr/bin/cloud-init': '', 'etc/cloud/cloud.cfg': config });
    expect((await examine(sourceOf(disk))).cloudInit).toEqual(cloudInit);
  });

  test.each<[string, string]>([
    [
      'aliases',
      ['a: &a0 [x, x]', ...Array.from({ length: 30 }, (_, i) => `b${i}: &a${i + 1} [*a${i}, *a${i}]`)].join(
        '\n',
      ),
    ],
    ['depth', '['.repeat(32_000)],
    ['ordered maps', `%YAML 1.1\n---\n!!omap [${'a: 1, '.repeat(5000)}]`],
    ['size', 'a: b\n'.repeat(20_000)],
  ])('is not held up by %s of a configuration', async (_what, config) => {
    const disk = ext({
      ...system,
      'usr/bin/cloud-init': '',
      'etc/cloud/cloud.cfg': 'datasource_list: [Ec2]\n',
      'etc/cloud/cloud.cfg.d/99.cfg': config,
    });
    const begun = performance.now();
    const { cloudInit } = await examine(sourceOf(disk));
    expect(cloudInit?.datasources).toEqual(['Ec2']);
    expect(performance.now() - begun).toBeLessThan(8000);
  });
});

describe.skipIf(missing !== '')('the distribution', { timeout: 30_000 }, () => {
  test.each<[string, string, DiskFindings['distribution']]>([
    [
      'quotes, escapes and comments',
      `# a comment\n  ID='arch'  \nVERSION_ID=\n\nPRETTY_NAME="A \\"b\\" \\$c \\\\ \\d"\nnot a line\nNAME=n\n`,
      { id: 'arch', version: undefined, name: 'A "b" $c \\ \\d', variant: undefined },
    ],
    ['nothing', '', { id: 'linux', version: undefined, name: undefined, variant: undefined }],
    [
      'an id that is none, and colours',
      'ID="../x"\nVERSION_ID=1\\.2\nNAME="\x1b[31mRed\x07\u202e Hat"\n',
      { id: 'linux', version: '1.2', name: '[31mRed Hat', variant: undefined },
    ],
    [
      'a long name',
      `ID=x\nNAME=${'n'.repeat(1000)}\n`,
      { id: 'x', version: undefined, name: 'n'.repeat(200), variant: undefined },
    ],
  ])('%s', async (_what, release, distribution) => {
    const disk = ext({ 'usr/lib/os-release': release });
    expect((await examine(sourceOf(disk))).distribution).toEqual(distribution);
  });

  test("/etc's word is the last", async () => {
    const disk = ext({ 'usr/lib/os-release': 'ID=a\n', 'etc/os-release': 'ID=b\n' });
    expect((await examine(sourceOf(disk))).distribution?.id).toBe('b');
  });
});

describe('what cannot be read is told', { timeout: 30_000 }, () => {
  test.each([0, 1, 511, 512, 4096, 3 * MIB])('a disk of %i zero bytes', async (bytes) => {
    const found = await examine(sourceOf(Buffer.alloc(bytes)));
    expect(found).toMatchObject({ architecture: undefined, partitionScheme: 'none' });
    expect(found.notes).toEqual(['the disk: nothing is on it']);
  });

  test.each<[string, number, string]>([
    ['LVM', 512 + 24, 'LVM2 001'],
    ['swap space', 4086, 'SWAPSPACE2'],
    ['squashfs', 0, 'hsqs'],
    ['NTFS', 3, 'NTFS    '],
    ['UFS', 66_908, '\x19\x01\x54\x19'],
  ])('%s', async (name, offset, magic) => {
    const disk = Buffer.alloc(MIB);
    disk.write(magic, offset, 'latin1');
    expect((await examine(sourceOf(disk))).notes).toEqual([`the disk: ${name} is not read`]);
  });

  test.skipIf(missing !== '')('a damaged table, and partitions that the disk does not have', async () => {
    const whole = gptDisk({ root: ext(DEBIAN) });
    const bytes = await whole.read(0, whole.size);
    const cut = await examine(sourceOf(bytes.subarray(0, 6 * MIB)));
    expect(cut.partitionScheme).toBe('gpt');
    expect(cut.notes[0]).toMatch(/^partition 1: the disk refers to byte/);
    bytes.writeUInt8(1, 512 + 60);
    const damaged = await examine(sourceOf(bytes));
    expect(damaged.partitionScheme).toBeUndefined();
    expect(damaged.notes[0]).toMatch(/GPT is damaged/);
  });
});

describe.skipIf(missing !== '')('looking is bounded', { timeout: 30_000 }, () => {
  const disk = missing === '' ? ext(DEBIAN) : Buffer.alloc(0);

  test('by bytes: what was found until then is the answer, and nothing is made up', async () => {
    const { notes: none, ...whole } = await examine(sourceOf(disk));
    expect(none).toEqual([]);
    for (let maxBytes = 0; maxBytes < 600_000; maxBytes += 20_000) {
      const source = sourceOf(disk);
      const { notes, cloudInit, evidence, ...found } = await examine(source, { maxBytes });
      expect(source.cost.bytes).toBeLessThan(maxBytes + 1);
      expect(whole).toMatchObject(
        Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)),
      );
      expect(whole.evidence).toEqual(expect.arrayContaining([...evidence]));
      expect(cloudInit?.present).not.toBe(false);
      expect(notes.length).toBeLessThan(2);
    }
    const { notes } = await examine(sourceOf(disk), { maxBytes: 100_000 });
    expect(notes).toEqual(['looking at the disk was given up: it takes too much reading']);
  });

  test('by time', async () => {
    const found = await examine(sourceOf(disk), { timeoutMs: 0 });
    expect(found.notes).toEqual(['looking at the disk was given up: it takes too much reading']);
  });

  test('by the caller', async () => {
    const aborted = AbortSignal.abort(new Error('enough'));
    await expect(examine(sourceOf(disk), { signal: aborted })).rejects.toThrow('enough');
  });

  test("an error of the host's own passes", async () => {
    const broken = { size: MIB, read: async () => Promise.reject(new Error('EIO')) };
    await expect(examine(broken)).rejects.toThrow('EIO');
  });
});

describe.skipIf(missing !== '')('no mutation brings out anything but findings', { timeout: 60_000 }, () => {
  test('of a disk with GPT, ext and FAT', async () => {
    const esp = fat({ 'EFI/BOOT/BOOTX64.EFI': efiProgram() });
    const whole = gptDisk({ root: ext(DEBIAN), esp, biosBoot: true, code: grubCode() });
    const bytes = await whole.read(0, whole.size);
    const used = usedRanges(bytes);
    const random = generator(20_260_105);
    const begun = performance.now();
    for (let round = 0; round < 1000; round++) {
      const undo = mutate(bytes, random, used[Math.floor(random() * used.length)] ?? [0, 512]);
      const source = sourceOf(bytes);
      const { notes, evidence } = await examine(source);
      expect(source.cost.bytes).toBeLessThan(64 * MIB);
      for (const line of [...notes, ...evidence]) expect(line).not.toMatch(/\p{C}/u);
      undo();
    }
    expect(performance.now() - begun).toBeLessThan(40_000);
  });
});

function usedRanges(bytes: Buffer): (readonly [number, number])[] {
  const used: (readonly [number, number])[] = [];
  for (let place = 0; place < bytes.length; place += 512)
    if (bytes.subarray(place, place + 512).some((byte) => byte !== 0)) used.push([place, place + 512]);
  return used;
}
