// What programs and kernels say about the processor that they are for. All of it stands in their first bytes.
import type { Architecture } from '../../../core/architecture.ts';

/** Enough of a file for every header below. */
export const HEAD_BYTES = 4096;

export interface MachineCode {
  /** undefined for one that bonami does not boot. */
  readonly architecture: Architecture | undefined;
  /** As in "is ELF x86-64". */
  readonly description: string;
}

/** undefined for what is neither program nor kernel, a script say, or a compressed kernel. */
export function machineCode(head: Buffer): MachineCode | undefined {
  return elf(head) ?? bzImage(head) ?? arm64Image(head) ?? armZImage(head) ?? efiProgram(head);
}

const ELF_MACHINES: Readonly<
  Record<number, readonly [name: string, architecture: Architecture | undefined]>
> = {
  3: ['80386', 'i386'],
  62: ['x86-64', 'x86_64'],
  183: ['AArch64', 'arm64'],
  21: ['PowerPC64', undefined],
  22: ['S/390', undefined],
  243: ['RISC-V', undefined],
  258: ['LoongArch', undefined],
};
const ELF_ARM = 40;
/** EF_ARM_EABI_VER5 and EF_ARM_ABI_FLOAT_HARD of "ELF for the Arm Architecture": what Debian calls armhf. */
const ARM_EABI = 0xff000000;
const ARM_EABI5 = 0x05000000;
const ARM_HARD_FLOAT = 0x400;

/** The header of the System V ABI; numbers have the byte order that it names itself. */
function elf(head: Buffer): MachineCode | undefined {
  if (head.length < 52 || head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const isLittle = head.readUInt8(5) === 1;
  const machine = isLittle ? head.readUInt16LE(18) : head.readUInt16BE(18);
  if (machine === ELF_ARM && isLittle) return elfArm(head.readUInt32LE(36));
  const [name, architecture] = ELF_MACHINES[machine] ?? [`for machine ${machine}`, undefined];
  return { architecture: isLittle ? architecture : undefined, description: `ELF ${name}` };
}

function elfArm(flags: number): MachineCode {
  const isHard = (flags & ARM_EABI) === ARM_EABI5 && (flags & ARM_HARD_FLOAT) !== 0;
  return isHard
    ? { architecture: 'armhf', description: 'ELF ARM with hard floating point' }
    : { architecture: undefined, description: 'ELF ARM without hard floating point' };
}

/** From this version on, the boot protocol has `xloadflags`. */
const XLOADFLAGS_SINCE = 0x20c;
const KERNEL_64 = 1;

/** Kernel: Documentation/arch/x86/boot.rst. */
function bzImage(head: Buffer): MachineCode | undefined {
  if (head.length < 0x238 || head.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
  // Kernels before 3.8 do not say for how many bits they are.
  if (head.readUInt16LE(0x206) < XLOADFLAGS_SINCE)
    return { architecture: undefined, description: 'an old bzImage' };
  return head.readUInt16LE(0x236) & KERNEL_64
    ? { architecture: 'x86_64', description: 'a 64-bit bzImage' }
    : { architecture: 'i386', description: 'a 32-bit bzImage' };
}

/** Kernel: Documentation/arch/arm64/booting.rst. */
function arm64Image(head: Buffer): MachineCode | undefined {
  const isOne = head.toString('latin1', 0x38, 0x3c) === 'ARM\x64';
  return isOne ? { architecture: 'arm64', description: 'an ARM64 kernel' } : undefined;
}

/** Kernel: arch/arm/boot/compressed/head.S. */
function armZImage(head: Buffer): MachineCode | undefined {
  const isOne = head.length >= 0x28 && head.readUInt32LE(0x24) === 0x016f2818;
  return isOne ? { architecture: 'armhf', description: 'an ARM zImage' } : undefined;
}

const EFI_MACHINES: Readonly<Record<number, readonly [name: string, architecture: Architecture]>> = {
  0x014c: ['IA32', 'i386'],
  0x8664: ['x64', 'x86_64'],
  0xaa64: ['AArch64', 'arm64'],
  0x01c2: ['ARM', 'armhf'],
};

/** Microsoft's PE format; UEFI specification, 2.1.1, has the machines. Boot loaders, and kernels that EFI starts. */
function efiProgram(head: Buffer): MachineCode | undefined {
  if (head.length < 0x40 || head.toString('latin1', 0, 2) !== 'MZ') return undefined;
  const place = head.readUInt32LE(0x3c);
  if (place + 6 > head.length || head.toString('latin1', place, place + 4) !== 'PE\0\0') return undefined;
  const [name, architecture] = EFI_MACHINES[head.readUInt16LE(place + 4)] ?? [];
  return { architecture, description: `an EFI program for ${name ?? 'an unknown machine'}` };
}
