import type { Architecture, BootMode } from '../../core/architecture.ts';
import { Ec2Error, HostError } from '../../core/errors.ts';
import { isIdPrefix } from '../../core/ids.ts';
import type { DiskFindings } from '../../host/disk/examine.ts';
import type { Image } from '../../store/images.ts';
import type { CatalogEntry } from './catalog.ts';

/** What an image is, apart from its disks. */
export type ImageDescription = Pick<
  Image,
  | 'name'
  | 'description'
  | 'architecture'
  | 'bootMode'
  | 'rootDeviceName'
  | 'defaultUser'
  | 'firstBoot'
  | 'cpuBaseline'
>;

/** What somebody says of an image: its catalog entry, its bundle's manifest, or the user; whatever is missing is found out. */
export type Said = { readonly [K in keyof ImageDescription]?: ImageDescription[K] | undefined };

export interface Opinions {
  readonly name: string;
  /** The user's words. */
  readonly user: Said;
  /** What came with the disk. */
  readonly origin: Said;
  readonly found: DiskFindings;
  /** Take the user's word even where the disk says otherwise. */
  readonly override: boolean;
}

export interface Settled {
  readonly description: ImageDescription;
  /** Where the disk and what came with it differ; the disk was believed. */
  readonly doubts: readonly string[];
}

/**
 * What an image is: the user's word, then what the disk itself says, then what came with it, then what is usual.
 * Throws `ImageDisagrees`, showing both, when the user says other than the disk, and `ArchitectureUnknown` when
 * nobody says what processor it is for.
 */
export function settleDescription({ name, user, origin, found, override }: Opinions): Settled {
  const facts = factsOf(found);
  if (!override) refuseDisagreement(user, facts, found);
  const architecture = user.architecture ?? facts.architecture ?? origin.architecture;
  if (architecture === undefined)
    throw new HostError(
      'ArchitectureUnknown',
      `nothing on the disk of '${name}' says what processor it is for`,
      {
        details: found.notes,
        hint: '--architecture x86_64, or whichever it is',
      },
    );
  const bootMode = user.bootMode ?? facts.bootMode ?? origin.bootMode ?? defaultBootMode(architecture);
  return {
    description: {
      name,
      description: user.description ?? origin.description ?? found.distribution?.name ?? '',
      architecture,
      bootMode,
      rootDeviceName: user.rootDeviceName ?? origin.rootDeviceName ?? '/dev/xvda',
      defaultUser:
        user.defaultUser ??
        facts.defaultUser ??
        origin.defaultUser ??
        defaultUserFor(found.distribution?.id, name),
      firstBoot: user.firstBoot ?? facts.firstBoot ?? origin.firstBoot ?? 'cloud-init',
      cpuBaseline: user.cpuBaseline ?? origin.cpuBaseline ?? null,
    },
    doubts: (['architecture', 'bootMode', 'firstBoot', 'defaultUser'] as const)
      .filter((key) => user[key] === undefined && contradicts(facts, key, origin[key]))
      .map(
        (key) => `${WORDS[key]} ${String(origin[key])} was expected, but the disk says ${String(facts[key])}`,
      ),
  };
}

type Facts = Pick<Said, 'architecture' | 'bootMode' | 'firstBoot' | 'defaultUser'>;

/** The findings that stand for something the user can say too. */
function factsOf({ architecture, bootMode, firstBoot, cloudInit }: DiskFindings): Facts {
  return {
    architecture,
    bootMode,
    firstBoot,
    defaultUser: isUserName(cloudInit?.defaultUser) ? cloudInit?.defaultUser : undefined,
  };
}

const WORDS = {
  architecture: 'the architecture',
  bootMode: 'the boot mode',
  firstBoot: 'the first boot by',
  defaultUser: 'the default user',
} as const;

/** Only what makes an image unusable when it is wrong: another default user may well have been made by hand. */
function refuseDisagreement(user: Said, facts: Facts, { evidence }: DiskFindings): void {
  for (const key of ['architecture', 'bootMode', 'firstBoot'] as const) {
    if (!contradicts(facts, key, user[key])) continue;
    throw new HostError(
      'ImageDisagrees',
      `you say ${WORDS[key]} is ${user[key]}, but the disk says ${facts[key]}`,
      { details: evidence, hint: `leave your word away, or insist on it with --override` },
    );
  }
}

