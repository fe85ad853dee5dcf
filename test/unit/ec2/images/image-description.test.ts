import { describe, expect, test } from 'vitest';
import {
  checkName,
  checkSaid,
  type Opinions,
  nameFromFile,
  type Said,
  settleDescription,
} from '../../../../src/ec2/images/image-description.ts';
import type { DiskFindings } from '../../../../src/host/disk/examine.ts';

const NOTHING: DiskFindings = {
  architecture: undefined,
  bootMode: undefined,
  partitionScheme: undefined,
  rootPartition: undefined,
  rootFileSystem: undefined,
  rootUuid: undefined,
  rootLabel: undefined,
  distribution: undefined,
  cloudInit: undefined,
  firstBoot: undefined,
  evidence: [],
  notes: [],
};

const FOUND: DiskFindings = {
  ...NOTHING,
  architecture: 'arm64',
  bootMode: 'uefi',
  distribution: { id: 'fedora', name: 'Fedora Linux 42', version: '42', variant: undefined },
  cloudInit: { present: true, datasources: ['Ec2'], defaultUser: 'found' },
  firstBoot: 'ignition',
  evidence: ['/usr/bin/bash is ELF aarch64'],
};

function settle(given: Partial<Opinions>): ReturnType<typeof settleDescription> {
  return settleDescription({
    name: 'mine',
    user: {},
    origin: {},
    found: NOTHING,
    override: false,
    ...given,
  });
}

const USER = {
  description: 'as the user says',
  architecture: 'x86_64',
  bootMode: 'legacy-bios',
  rootDeviceName: '/dev/sda1',
  defaultUser: 'said',
  firstBoot: 'none',
  cpuBaseline: 'x86-64-v3',
} as const satisfies Said;
const ORIGIN = {
  description: 'as it came',
  architecture: 'i386',
  bootMode: 'uefi-preferred',
  rootDeviceName: '/dev/sdb',
  defaultUser: 'origin',
  firstBoot: 'tiny',
  cpuBaseline: 'x86-64-v2',
} as const satisfies Said;

describe('settleDescription believes', () => {
  test('the user before all others, who may insist', () => {
    expect(settle({ user: USER, origin: ORIGIN, found: FOUND, override: true })).toEqual({
      description: { name: 'mine', ...USER },
      doubts: [],
    });
  });

  test('the disk before what came with it, and says where they differ', () => {
    expect(settle({ origin: ORIGIN, found: FOUND })).toEqual({
      description: {
        ...ORIGIN,
        name: 'mine',
        architecture: 'arm64',
        bootMode: 'uefi',
        firstBoot: 'ignition',
        defaultUser: 'found',
      },
      doubts: [
        'the architecture i386 was expected, but the disk says arm64',
        'the boot mode uefi-preferred was expected, but the disk says uefi',
        'the first boot by tiny was expected, but the disk says ignition',
        'the default user origin was expected, but the disk says found',
      ],
    });
  });

  test('what came with it where the disk says nothing', () => {
    expect(settle({ origin: ORIGIN })).toEqual({ description: { name: 'mine', ...ORIGIN }, doubts: [] });
  });

  test('what is usual where nobody says anything', () => {
    const found = { ...NOTHING, architecture: 'x86_64' as const };
    expect(settle({ found }).description).toEqual({
      name: 'mine',
      description: '',
      architecture: 'x86_64',
      bootMode: 'legacy-bios',
      rootDeviceName: '/dev/xvda',
      defaultUser: 'ec2-user',
      firstBoot: 'cloud-init',
      cpuBaseline: null,
    });
  });

  test.each(Object.keys(USER) as (keyof typeof USER)[])('the user about %s alone', (key) => {
    const user = { [key]: USER[key] };
    const { description, doubts } = settle({ user, origin: ORIGIN, found: FOUND, override: true });
    expect(description[key]).toBe(USER[key]);
    expect(description).toMatchObject({ ...settle({ origin: ORIGIN, found: FOUND }).description, ...user });
    // What the user has decided is no doubt any more.
    expect(doubts).toHaveLength(
      ['architecture', 'bootMode', 'firstBoot', 'defaultUser'].includes(key) ? 3 : 4,
    );
  });
});

