// The boot sector of FAT12, FAT16 and FAT32; numbers are little-endian. Microsoft: "FAT: General Overview of On-Disk
// Format", version 1.03.
import type { ByteSource } from '../../byte-source.ts';

export interface Volume {
  readonly source: ByteSource;
  readonly label: string;
  /** As `1234-abcd`; empty when there is none. */
  readonly serial: string;
  /** Bits of an entry in the file allocation table. */
  readonly bits: 12 | 16 | 32;
  /** Places and sizes in bytes. */
  readonly tableAt: number;
  readonly clusterBytes: number;
  readonly clustersAt: number;
  /** Clusters are numbered from 2 to one more than their count. */
  readonly clusterCount: number;
  /** FAT12 and FAT16: where the root folder is. */
  readonly rootAt: number;
  readonly rootBytes: number;
  /** FAT32: the root folder's first cluster. */
  readonly rootCluster: number | undefined;
}

const SECTOR = 512;
/** With more clusters than this, table entries have 16 bits. Kernel: include/uapi/linux/msdos_fs.h, MAX_FAT12. */
const MAX_FAT12 = 0xff4;
const EXTENDED_SIGNATURE = 0x29;

/** undefined unless every field makes sense: a boot sector has no mark of its own, and boot code can look like one. */
export async function readBootSector(source: ByteSource): Promise<Volume | undefined> {
  if (source.size < SECTOR) return undefined;
  const sector = await source.read(0, SECTOR);
  if (!looksLikeFat(sector)) return undefined;
  const bytesPerSector = sector.readUInt16LE(11);
  const clusterBytes = bytesPerSector * sector.readUInt8(13);
  const isFat32 = sector.readUInt16LE(22) === 0;
  const tableBytes = bytesPerSector * (sector.readUInt16LE(22) || sector.readUInt32LE(36));
  const tableAt = bytesPerSector * sector.readUInt16LE(14);
  const rootAt = tableAt + tableBytes * sector.readUInt8(16);
  const rootBytes = 32 * sector.readUInt16LE(17);
  const clustersAt = rootAt + Math.ceil(rootBytes / bytesPerSector) * bytesPerSector;
  const size = bytesPerSector * (sector.readUInt16LE(19) || sector.readUInt32LE(32));
  const clusters = Math.floor((size - clustersAt) / clusterBytes);
  const bits = isFat32 ? 32 : clusters > MAX_FAT12 ? 16 : 12;
  // A table that is too short for all clusters has no say about the others.
  const clusterCount = Math.min(clusters, Math.floor((tableBytes * 8) / bits) - 2);
  if (clusterCount < 1) return undefined;
  return {
    source,
    ...identity(sector, isFat32 ? 64 : 36),
    bits,
    tableAt,
    clusterBytes,
    clustersAt,
    clusterCount,
    rootAt,
    rootBytes,
    rootCluster: isFat32 ? sector.readUInt32LE(44) : undefined,
  };
}

/** What the kernel asks for, and the signature that every formatter writes: fs/fat/inode.c, fat_read_bpb. */
function looksLikeFat(sector: Buffer): boolean {
  const bytesPerSector = sector.readUInt16LE(11);
  const sectorsPerCluster = sector.readUInt8(13);
  const media = sector.readUInt8(21);
  return (
    sector.readUInt16BE(510) === 0x55aa &&
    [512, 1024, 2048, 4096].includes(bytesPerSector) &&
    [1, 2, 4, 8, 16, 32, 64, 128].includes(sectorsPerCluster) &&
    sector.readUInt16LE(14) !== 0 &&
    sector.readUInt8(16) !== 0 &&
    (media === 0xf0 || media >= 0xf8)
  );
}

function identity(sector: Buffer, offset: number): Pick<Volume, 'label' | 'serial'> {
  if (sector.readUInt8(offset + 2) !== EXTENDED_SIGNATURE) return { label: '', serial: '' };
  const serial = sector
    .readUInt32LE(offset + 3)
    .toString(16)
    .padStart(8, '0');
  const label = sector.toString('latin1', offset + 7, offset + 18).trimEnd();
  return { label: label === 'NO NAME' ? '' : label, serial: `${serial.slice(0, 4)}-${serial.slice(4)}` };
}
