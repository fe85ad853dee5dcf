import type { FileSystem } from '../files/file-system.ts';
import { existsOne } from '../files/paths.ts';
import type { Notes } from './notes.ts';
import { mountedAtUsr, ostreeDeployment } from './views.ts';
import type { Volume } from './volumes.ts';

export interface Root {
  /** What a kernel mounts as root; undefined when only the system's programs were found, in a partition for /usr. */
  readonly volume: Volume | undefined;
  /** The system's files, at the paths that they have in the guest. */
  readonly files: FileSystem;
}

/** What only a root folder has, the surest sign first. */
const SIGNS: readonly (readonly string[])[] = [
  ['etc/os-release', 'usr/lib/os-release'],
  ['sbin/init'],
  ['bin/sh'],
  ['init'],
];
/** Flatcar's root, empty before its first boot. flatcar/scripts: build_library/disk_layout.json. */
const COREOS_ROOT = '3884dd41-8582-4404-b9a8-e9b84f2df50e';

/** The file system that holds the operating system; undefined when none does, as with a system inside an initramfs. */
export async function findRoot(volumes: readonly Volume[], notes: Notes): Promise<Root | undefined> {
  for (const sign of SIGNS)
    for (const volume of volumes)
      if (await hasOne(volume, sign, notes)) return { volume, files: volume.files };
  for (const volume of volumes) {
    const files = await notes.attempt(nameOf(volume), async () => ostreeDeployment(volume.files));
    if (files) return { volume, files };
  }
  const usr = await firstWith(volumes, ['lib/os-release'], notes);
  if (usr === undefined) return undefined;
  const volume = volumes.find(({ partition }) => partition?.type === COREOS_ROOT);
  return { volume, files: mountedAtUsr(usr.files) };
}

export function nameOf({ number }: Pick<Volume, 'number'>): string {
  return number === 0 ? 'the disk' : `partition ${number}`;
}

async function firstWith(
  volumes: readonly Volume[],
  paths: readonly string[],
  notes: Notes,
): Promise<Volume | undefined> {
  for (const volume of volumes) if (await hasOne(volume, paths, notes)) return volume;
  return undefined;
}

async function hasOne(
  { files, ...volume }: Volume,
  paths: readonly string[],
  notes: Notes,
): Promise<boolean> {
  return (await notes.attempt(nameOf(volume), async () => existsOne(files, paths))) === true;
}
