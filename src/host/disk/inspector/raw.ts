import { HostError } from '../../../core/errors.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import { type Window, headHas } from './window.ts';

const SECTOR = 512;

/** A disk's bytes and nothing else: recognised by what a guest would find on it. */
export const raw: Format = {
  name: 'raw',
  recognises: (window) => hasMbr(window) || hasGpt(window) || hasFileSystem(window),
  verdict: { kind: 'inspected', format: 'raw', inspect },
};

function inspect({ size }: Window, { maxVirtualSize }: Policy): DiskFacts {
  if (size === 0) throw new HostError('ImageCorrupt', 'the raw image is empty');
  if (size > maxVirtualSize)
    throw new HostError(
      'ImageTooLarge',
      `the image is a disk of ${size} bytes; at most ${maxVirtualSize} are allowed`,
    );
  // QEMU pads a raw disk to whole sectors.
  return { virtualSize: Math.ceil(size / SECTOR) * SECTOR };
}

/** A boot sector whose partition table has a partition in it and no entry that cannot be one. */
function hasMbr(window: Window): boolean {
  if (!headHas(window, 510, '\x55\xaa')) return false;
  let partitions = 0;
  for (let entry = 446; entry < 510; entry += 16) {
    const status = window.head.readUInt8(entry);
    if (status !== 0 && status !== 0x80) return false;
    const type = window.head.readUInt8(entry + 4);
    const sectors = window.head.readUInt32LE(entry + 12);
    if (type !== 0 && sectors !== 0) partitions++;
  }
  return partitions > 0;
}

/** In the sector after the first, for sectors of 512 and of 4096 bytes. */
function hasGpt(window: Window): boolean {
  return headHas(window, 512, 'EFI PART') || headHas(window, 4096, 'EFI PART');
}

/** Where each file system (and LVM) signs, from their own headers; see also libblkid's list. */
const SIGNATURES: readonly (readonly [offset: number, magic: string])[] = [
  [0, 'XFSB'],
  [0, 'hsqs'],
  [3, 'NTFS    '],
  [54, 'FAT12   '],
  [54, 'FAT16   '],
  [82, 'FAT32   '],
  [512, 'LABELONE'],
  [1024, '\x10\x20\xf5\xf2'], // F2FS
  [1024, '\xe2\xe1\xf5\xe0'], // EROFS
  [1080, '\x53\xef'], // ext2, ext3, ext4
  [65600, '_BHRfS_M'], // btrfs
  [66908, '\x19\x01\x54\x19'], // UFS2
];

function hasFileSystem(window: Window): boolean {
  return SIGNATURES.some(([offset, magic]) => headHas(window, offset, magic));
}
