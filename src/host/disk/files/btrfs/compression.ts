// Compressed extents: "On-disk Format", EXTENT_DATA; Linux: fs/btrfs/{compression,zlib,lzo,zstd}.c.
import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { HostError } from '../../../../core/errors.ts';
import { corrupt } from '../disk-fields.ts';
import { decompressLzo1x } from '../lzo.ts';
import { decompressZstd } from '../zstd.ts';

/** Linux: BTRFS_MAX_COMPRESSED, BTRFS_MAX_UNCOMPRESSED. */
export const MAX_EXTENT_BYTES = 128 * 1024;
const LENGTH_BYTES = 4;

export interface Compressed {
  /** 1 zlib, 2 lzo, 3 zstd. */
  readonly compression: number;
  /** Bytes that are expected, `MAX_EXTENT_BYTES` at most. */
  readonly length: number;
  readonly sectorBytes: number;
}

/**
 * What a compressed extent stands for. It may be shorter than expected (the rest counts as zeros) and is never longer
 * than `MAX_EXTENT_BYTES`; what follows the compressed data up to the end of a sector is ignored.
 */
export async function decompress(
  input: Buffer,
  { compression, length, sectorBytes }: Compressed,
): Promise<Buffer> {
  switch (compression) {
    case 1:
      return inflateExtent(input);
    case 2:
      return joinLzo(input, { length, sectorBytes });
    case 3:
      return decompressZstd(input, MAX_EXTENT_BYTES);
    default:
      throw new HostError(
        'ImageFeatureUnknown',
        `a file is compressed in an unknown way (type ${compression})`,
      );
  }
}

async function inflateExtent(input: Buffer): Promise<Buffer> {
  try {
    return await promisify(inflate)(input, { maxOutputLength: MAX_EXTENT_BYTES });
  } catch (cause) {
    throw new HostError('ImageCorrupt', 'the zlib data of a file is damaged', {
      hint: 'fetch or build the image again',
      cause,
    });
  }
}

/**
 * The length of all, then for each sector {length, lzo data}; a length is not split over two sectors, zeros are put
 * before it instead. Linux: fs/btrfs/lzo.c.
 */
function joinLzo(input: Buffer, { length, sectorBytes }: Omit<Compressed, 'compression'>): Buffer {
  const end = input.length < LENGTH_BYTES ? 0 : input.readUInt32LE(0);
  if (end < LENGTH_BYTES || end > input.length) throw damagedLzo();
  const sectors: Buffer[] = [];
  // Only the last sector may be short of one.
  for (let at = LENGTH_BYTES, left = length; left > 0 && at < end; left -= sectorBytes) {
    const start = at + LENGTH_BYTES;
    const next = start <= end ? start + input.readUInt32LE(at) : Infinity;
    if (next > end || (sectors.at(-1)?.length ?? sectorBytes) < sectorBytes) throw damagedLzo();
    sectors.push(decompressLzo1x(input.subarray(start, next), sectorBytes));
    const inSector = sectorBytes - (next % sectorBytes);
    at = inSector < LENGTH_BYTES ? next + inSector : next;
  }
  return Buffer.concat(sectors);
}

function damagedLzo(): Error {
  return corrupt('btrfs', 'the lzo data of a file makes no sense');
}
