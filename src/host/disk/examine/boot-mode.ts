import type { Architecture, BootMode } from '../../../core/architecture.ts';
import type { ByteSource } from '../byte-source.ts';
import type { PartitionTable } from '../files/partition-table.ts';
import type { Evident } from './architecture.ts';
import type { EfiLoader } from './efi.ts';
import { nameOf } from './root.ts';
import type { Volume } from './volumes.ts';

/** Code ends where the disk's signature and the partition table begin. */
const CODE_BYTES = 440;
/** First bytes of boot code: jumps, and what loaders without a parameter block begin with (cli, cld, xor). */
const FIRST_INSTRUCTIONS: readonly number[] = [0xeb, 0xe9, 0xea, 0xfa, 0xfc, 0x31, 0x33];
const BIOS_BOOT: readonly string[] = [
  '21686148-6449-6e6f-744e-656564454649',
  // FreeBSD's.
  '83bd6b9d-7f41-11dc-be0b-001560b84f0f',
];

export interface BootClues {
  readonly table: PartitionTable;
  readonly volumes: readonly Volume[];
  readonly loader: EfiLoader | undefined;
  readonly architecture: Architecture | undefined;
}

/** How a disk starts, by what a BIOS and what UEFI would find on it; undefined when neither finds anything. */
export async function findBootMode(
  disk: ByteSource,
  { table, volumes, loader, architecture }: BootClues,
): Promise<Evident<BootMode> | undefined> {
  // Other firmware exists for arm; bonami's machines have UEFI.
  if (architecture === 'arm64' || architecture === 'armhf')
    return { value: 'uefi', evidence: `${architecture} always boots by UEFI` };
  const isBios = await bootsByBios(disk, table, volumes);
  const efi = loader && `${nameOf(loader.volume)} holds ${loader.path}`;
  if (isBios && efi)
    return { value: 'uefi-preferred', evidence: `the first sector holds boot code, and ${efi}` };
  if (efi) return { value: 'uefi', evidence: efi };
  return isBios ? { value: 'legacy-bios', evidence: 'the first sector holds boot code' } : undefined;
}

async function bootsByBios(
  disk: ByteSource,
  { scheme, partitions }: PartitionTable,
  volumes: readonly Volume[],
): Promise<boolean> {
  if (disk.size < 512) return false;
  const sector = await disk.read(0, 512);
  const isCode = FIRST_INSTRUCTIONS.includes(sector.readUInt8(0)) && sector.readUInt16BE(510) === 0x55aa;
  if (!isCode) return false;
  // GRUB knows where its second stage is. Every FAT begins with a jump, to a message that it does not boot.
  const code = sector.toString('latin1', 0, CODE_BYTES);
  if (/GRUB|SYSLINUX|EXTLINUX/.test(code)) return true;
  if (scheme === 'none') return volumes.some(({ files }) => files.type !== 'vfat');
  return partitions.some(({ type, isBootable }) => isBootable || BIOS_BOOT.includes(type));
}