function contradicts(facts: Facts, key: keyof Facts, said: string | undefined): boolean {
  const found = facts[key];
  if (said === undefined || found === undefined || said === found) return false;
  // Such a disk boots in either way.
  return found !== 'uefi-preferred';
}

/** What the catalog says of an image, without what is only about getting it. */
export function saidByEntry(entry: CatalogEntry): Said {
  const { name, description, architecture, bootMode, rootDeviceName, defaultUser, firstBoot, cpuBaseline } =
    entry;
  return {
    name,
    description,
    architecture,
    bootMode,
    rootDeviceName,
    defaultUser,
    firstBoot,
    cpuBaseline: cpuBaseline ?? null,
  };
}

/** What an image is, for another one like it. */
export function descriptionOf(image: Image): ImageDescription {
  const { name, description, architecture, bootMode, rootDeviceName, defaultUser, firstBoot, cpuBaseline } =
    image;
  return { name, description, architecture, bootMode, rootDeviceName, defaultUser, firstBoot, cpuBaseline };
}

/** EC2: 3 to 128 letters, digits, and ()[] ./-'@_. Ours besides: not to be taken for an id. */
export function checkName(name: string): void {
  if (isName(name)) return;
  throw new Ec2Error(
    'InvalidAMIName.Malformed',
    `The image name '${name}' is not 3 to 128 letters, digits and ( ) [ ] . / - ' @ _`,
    { hint: 'choose another name with --name' },
  );
}

export function isName(name: string): boolean {
  return /^[\w()[\] ./\-'@]{3,128}$/.test(name) && !isIdPrefix('image', name);
}

/** Throws EC2's error for a word that no image can have. */
export function checkSaid({ name, defaultUser, rootDeviceName }: Said): void {
  if (name !== undefined) checkName(name);
  if (defaultUser !== undefined && !isUserName(defaultUser))
    throw new Ec2Error('InvalidParameterValue', `${JSON.stringify(defaultUser)} is not a user name`, {
      hint: '--user debian',
    });
  if (
    rootDeviceName !== undefined &&
    !/^\/dev\/(?:sd[a-z]\d{0,2}|xvd[a-z]{1,2}\d{0,2})$/.test(rootDeviceName)
  )
    throw new Ec2Error('InvalidParameterValue', `'${rootDeviceName}' is not a root device name`, {
      hint: '--root-device /dev/xvda',
    });
}

/** It becomes an argument of ssh (useradd(8): what Debian allows). */
function isUserName(user: string | undefined): boolean {
  return user !== undefined && /^[A-Za-z_][\w.-]{0,31}$/.test(user);
}

/** A name for the image in a file of this name. */
export function nameFromFile(file: string): string {
  return file
    .replace(/(?:\.(?:qcow2|img|raw|disk|vmdk|vhdx?|vdi|ova|tar|gz|tgz|xz|zst|bz2|bin))+$/i, '')
    .replaceAll(/[^\w()[\] ./\-'@]+/g, '-')
    .slice(0, 128);
}

/** ARM boots by UEFI only; nearly every x86 cloud image boots by BIOS, which is there sooner. */
function defaultBootMode(architecture: Architecture): BootMode {
  return architecture === 'arm64' || architecture === 'armhf' ? 'uefi' : 'legacy-bios';
}

/** Logins of the distributions' generic cloud images, by os-release's ID or by what their files are called. */
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
  [/flatcar/i, 'core'],
  [/freebsd/i, 'freebsd'],
  [/cirros/i, 'cirros'],
];

function defaultUserFor(distribution: string | undefined, name: string): string {
  const matching = (text: string): string | undefined =>
    DEFAULT_USERS.find(([pattern]) => pattern.test(text))?.[1];
  return (distribution === undefined ? undefined : matching(distribution)) ?? matching(name) ?? 'ec2-user';
}
