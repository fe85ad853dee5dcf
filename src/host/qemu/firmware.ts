import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Architecture } from '../../core/architecture.ts';
import { HostError } from '../../core/errors.ts';

/** A UEFI firmware as a pflash pair: `variables` is the template of each machine's own copy. */
export interface FirmwarePair {
  readonly code: string;
  readonly variables: string;
}

/** What is not written: as much as a pflash's sector. */
const BLOCK = Buffer.alloc(2 ** 18);

const DESCRIPTORS = '/usr/share/qemu/firmware';

/** Where distributions put them when there is no descriptor: Debian and Ubuntu, Fedora, Arch, openSUSE. */
const KNOWN: Readonly<Record<Architecture, readonly (readonly [code: string, variables: string])[]>> = {
  x86_64: [
    ['/usr/share/OVMF/OVMF_CODE_4M.fd', '/usr/share/OVMF/OVMF_VARS_4M.fd'],
    ['/usr/share/OVMF/OVMF_CODE.fd', '/usr/share/OVMF/OVMF_VARS.fd'],
    ['/usr/share/edk2/ovmf/OVMF_CODE.fd', '/usr/share/edk2/ovmf/OVMF_VARS.fd'],
    ['/usr/share/edk2/x64/OVMF_CODE.4m.fd', '/usr/share/edk2/x64/OVMF_VARS.4m.fd'],
  ],
  // Debian and Ubuntu have only one with Secure Boot.
  i386: [
    ['/usr/share/edk2/ovmf-ia32/OVMF_CODE.fd', '/usr/share/edk2/ovmf-ia32/OVMF_VARS.fd'],
    ['/usr/share/edk2/ia32/OVMF_CODE.4m.fd', '/usr/share/edk2/ia32/OVMF_VARS.4m.fd'],
  ],
  arm64: [
    ['/usr/share/AAVMF/AAVMF_CODE.fd', '/usr/share/AAVMF/AAVMF_VARS.fd'],
    ['/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw', '/usr/share/edk2/aarch64/vars-template-pflash.raw'],
  ],
  armhf: [['/usr/share/AAVMF/AAVMF32_CODE.fd', '/usr/share/AAVMF/AAVMF32_VARS.fd']],
};

const REMEDIES: Readonly<Record<Architecture, string>> = {
  x86_64: 'sudo apt-get install ovmf',
  i386: 'import the image with --boot-mode legacy-bios, if it can boot so',
  arm64: 'sudo apt-get install qemu-efi-aarch64',
  armhf: 'sudo apt-get install qemu-efi-arm',
};

/** QEMU's firmware descriptor (docs/interop/firmware.json), as much of it as matters. */
interface Descriptor {
  readonly 'interface-types'?: readonly string[];
  readonly mapping?: {
    readonly device?: string;
    readonly executable?: { readonly filename?: string; readonly format?: string };
    readonly 'nvram-template'?: { readonly filename?: string; readonly format?: string };
  };
  readonly targets?: readonly { readonly architecture?: string }[];
  readonly features?: readonly string[];
}

/** The UEFI firmware for an architecture: plain, without Secure Boot's demands. Throws `FirmwareMissing` with its remedy. */
export function findFirmware(architecture: Architecture): FirmwarePair {
  const pair = described(architecture) ?? known(architecture);
  if (pair === undefined)
    throw new HostError('FirmwareMissing', `there is no UEFI firmware for ${architecture} on this host`, {
      hint: REMEDIES[architecture],
    });
  return pair;
}

/**
 * A machine's own copy of the template of variables, there whole or not at all. ARM's are 64 MiB of zeros, which take
 * no space in the copy.
 */
export function copyVariables(template: string, path: string): void {
  const content = readFileSync(template);
  const file = openSync(`${path}.new`, 'w', 0o600);
  try {
    for (let at = 0; at < content.length; at += BLOCK.length) {
      const block = content.subarray(at, at + BLOCK.length);
      if (!block.equals(BLOCK.subarray(0, block.length))) writeSync(file, block, 0, block.length, at);
    }
    ftruncateSync(file, content.length);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.new`, path);
}

function known(architecture: Architecture): FirmwarePair | undefined {
  const found = KNOWN[architecture].find(([code, variables]) => existsSync(code) && existsSync(variables));
  return found && { code: found[0], variables: found[1] };
}

/** Descriptors are tried in the order of their names, as QEMU's documentation asks. */
function described(architecture: Architecture): FirmwarePair | undefined {
  if (!existsSync(DESCRIPTORS)) return undefined;
  const target = { x86_64: 'x86_64', i386: 'i386', arm64: 'aarch64', armhf: 'arm' }[architecture];
  for (const name of readdirSync(DESCRIPTORS)
    .filter((each) => each.endsWith('.json'))
    .sort()) {
    const pair = suitable(readDescriptor(join(DESCRIPTORS, name)), target);
    if (pair) return pair;
  }
  return undefined;
}

function readDescriptor(path: string): Descriptor {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Descriptor;
  } catch {
    return {};
  }
}

function suitable(
  { 'interface-types': types = [], mapping, targets = [], features = [] }: Descriptor,
  target: string,
): FirmwarePair | undefined {
  const code = mapping?.executable;
  const variables = mapping?.['nvram-template'];
  if (
    !types.includes('uefi') ||
    mapping?.device !== 'flash' ||
    !targets.some((each) => each.architecture === target)
  )
    return undefined;
  // System Management Mode is off in our machines, so a firmware that insists on it does not start.
  if (features.includes('requires-smm') || features.includes('secure-boot')) return undefined;
  if (
    code?.filename === undefined ||
    variables?.filename === undefined ||
    code.format !== 'raw' ||
    variables.format !== 'raw'
  )
    return undefined;
  return existsSync(code.filename) && existsSync(variables.filename)
    ? { code: code.filename, variables: variables.filename }
    : undefined;
}
