import { HostError } from '../../../core/errors.ts';
import type { FileNode } from './file-system.ts';

const SLASH = 0x2f;

/** The refusal of a structure that makes no sense; `what` goes on after "is damaged:". */
export function corrupt(fileSystem: 'XFS' | 'btrfs', what: string): HostError {
  return new HostError('ImageCorrupt', `the ${fileSystem} file system is damaged: ${what}`, {
    hint: 'fetch or build the image again',
  });
}

/** The refusal of bits that whoever wrote the file system declared necessary for reading it. */
export function unknownFeatures(fileSystem: 'XFS' | 'btrfs', bits: bigint): HostError {
  return new HostError(
    'ImageFeatureUnknown',
    `the ${fileSystem} file system needs features that bonami does not know (bits 0x${bits.toString(16)})`,
  );
}

/** The kind of file that the upper four bits of a mode name: inode(7). */
export function kindOfMode(mode: number): FileNode['kind'] {
  switch (mode & 0o170000) {
    case 0o100000:
      return 'file';
    case 0o040000:
      return 'folder';
    case 0o120000:
      return 'link';
    default:
      return 'other';
  }
}

/** Sixteen bytes as blkid(8) prints them; empty for zeros. */
export function uuidText(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return /^0*$/.test(hex) ? '' : hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A label's text: up to the first zero byte, or all of it. */
export function labelText(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** Whether these bytes can name an entry of a folder: no kernel makes, or passes on, any others. */
export function canBeName(name: Buffer): boolean {
  return name.length > 0 && name.length <= 255 && !name.includes(0) && !name.includes(SLASH);
}
