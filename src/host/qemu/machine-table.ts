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
}

const PC = 'q35,usb=off,vmport=off,smm=off,hpet=off';

/** QEMU system binaries and machine types by architecture (QEMU manual, "System Emulator Targets"). */
export const MACHINE_TABLE: Readonly<Record<Architecture, MachineTraits>> = {
  x86_64: { binary: 'qemu-system-x86_64', machine: PC, pc: true, uefiOnly: false, console: 'ttyS0' },
  i386: { binary: 'qemu-system-x86_64', machine: PC, pc: true, uefiOnly: false, console: 'ttyS0' },
  arm64: {
    binary: 'qemu-system-aarch64',
    machine: 'virt,gic-version=max',
    pc: false,
    uefiOnly: true,
    console: 'ttyAMA0',
  },
  armhf: {
    binary: 'qemu-system-arm',
    machine: 'virt,highmem=off',
    pc: false,
    uefiOnly: true,
    console: 'ttyAMA0',
  },
};
