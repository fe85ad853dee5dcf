/** EC2's `ArchitectureValues` that bonami can boot, and `armhf`, which EC2 does not have. */
export const ARCHITECTURES = ['i386', 'x86_64', 'arm64', 'armhf'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

/** EC2's `BootModeValues`. */
export const BOOT_MODES = ['legacy-bios', 'uefi', 'uefi-preferred'] as const;
export type BootMode = (typeof BOOT_MODES)[number];

/** Levels of x86-64 above the first (System V psABI) that a distribution may be compiled for. */
export const CPU_BASELINES = ['x86-64-v2', 'x86-64-v3'] as const;
export type CpuBaseline = (typeof CPU_BASELINES)[number];

/** The host's architecture in EC2's words, from Node's; undefined on a host that bonami does not know. */
export function hostArchitecture(nodeArch: string = process.arch): Architecture | undefined {
  const known: Readonly<Record<string, Architecture>> = {
    x64: 'x86_64',
    arm64: 'arm64',
    arm: 'armhf',
    ia32: 'i386',
  };
  return known[nodeArch];
}
