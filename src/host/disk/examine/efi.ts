import type { Architecture } from '../../../core/architecture.ts';
import { listFolder, readBytes } from '../files/paths.ts';
import { HEAD_BYTES, machineCode } from './machine-code.ts';
import type { Notes } from './notes.ts';
import { nameOf } from './root.ts';
import type { Volume } from './volumes.ts';

/** What UEFI would start. */
export interface EfiLoader {
  readonly path: string;
  readonly volume: Volume;
  readonly architecture: Architecture | undefined;
}

/** UEFI specification, 3.5.1.1; 64-bit firmware first: 32-bit loaders lie beside them for odd machines. */
const BY_NAME: readonly (readonly [suffix: string, architecture: Architecture])[] = [
  ['x64.efi', 'x86_64'],
  ['aa64.efi', 'arm64'],
  ['arm.efi', 'armhf'],
  ['ia32.efi', 'i386'],
];
const MAX_FOLDERS = 16;
const MAX_LOADERS = 64;

/**
 * The loader in an EFI system partition: `\EFI\BOOT\BOOT*.EFI`, or any other below `\EFI`. Firmware reads FAT, and
 * takes every FAT partition for such a one, whatever its type.
 */
export async function findEfiLoader(
  volumes: readonly Volume[],
  notes: Notes,
): Promise<EfiLoader | undefined> {
  const found: EfiLoader[] = [];
  for (const volume of volumes)
    if (volume.files.type === 'vfat')
      await notes.attempt(nameOf(volume), async () => found.push(...(await loadersIn(volume))));
  return best(found, /^\/EFI\/BOOT\/BOOT/i) ?? best(found, /^/);
}

async function loadersIn(volume: Volume): Promise<readonly EfiLoader[]> {
  const paths: string[] = [];
  for (const folder of (await listFolder(volume.files, 'EFI'))?.slice(0, MAX_FOLDERS) ?? []) {
    const names = (await listFolder(volume.files, `EFI/${folder}`)) ?? [];
    paths.push(...names.filter((name) => /\.efi$/i.test(name)).map((name) => `/EFI/${folder}/${name}`));
  }
  const loaders: EfiLoader[] = [];
  for (const path of paths.slice(0, MAX_LOADERS))
    loaders.push({ path, volume, architecture: await architectureOf(volume, path) });
  return loaders;
}

async function architectureOf({ files }: Volume, path: string): Promise<Architecture | undefined> {
  const named = BY_NAME.find(([suffix]) => path.toLowerCase().endsWith(suffix));
  if (named) return named[1];
  const head = await readBytes(files, path, HEAD_BYTES);
  return head && machineCode(head)?.architecture;
}

function best(loaders: readonly EfiLoader[], pattern: RegExp): EfiLoader | undefined {
  const fitting = loaders.filter(({ path }) => pattern.test(path));
  for (const [, wanted] of BY_NAME) {
    const found = fitting.find(({ architecture }) => architecture === wanted);
    if (found) return found;
  }
  return fitting[0];
}
