import { mbrDisk } from './raw.ts';

const FOOTER_BYTES = 512;

export interface VhdFooterFields {
  readonly version?: number;
  readonly headerOffset?: bigint;
  readonly creator?: string;
  readonly size?: bigint;
  readonly cylinders?: number;
  readonly heads?: number;
  readonly sectors?: number;
  readonly type?: number;
  /** Added to the right one. */
  readonly checksumError?: number;
}

export interface VhdHeaderFields {
  readonly magic?: string;
  readonly tableOffset?: bigint;
  readonly version?: number;
  readonly tableEntries?: number;
  readonly blockBytes?: number;
  readonly parentId?: string;
  readonly parentName?: string;
  readonly parentPlace?: string;
  readonly checksumError?: number;
}

/** 8 cylinders of 16 heads of 63 sectors. */
export const VHD_GEOMETRY_BYTES = 8 * 16 * 63 * 512;

/** Of a disk of Hyper-V's whose size is also that of its geometry. */
export function vhdFooter({
  version = 0x10000,
  headerOffset = 0xffff_ffff_ffff_ffffn,
  creator = 'win ',
  size = BigInt(VHD_GEOMETRY_BYTES),
  cylinders = 8,
  heads = 16,
  sectors = 63,
  type = 2,
  checksumError = 0,
}: VhdFooterFields = {}): Buffer {
  const footer = Buffer.alloc(FOOTER_BYTES);
  footer.write('conectix', 0, 'latin1');
  footer.writeUInt32BE(2, 8);
  footer.writeUInt32BE(version, 12);
  footer.writeBigUInt64BE(headerOffset, 16);
  footer.write(creator, 28, 'latin1');
  footer.write('Wi2k', 36, 'latin1');
  footer.writeBigUInt64BE(size, 40);
  footer.writeBigUInt64BE(size, 48);
  footer.writeUInt16BE(cylinders, 56);
  footer.writeUInt8(heads, 58);
  footer.writeUInt8(sectors, 59);
  footer.writeUInt32BE(type, 60);
  footer.write('an id, not zero!', 68, 'latin1');
  signVhd(footer, 64, checksumError);
  return footer;
}

/** A fixed disk: an MBR and zeros, then the footer. */
export function vhdFixed(fields: VhdFooterFields = {}, bytes = VHD_GEOMETRY_BYTES): Buffer {
  return Buffer.concat([mbrDisk(bytes), vhdFooter(fields)]);
}

/** A growing disk without a block: footer, header, table, footer. */
export function vhdDynamic(
  footerFields: VhdFooterFields = {},
  {
    magic = 'cxsparse',
    tableOffset = 1536n,
    version = 0x10000,
    tableEntries = 2,
    blockBytes = 2 << 20,
    parentId = '',
    parentName = '',
    parentPlace = '',
    checksumError = 0,
  }: VhdHeaderFields = {},
): Buffer {
  const footer = vhdFooter({ type: 3, headerOffset: 512n, ...footerFields });
  const header = Buffer.alloc(1024);
  header.write(magic, 0, 'latin1');
  header.fill(0xff, 8, 16);
  header.writeBigUInt64BE(tableOffset, 16);
  header.writeUInt32BE(version, 24);
  header.writeUInt32BE(tableEntries, 28);
  header.writeUInt32BE(blockBytes, 32);
  header.write(parentId, 40, 'latin1');
  header.write(parentName, 64, 'utf16le');
  header.write(parentPlace, 576, 'latin1');
  signVhd(header, 36, checksumError);
  return Buffer.concat([footer, header, Buffer.alloc(512, 0xff), footer]);
}

/** Writes the right checksum, or one that is wrong by `error`. */
export function signVhd(block: Buffer, at: number, error = 0): void {
  block.writeUInt32BE(0, at);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.writeUInt32BE((~sum + error) >>> 0, at);
}
