import type { Architecture } from '../../core/architecture.ts';

/** What differs from one guest architecture to the next, on one page. */
export interface MachineTraits {
  readonly binary: string;
  /** QEMU's machine type with the properties that never change. */
  readonly machine: string;
  /** SMBIOS, S3 and timer options that only PCs have. */
  readonly pc: boolean;
  /** Boots by UEFI only. */
  readonly uefiOnly: boolean;
  readonly console: string;
  /** The processor when it is emulated. */
  readonly emulatedCpu: string;
  /** What the machine type can address. */
  readonly maximumMemoryMiB: number;
}

// `max`, because qemu64 lacks what distributions since 2022 need (x86-64-v2). The memory limit is no machine's: QEMU's
// q35 and virt go further than any host.
const ANY = { emulatedCpu: 'max', maximumMemoryMiB: Number.POSITIVE_INFINITY };
const PC = 'q35,usb=off,vmport=off,smm=off,hpet=off';

/** QEMU system binaries and machine types by architecture (QEMU manual, "System Emulator Targets"). */
export const MACHINE_TABLE: Readonly<Record<Architecture, MachineTraits>> = {
  x86_64: { ...ANY, binary: 'qemu-system-x86_64', machine: PC, pc: true, uefiOnly: false, console: 'ttyS0' },
  i386: { ...ANY, binary: 'qemu-system-x86_64', machine: PC, pc: true, uefiOnly: false, console: 'ttyS0' },
  arm64: {
    ...ANY,
    binary: 'qemu-system-aarch64',
    machine: 'virt,gic-version=max',
    pc: false,
    uefiOnly: true,
    console: 'ttyAMA0',
    // Pointer authentication by a cheap hash: emulating the architecture's own cipher takes more than half of the
    // time of a boot (QEMU manual, "Arm CPU Features").
    emulatedCpu: 'max,pauth-impdef=on',
  },
  armhf: {
    ...ANY,
    binary: 'qemu-system-arm',
    // All devices below 4 GiB, for firmware and kernels without LPAE. Memory begins at 1 GiB, and the firmware does not
    // start when it reaches 4 GiB.
    machine: 'virt,highmem=off',
    pc: false,
    uefiOnly: true,
    console: 'ttyAMA0',
    maximumMemoryMiB: 3071,
  },
};
