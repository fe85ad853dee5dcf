const HEADER_BYTES = 512;
const MIB = 2 ** 20;

export interface VdiFields {
  readonly version?: number;
  readonly type?: number;
  readonly mapOffset?: number;
  readonly dataOffset?: number;
  readonly sectorBytes?: number;
  readonly size?: bigint;
  readonly blockBytes?: number;
  readonly blockExtra?: number;
  readonly blocks?: number;
  readonly allocated?: number;
  readonly linkId?: string;
  readonly parentId?: string;
  readonly description?: string;
}

/** A VDI file of 4 MiB, of which the first block is there: header, map, block. */
export function vdiFile({
  version = 0x10001,
  type = 1,
  mapOffset = HEADER_BYTES,
  dataOffset = 2 * HEADER_BYTES,
  sectorBytes = 512,
  size = BigInt(4 * MIB),
  blockBytes = MIB,
  blockExtra = 0,
  blocks = 4,
  allocated = 1,
  linkId = '',
  parentId = '',
  description = '',
}: VdiFields = {}): Buffer {
  const file = Buffer.alloc(2 * HEADER_BYTES + MIB);
  file.write('<<< a VDI >>>\n', 0, 'latin1');
  file.write('\x7f\x10\xda\xbe', 0x40, 'latin1');
  file.writeUInt32LE(version, 0x44);
  file.writeUInt32LE(0x180, 0x48);
  file.writeUInt32LE(type, 0x4c);
  file.write(description, 0x54, 'latin1');
  file.writeUInt32LE(mapOffset, 0x154);
  file.writeUInt32LE(dataOffset, 0x158);
  file.writeUInt32LE(sectorBytes, 0x168);
  file.writeBigUInt64LE(size, 0x170);
  file.writeUInt32LE(blockBytes, 0x178);
  file.writeUInt32LE(blockExtra, 0x17c);
  file.writeUInt32LE(blocks, 0x180);
  file.writeUInt32LE(allocated, 0x184);
  file.write('an id, not zero!', 0x188, 'latin1');
  file.write('another, changes', 0x198, 'latin1');
  file.write(linkId, 0x1a8, 'latin1');
  file.write(parentId, 0x1b8, 'latin1');
  file.fill(0xff, HEADER_BYTES, 2 * HEADER_BYTES);
  file.writeUInt32LE(0, HEADER_BYTES);
  return file;
}
