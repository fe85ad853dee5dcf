// The sentences that every format refuses in, so that one rule has one code and one wording.
import { HostError } from '../../../core/errors.ts';
import type { Policy } from './format.ts';

/** `what` goes on after "the … image is damaged: ". */
export function corrupt(format: string, what: string): HostError {
  return new HostError('ImageCorrupt', `the ${format} image is damaged: ${what}`, {
    hint: 'fetch or build it again',
  });
}

/** `what` goes on after "the … image ". */
export function featureUnknown(format: string, what: string, hint?: string): HostError {
  return new HostError(
    'ImageFeatureUnknown',
    `the ${format} image ${what}`,
    hint === undefined ? {} : { hint },
  );
}

export function versionUnknown(format: string, version: string, known: string): HostError {
  return new HostError(
    'ImageVersionUnknown',
    `the ${format} image has version ${version}; only ${known} known`,
  );
}

export function hasBackingFile(format: string, hint: string): HostError {
  return new HostError(
    'ImageHasBackingFile',
    `the ${format} image is only the difference from another file, its backing file`,
    { hint },
  );
}

/** The size as a number, when there is one and it is not larger than allowed. */
export function sizeWithin(format: string, size: bigint, { maxVirtualSize }: Policy): number {
  if (size <= 0n) throw corrupt(format, 'it describes a disk of 0 bytes');
  if (size > BigInt(maxVirtualSize))
    throw new HostError(
      'ImageTooLarge',
      `the image describes a disk of ${size} bytes; at most ${maxVirtualSize} are allowed`,
    );
  return Number(size);
}

/** For numbers of 32 bits; of larger ones, neighbours of a power pass too. */
export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(Math.log2(value));
}
