import type { Architecture } from '../../../core/architecture.ts';
import type { FileSystem } from '../files/file-system.ts';
import { find, listFolder } from '../files/paths.ts';
import type { EfiLoader } from './efi.ts';
import { HEAD_BYTES, type MachineCode, machineCode } from './machine-code.ts';
import type { Notes } from './notes.ts';
import { type Root, nameOf } from './root.ts';
import type { Volume } from './volumes.ts';

export interface Evident<T> {
  readonly value: T;
  /** Where it was seen, as a sentence. */
  readonly evidence: string;
}

/** Programs that nearly every system has; the shell is a link to one of many. */
const PROGRAMS: readonly string[] = [
  'bin/sh',
  'bin/bash',
  'usr/bin/env',
  'sbin/init',
  'lib/systemd/systemd',
  'bin/busybox',
  'usr/bin/bash',
  'usr/lib/systemd/systemd',
  'init',
];
const KERNEL_FOLDERS: readonly string[] = ['boot', '/'];
const KERNEL_NAME = /^(?:vmlinu[xz]|bzImage|zImage|Image|kernel|linux)/;
const MAX_KERNELS = 8;

/** UAPI group: Discoverable Partitions Specification, partitions for a root or /usr of one architecture. */
const PARTITION_TYPES: Readonly<Record<string, Architecture>> = {
  '4f68bce3-e8cd-4db1-96e7-fbcaf984b709': 'x86_64',
  '8484680c-9521-48c6-9c11-b0720656f69e': 'x86_64',
  '44479540-f297-41b2-9af7-d131d5f0458a': 'i386',
  '75250d76-8cc6-458e-bd66-bd47cc81a812': 'i386',
  'b921b045-1df0-41c3-af44-4c6f280d3fae': 'arm64',
  'b0e01050-ee5f-4390-949a-9101b17104e9': 'arm64',
  '69dad710-2ce4-4e3c-b16c-21a1d49abed3': 'armhf',
  '7d0359a3-02b3-4f0a-865c-654403e70625': 'armhf',
};

export interface Clues {
  readonly volumes: readonly Volume[];
  readonly root: Root | undefined;
  readonly loader: EfiLoader | undefined;
  /** Types of all partitions, those without a file system too. */
  readonly partitionTypes: readonly string[];
}

/**
 * The processor that a disk's system is for. Programs are believed first: a 64-bit kernel also runs a 32-bit system,
 * and that system is what users install their packages for.
 */
export async function findArchitecture(
  { volumes, root, loader, partitionTypes }: Clues,
  notes: Notes,
): Promise<Evident<Architecture> | undefined> {
  const program = root && (await fromPrograms(root.files, notes));
  const found = program ?? (await fromKernels(volumes, notes));
  if (found) return found;
  if (loader?.architecture)
    return { value: loader.architecture, evidence: `${nameOf(loader.volume)} holds ${loader.path}` };
  for (const type of partitionTypes) {
    const value = PARTITION_TYPES[type];
    if (value) return { value, evidence: `a partition's type is that of a system for ${value}` };
  }
  return undefined;
}

async function fromPrograms(files: FileSystem, notes: Notes): Promise<Evident<Architecture> | undefined> {
  for (const path of PROGRAMS) {
    const found = await notes.attempt(`/${path}`, async () => codeAt(files, path));
    const evident = found && judged(found, notes);
    if (evident) return evident;
  }
  return undefined;
}

async function fromKernels(
  volumes: readonly Volume[],
  notes: Notes,
): Promise<Evident<Architecture> | undefined> {
  for (const volume of volumes)
    for (const folder of KERNEL_FOLDERS) {
      const names = await notes.attempt(nameOf(volume), async () => listFolder(volume.files, folder));
      const kernels = names?.filter((name) => KERNEL_NAME.test(name)).toSorted() ?? [];
      for (const name of kernels.slice(0, MAX_KERNELS)) {
        const found = await notes.attempt(nameOf(volume), async () =>
          codeAt(volume.files, `${folder}/${name}`),
        );
        const evident = found && judged(found, notes);
        if (evident) return evident;
      }
    }
  return undefined;
}

interface CodeAt extends MachineCode {
  readonly path: string;
}

async function codeAt(files: FileSystem, path: string): Promise<CodeAt | undefined> {
  const found = await find(files, path);
  if (found?.node.kind !== 'file') return undefined;
  const code = machineCode(await files.content(found.node, HEAD_BYTES));
  return code && { ...code, path: found.path };
}

function judged(
  { architecture, description, path }: CodeAt,
  notes: Notes,
): Evident<Architecture> | undefined {
  const evidence = `${path} is ${description}`;
  if (architecture) return { value: architecture, evidence };
  notes.add(evidence);
  return undefined;
}
