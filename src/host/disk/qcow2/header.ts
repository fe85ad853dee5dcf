import { HostError } from '../../../core/errors.ts';
import type { ByteSource } from '../byte-source.ts';
import { type InspectOptions, inspect } from '../inspector/inspect.ts';
import { HEAD_BYTES, TAIL_BYTES } from '../inspector/window.ts';

/** What finding a guest's bytes in a qcow2 file takes. */
export interface Qcow2Header {
  readonly version: number;
  readonly clusterBits: number;
  readonly clusterBytes: number;
  /** Bytes; a whole number of sectors. */
  readonly virtualSize: number;
  readonly l1Offset: number;
  /** As many as the virtual size needs; a table may have more. */
  readonly l1Entries: number;
  readonly incompatible: bigint;
  readonly autoclear: bigint;
}

/** Features that the inspector knows how to refuse, and qemu-img may know how to read. */
const UNSUPPORTED_CODES = new Set([
  'ImageHasBackingFile',
  'ImageHasDataFile',
  'ImageEncrypted',
  'ImageFeatureUnknown',
]);
const COMPRESSION_TYPE_BIT = 1n << 3n;
const EXTENDED_L2_BIT = 1n << 4n;
const SECTOR_BYTES = 512;

/**
 * The header of a qcow2 file that the inspector has nothing against: its rules (QEMU: docs/interop/qcow2.txt) hold for
 * whatever is returned, so the L1 table is aligned, inside of the file and long enough. Throws the inspector's
 * refusals, or `Qcow2Unsupported` for what is well-formed but not for our reader.
 */
export async function readHeader(
  file: ByteSource,
  { maxVirtualSize }: Pick<InspectOptions, 'maxVirtualSize'> = {},
): Promise<Qcow2Header> {
  const { size } = file;
  const head = await file.read(0, Math.min(HEAD_BYTES, size));
  const tail = await file.read(Math.max(0, size - TAIL_BYTES), Math.min(TAIL_BYTES, size));
  try {
    inspect(
      { head, tail, part: Buffer.alloc(0), size },
      { format: 'qcow2', ...(maxVirtualSize && { maxVirtualSize }) },
    );
  } catch (error) {
    if (error instanceof HostError && UNSUPPORTED_CODES.has(error.code))
      throw unsupported(error.message, error);
    throw error;
  }
  return supported(headerIn(head));
}

function headerIn(head: Buffer): Qcow2Header {
  const version = head.readUInt32BE(4);
  const clusterBits = head.readUInt32BE(20);
  const clusterBytes = 2 ** clusterBits;
  const virtualSize = Number(head.readBigUInt64BE(24));
  return {
    version,
    clusterBits,
    clusterBytes,
    virtualSize,
    l1Offset: Number(head.readBigUInt64BE(40)),
    l1Entries: Math.ceil(virtualSize / (clusterBytes * (clusterBytes / 8))),
    incompatible: version === 2 ? 0n : head.readBigUInt64BE(72),
    autoclear: version === 2 ? 0n : head.readBigUInt64BE(88),
  };
}

function supported(header: Qcow2Header): Qcow2Header {
  if (header.incompatible & EXTENDED_L2_BIT) throw unsupported('the qcow2 image has subclusters');
  if (header.incompatible & COMPRESSION_TYPE_BIT) throw unsupported('the qcow2 image is compressed by zstd');
  // QEMU would cut the last bytes off.
  if (header.virtualSize % SECTOR_BYTES !== 0)
    throw unsupported(
      `the qcow2 image describes a disk of ${header.virtualSize} bytes, not of whole sectors`,
    );
  return header;
}

function unsupported(what: string, cause?: unknown): HostError {
  return new HostError('Qcow2Unsupported', what, {
    hint: 'let QEMU read it: qemu-img convert -f qcow2 -O qcow2 OLD NEW.qcow2',
    ...(cause !== undefined && { cause }),
  });
}

/** The error for tables that make no sense. */
export function damaged(what: string, cause?: unknown): HostError {
  return new HostError('ImageCorrupt', `the qcow2 image is damaged: ${what}`, {
    hint: 'fetch or build it again',
    ...(cause !== undefined && { cause }),
  });
}
