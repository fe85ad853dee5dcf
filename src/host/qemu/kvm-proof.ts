// Whether KVM really runs a guest kernel. A device that opens, a QEMU that stays alive and a firmware that prints
// are no proof: all were seen on hosts where no kernel ever started. So a boot sector of our own does what every
// kernel does first, leaves real mode for 64-bit mode with paging on, computes there, and ends QEMU with an agreed
// exit code by its debug-exit device.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../command.ts';
import type { Accelerator } from './machine-spec.ts';

/** The sector at 0x7c00, as bytes beside the instructions they are. */
const SECTOR: readonly (readonly [bytes: string, instruction: string])[] = [
  ['fa', 'cli'],
  ['31c0 8ed8 8ec0 8ed0', 'xor ax,ax; mov ds,ax; mov es,ax; mov ss,ax'],
  ['bc007c', 'mov sp,0x7c00'],
  ['bf0010 b90018 fc f3ab', 'mov di,0x1000; mov cx,0x1800; cld; rep stosw: clear three pages'],
  ['c706 0010 0320', 'mov word [0x1000],0x2003: page map, present and writable'],
  ['c706 0020 0330', 'mov word [0x2000],0x3003: directory pointers'],
  ['c706 0030 8300', 'mov word [0x3000],0x0083: directory, one 2 MiB page'],
  ['0f0116 907c', 'lgdt [0x7c90]'],
  ['0f20e0 0c20 0f22e0', 'mov eax,cr4; or al,0x20; mov cr4,eax: PAE'],
  ['66b800100000 0f22d8', 'mov eax,0x1000; mov cr3,eax'],
  ['66b9800000c0 0f32 0d0001 0f30', 'mov ecx,0xc0000080; rdmsr; or ax,0x100; wrmsr: EFER.LME'],
  ['0f20c0 660d01000080 0f22c0', 'mov eax,cr0; or eax,0x80000001; mov cr0,eax: paging and protection'],
  ['66ea5e7c00000800', 'jmp 0x08:0x7c5e: into 64-bit code'],
  ['48b80000006b6f4d564b', 'mov rax,0x4b564d6f6b000000'],
  ['48c1e818', 'shr rax,24'],
  ['48b9566f4d564b000000', 'mov rcx,0x4b564d6f56'],
  ['4829c8', 'sub rax,rcx: 0x15, if the registers are 64 bits wide'],
  ['e6f4', 'out 0xf4,al'],
  ['f4 ebfd', 'hlt; jmp to it'],
  ['6690', 'padding to 0x7c80'],
  ['0000000000000000', 'gdt: null'],
  ['00000000009a2000', 'gdt: 64-bit code'],
  ['0f00807c0000', 'gdtr at 0x7c90: limit 15, base 0x7c80'],
];

/** QEMU's isa-debug-exit ends with (value << 1) | 1. */
const EXPECTED = (0x15 << 1) | 1;
const TIMEOUT_MS = 5_000;
/** SeaBIOS does not boot from a disk of one sector. */
const DISK_BYTES = 2 ** 20;

export function proofSector(): Buffer {
  const code = Buffer.from(SECTOR.map(([bytes]) => bytes.replaceAll(' ', '')).join(''), 'hex');
  const sector = Buffer.alloc(512);
  code.copy(sector);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** Runs the proof with this QEMU and accelerator; undefined when it holds, otherwise why not. */
export async function proveAccelerator(
  binary: string,
  accelerator: Accelerator,
): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), 'bonami-proof-'));
  try {
    const disk = join(folder, 'sector.img');
    writeFileSync(disk, proofSector());
    truncateSync(disk, DISK_BYTES);
    const { exitCode, stderr } = await run(
      binary,
      [
        '-no-user-config',
        '-nodefaults',
        ...Object.entries({
          display: 'none',
          vga: 'none',
          machine: 'q35,smm=off',
          m: '64M',
          accel: accelerator,
          cpu: accelerator === 'kvm' ? 'host' : 'max',
          boot: 'strict=on',
        }).flatMap(([name, value]) => [`-${name}`, value]),
        '-device',
        JSON.stringify({ driver: 'isa-debug-exit', iobase: 0xf4, iosize: 1 }),
        '-blockdev',
        JSON.stringify({ driver: 'file', 'node-name': 'f0', filename: disk, 'read-only': true }),
        '-blockdev',
        JSON.stringify({ driver: 'raw', 'node-name': 'd0', file: 'f0', 'read-only': true }),
        '-device',
        JSON.stringify({ driver: 'virtio-blk-pci', drive: 'd0', bootindex: 1 }),
      ],
      { timeoutMs: TIMEOUT_MS, answers: Array.from({ length: 255 }, (_, code) => code + 1) },
    );
    if (exitCode === EXPECTED) return undefined;
    return stderr.trim().split('\n').at(-1) || `a test program ended with ${exitCode} instead of ${EXPECTED}`;
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^.*?: /, '') : String(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
