// First bytes of programs, kernels and loaders, as their formats' own documents describe them.

const ELF: Readonly<Record<string, { bits: 32 | 64; machine: number; flags?: number }>> = {
  i386: { bits: 32, machine: 3 },
  x86_64: { bits: 64, machine: 62 },
  arm64: { bits: 64, machine: 183 },
  armhf: { bits: 32, machine: 40, flags: 0x05000400 },
  armel: { bits: 32, machine: 40, flags: 0x05000200 },
  riscv64: { bits: 64, machine: 243 },
};

export function elfProgram(architecture: keyof typeof ELF): Buffer {
  const { bits, machine, flags = 0 } = ELF[architecture] ?? { bits: 64, machine: 0 };
  const head = Buffer.alloc(128);
  head.write('\x7fELF', 'latin1');
  head.writeUInt8(bits === 64 ? 2 : 1, 4);
  head.writeUInt8(1, 5);
  head.writeUInt8(1, 6);
  head.writeUInt16LE(3, 16);
  head.writeUInt16LE(machine, 18);
  if (bits === 32) head.writeUInt32LE(flags, 36);
  return head;
}

/** A kernel for x86 with a boot protocol of this version. */
export function bzImage(bits: 32 | 64, version = 0x20f): Buffer {
  const head = Buffer.alloc(2048);
  head.writeUInt16BE(0x55aa, 0x1fe);
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt16LE(version, 0x206);
  head.writeUInt16LE(bits === 64 ? 0x3f : 0x3e, 0x236);
  return head;
}

export function arm64Image(): Buffer {
  const head = Buffer.alloc(2048);
  head.write('MZ', 0, 'latin1');
  head.write('ARM\x64', 0x38, 'latin1');
  return head;
}

export function armZImage(): Buffer {
  const head = Buffer.alloc(2048);
  head.writeUInt32LE(0x016f2818, 0x24);
  return head;
}

export function efiProgram(machine = 0x8664): Buffer {
  const head = Buffer.alloc(1024);
  head.write('MZ', 0, 'latin1');
  head.writeUInt32LE(0x80, 0x3c);
  head.write('PE\0\0', 0x80, 'latin1');
  head.writeUInt16LE(machine, 0x84);
  return head;
}

/** GRUB's first 440 bytes, as far as anybody recognises them. */
export function grubCode(): Buffer {
  const code = Buffer.alloc(440);
  code.write('\xeb\x63\x90', 0, 'latin1');
  code.write('GRUB \0Geom\0Hard Disk\0Read\0 Error', 0x180, 'latin1');
  return code;
}