describe('a word of the user that the disk contradicts', () => {
  test.each([
    [{ architecture: 'x86_64' }, 'you say the architecture is x86_64, but the disk says arm64'],
    [{ bootMode: 'legacy-bios' }, 'you say the boot mode is legacy-bios, but the disk says uefi'],
    [{ bootMode: 'uefi-preferred' }, 'you say the boot mode is uefi-preferred, but the disk says uefi'],
    [{ firstBoot: 'cloud-init' }, 'you say the first boot by is cloud-init, but the disk says ignition'],
  ] as const)('%j is refused with what was seen', (user, message) => {
    expect(() => settle({ user, found: FOUND })).toThrow(
      expect.objectContaining({
        code: 'ImageDisagrees',
        message,
        details: FOUND.evidence,
        hint: expect.stringContaining('--override'),
      }),
    );
    expect(settle({ user, found: FOUND, override: true }).description).toMatchObject(user);
  });

  test('counts only where it makes the image unusable', () => {
    const user = { ...USER, architecture: 'arm64', bootMode: 'uefi', firstBoot: 'ignition' } as const;
    expect(settle({ user, found: FOUND }).description).toEqual({ name: 'mine', ...user });
  });

  test.each(['legacy-bios', 'uefi'] as const)('is none when the disk boots both ways: %s', (bootMode) => {
    const found = { ...FOUND, bootMode: 'uefi-preferred' as const };
    expect(settle({ user: { bootMode }, found }).description.bootMode).toBe(bootMode);
    expect(settle({ origin: { bootMode }, found })).toMatchObject({
      description: { bootMode: 'uefi-preferred' },
      doubts: [],
    });
  });
});

test('without any word about the processor there is no image, and what was looked for is told', () => {
  const found = { ...NOTHING, notes: ['partition 3: LVM is not read'] };
  expect(() => settle({ found })).toThrow(
    expect.objectContaining({
      code: 'ArchitectureUnknown',
      details: found.notes,
      hint: expect.stringContaining('--architecture'),
    }),
  );
  expect(settle({ found, user: { architecture: 'armhf' } }).description.architecture).toBe('armhf');
});

test.each([
  ['x86_64', 'legacy-bios'],
  ['i386', 'legacy-bios'],
  ['arm64', 'uefi'],
  ['armhf', 'uefi'],
] as const)('%s boots by %s unless somebody says otherwise', (architecture, bootMode) => {
  expect(settle({ user: { architecture } }).description.bootMode).toBe(bootMode);
});

describe('the login', () => {
  const login = (name: string, found: Partial<DiskFindings> = {}): string =>
    settle({ name, user: { architecture: 'x86_64' }, found: { ...NOTHING, ...found } }).description
      .defaultUser;

  test.each([
    ['debian-12-generic-amd64', 'debian'],
    ['noble-server-cloudimg-amd64', 'ubuntu'],
    ['Fedora Cloud', 'fedora'],
    ['Rocky-9-GenericCloud', 'rocky'],
    ['AlmaLinux-9', 'almalinux'],
    ['CentOS-Stream-9', 'cloud-user'],
    ['openSUSE-Leap', 'opensuse'],
    ['alpine-3.22', 'alpine'],
    ['arch-linux', 'arch'],
    ['search', 'ec2-user'],
    ['flatcar_production', 'core'],
    ['FreeBSD-14', 'freebsd'],
    ['cirros-0.6', 'cirros'],
    ['my-disk', 'ec2-user'],
  ])('of %s is %s by its name', (name, user) => {
    expect(login(name)).toBe(user);
  });

  test('is its distribution’s before its name’s', () => {
    const distribution = { id: 'ubuntu', name: 'Ubuntu 24.04', version: '24.04', variant: undefined };
    expect(login('debian-12', { distribution })).toBe('ubuntu');
    expect(login('debian-12', { distribution: { ...distribution, id: 'homemade' } })).toBe('debian');
  });

  test.each(['-oProxyCommand=x', 'a b', '$(id)', '1st', '', 'x'.repeat(33)])(
    'is not %j, whatever the disk says',
    (defaultUser) => {
      expect(login('plain', { cloudInit: { present: true, datasources: undefined, defaultUser } })).toBe(
        'ec2-user',
      );
    },
  );
});

