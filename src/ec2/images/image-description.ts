import { basename } from 'node:path';
import { type Architecture, type BootMode, hostArchitecture } from '../../core/architecture.ts';
import { Ec2Error } from '../../core/errors.ts';
import { isIdPrefix } from '../../core/ids.ts';
import type { Image } from '../../store/images.ts';
import type { CatalogEntry } from './catalog.ts';

/** What is said about an image before its disk is there. */
export type ImageDescription = Pick<
  Image,
  'name' | 'description' | 'architecture' | 'bootMode' | 'rootDeviceName' | 'defaultUser' | 'firstBoot'
> & {
  /** GiB; the root volume is not made smaller. */
  readonly minimumDiskGiB?: number;
  readonly cpuBaseline?: Image['cpuBaseline'];
};

/** An import's own words; whatever is missing gets a default. */
export type DescriptionOptions = {
  readonly [K in keyof Omit<ImageDescription, 'minimumDiskGiB' | 'cpuBaseline'>]?:
    | ImageDescription[K]
    | undefined;
};

/**
 * Describes the image in a disk file. Without a word from the user its name is the file's, its architecture the
 * host's, and its first boot is cloud-init's. Throws `InvalidAMIName.Malformed`.
 */
export function describeDiskFile(path: string, options: DescriptionOptions): ImageDescription {
  const name = options.name ?? nameFromFile(path);
  checkName(name);
  checkUser(options.defaultUser);
  const architecture = options.architecture ?? hostArchitecture() ?? 'x86_64';
  return {
    name,
    description: options.description ?? '',
    architecture,
    bootMode: options.bootMode ?? defaultBootMode(architecture),
    rootDeviceName: options.rootDeviceName ?? '/dev/xvda',
    defaultUser: options.defaultUser ?? defaultUserFor(name),
    firstBoot: options.firstBoot ?? 'cloud-init',
  };
}

/** What the catalog says of an image, without what is only about getting it. */
export function describeEntry(entry: CatalogEntry): ImageDescription {
  const { name, description, architecture, bootMode, rootDeviceName, defaultUser, firstBoot } = entry;
  const { minimumDiskGiB, cpuBaseline = null } = entry;
  const about = { name, description, architecture, minimumDiskGiB, cpuBaseline };
  return { ...about, bootMode, rootDeviceName, defaultUser, firstBoot };
}

/** EC2: 3 to 128 letters, digits, and ()[] ./-'@_. Ours besides: not to be taken for an id. */
function checkName(name: string): void {
  if (/^[\w()[\] ./\-'@]{3,128}$/.test(name) && !isIdPrefix('image', name)) return;
  throw new Ec2Error(
    'InvalidAMIName.Malformed',
    `The image name '${name}' is not 3 to 128 letters, digits and ( ) [ ] . / - ' @ _`,
    { hint: 'choose another name with --name' },
  );
}

/** It becomes an argument of ssh (useradd(8): what Debian allows). */
function checkUser(user: string | undefined): void {
  if (user === undefined || /^[A-Za-z_][\w.-]{0,31}$/.test(user)) return;
  throw new Ec2Error('InvalidParameterValue', `${JSON.stringify(user)} is not a user name`, {
    hint: '--user debian',
  });
}

function nameFromFile(path: string): string {
  return basename(path)
    .replace(/(?:\.(?:qcow2|img|raw|disk))+$/i, '')
    .replaceAll(/[^\w()[\] ./\-'@]+/g, '-')
    .slice(0, 128);
}

/** ARM boots by UEFI only; nearly every x86 cloud image boots by BIOS, which is there sooner. */
function defaultBootMode(architecture: Architecture): BootMode {
  return architecture === 'arm64' || architecture === 'armhf' ? 'uefi' : 'legacy-bios';
}

/** Logins of the distributions' generic cloud images, by what their files are called. */
const DEFAULT_USERS: readonly (readonly [RegExp, string])[] = [
  [/debian/i, 'debian'],
  [/ubuntu|(?:bionic|focal|jammy|noble|resolute)-server/i, 'ubuntu'],
  [/fedora/i, 'fedora'],
  [/rocky/i, 'rocky'],
  [/alma/i, 'almalinux'],
  [/centos/i, 'cloud-user'],
  [/opensuse/i, 'opensuse'],
  [/alpine/i, 'alpine'],
  [/^arch\b/i, 'arch'],
  [/freebsd/i, 'freebsd'],
  [/cirros/i, 'cirros'],
];

function defaultUserFor(name: string): string {
  return DEFAULT_USERS.find(([pattern]) => pattern.test(name))?.[1] ?? 'ec2-user';
}
