const SECTOR = 512;
const GRAIN_SECTORS = 128;
export const DIRECTORY_AT_END = 0xffff_ffff_ffff_ffffn;

export interface VmdkFields {
  readonly version?: number;
  readonly flags?: number;
  readonly capacity?: bigint;
  readonly grainSectors?: bigint;
  readonly descriptorSector?: bigint;
  readonly descriptorSectors?: bigint;
  readonly tableEntries?: number;
  readonly secondDirectory?: bigint;
  readonly directory?: bigint;
  readonly overhead?: bigint;
  readonly lineEnds?: string;
  readonly compression?: number;
  readonly descriptor?: string;
}

export interface VmdkDescriptorFields {
  readonly createType?: string;
  readonly parentCid?: string;
  readonly extents?: readonly string[];
  readonly more?: readonly string[];
}

/** The text of a disk of 1 MiB. */
export function vmdkDescriptor({
  createType = 'monolithicSparse',
  parentCid = 'ffffffff',
  extents = ['RW 2048 SPARSE "disk.vmdk"'],
  more = ['ddb.adapterType = "ide"', 'ddb.geometry.heads = "16"'],
}: VmdkDescriptorFields = {}): string {
  const head = ['# Disk DescriptorFile', 'version=1', 'CID=fffffffe', `parentCID=${parentCid}`];
  const lines = [...head, `createType="${createType}"`, '', '# Extent description', ...extents];
  return [...lines, '', '# The Disk Data Base', '#DDB', '', ...more, ''].join('\n');
}

/** A VMDK file of one sparse extent: header, descriptor, two grain directories with their tables; 1 MiB of nothing. */
export function vmdkFile(fields: VmdkFields = {}): Buffer {
  const file = Buffer.alloc(GRAIN_SECTORS * SECTOR);
  header(fields).copy(file);
  file.write(fields.descriptor ?? vmdkDescriptor(), SECTOR, 'utf8');
  file.writeUInt32LE(22, 21 * SECTOR);
  file.writeUInt32LE(27, 26 * SECTOR);
  return file;
}

/** A stream-optimized one, as VMware and VirtualBox export it: the directory's place is in the footer only. */
export function vmdkStream(fields: VmdkFields = {}, footer: VmdkFields = {}): Buffer {
  const stream = {
    version: 3,
    flags: 0x30001,
    compression: 1,
    secondDirectory: 0n,
    descriptor: vmdkDescriptor({
      createType: 'streamOptimized',
      extents: ['RDONLY 2048 SPARSE "a name of theirs.vmdk"'],
    }),
    ...fields,
  };
  const file = Buffer.alloc((GRAIN_SECTORS + 5) * SECTOR);
  header({ directory: DIRECTORY_AT_END, ...stream }).copy(file);
  file.write(stream.descriptor, SECTOR, 'utf8');
  marker(file, GRAIN_SECTORS, 2);
  marker(file, GRAIN_SECTORS + 2, 3);
  const place = BigInt(GRAIN_SECTORS + 1);
  header({ ...stream, directory: place, ...footer }).copy(file, (GRAIN_SECTORS + 3) * SECTOR);
  return file;
}

function marker(file: Buffer, sector: number, type: number): void {
  file.writeBigUInt64LE(1n, sector * SECTOR);
  file.writeUInt32LE(type, sector * SECTOR + 12);
}

function header({
  version = 1,
  flags = 3,
  capacity = 2048n,
  grainSectors = BigInt(GRAIN_SECTORS),
  descriptorSector = 1n,
  descriptorSectors = 20n,
  tableEntries = 512,
  secondDirectory = 21n,
  directory = 26n,
  overhead = BigInt(GRAIN_SECTORS),
  lineEnds = '\n \r\n',
  compression = 0,
}: VmdkFields): Buffer {
  const bytes = Buffer.alloc(SECTOR);
  bytes.write('KDMV', 0, 'latin1');
  bytes.writeUInt32LE(version, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeBigUInt64LE(capacity, 12);
  bytes.writeBigUInt64LE(grainSectors, 20);
  bytes.writeBigUInt64LE(descriptorSector, 28);
  bytes.writeBigUInt64LE(descriptorSectors, 36);
  bytes.writeUInt32LE(tableEntries, 44);
  bytes.writeBigUInt64LE(secondDirectory, 48);
  bytes.writeBigUInt64LE(directory, 56);
  bytes.writeBigUInt64LE(overhead, 64);
  bytes.write(lineEnds, 73, 'latin1');
  bytes.writeUInt16LE(compression, 77);
  return bytes;
}