test('the distribution is the description when there is no other', () => {
  const distribution = {
    id: 'debian',
    name: 'Debian GNU/Linux 12 (bookworm)',
    version: '12',
    variant: undefined,
  };
  const found = { ...NOTHING, architecture: 'x86_64' as const, distribution };
  expect(settle({ found }).description.description).toBe('Debian GNU/Linux 12 (bookworm)');
  expect(settle({ found, origin: { description: 'mine' } }).description.description).toBe('mine');
  expect(settle({ found, user: { description: '' } }).description.description).toBe('');
});

describe('checkName', () => {
  test.each(['abc', "a (b) [c] ./-'@_", 'a'.repeat(128), 'ami', 'debian-12'])('takes %j', (name) => {
    expect(() => checkName(name)).not.toThrow();
  });

  test.each(['ab', 'a'.repeat(129), 'a\nb c', 'abc\n', 'ami-0aaaaaaaa', 'a;b;c', '', 'naïve', 'a:b'])(
    'refuses %j',
    (name) => {
      expect(() => checkName(name)).toThrow(expect.objectContaining({ code: 'InvalidAMIName.Malformed' }));
      expect(() => checkSaid({ name })).toThrow(
        expect.objectContaining({ code: 'InvalidAMIName.Malformed' }),
      );
    },
  );
});

describe('checkSaid', () => {
  test.each<Said>([
    {},
    { name: 'mine', defaultUser: 'debian', rootDeviceName: '/dev/xvda' },
    { defaultUser: '_a.b-C9', rootDeviceName: '/dev/sda1' },
  ])('takes %j', (said) => {
    expect(() => checkSaid(said)).not.toThrow();
  });

  test.each<Said>([
    { defaultUser: '' },
    { defaultUser: '-l' },
    { defaultUser: 'root;id' },
    { defaultUser: 'root\n' },
    { rootDeviceName: 'xvda' },
    { rootDeviceName: '/dev/vda' },
    { rootDeviceName: '/dev/sda/../sdb' },
    { rootDeviceName: '/dev/sda1\n' },
  ])('refuses %j', (said) => {
    expect(() => checkSaid(said)).toThrow(expect.objectContaining({ code: 'InvalidParameterValue' }));
  });
});

test.each([
  ['debian-12-generic-amd64.qcow2', 'debian-12-generic-amd64'],
  ['noble-server-cloudimg-amd64.img', 'noble-server-cloudimg-amd64'],
  ['Fedora Cloud.raw', 'Fedora Cloud'],
  ['disk.raw.xz', 'disk'],
  ['disk.tar.gz', 'disk'],
  ['appliance.OVA', 'appliance'],
  ['disk.vhd.zst', 'disk'],
  ['v1.2.vhdx', 'v1.2'],
  ['my:disk,ü.qcow2', 'my-disk-'],
  ['plain', 'plain'],
  ['ami-0123456789abcdef0.bin', 'ami-0123456789abcdef0'],
  [`${'a'.repeat(200)}.img`, 'a'.repeat(128)],
  ['', ''],
])('a file called %j gives the name %j', (file, name) => {
  expect(nameFromFile(file)).toBe(name);
});
