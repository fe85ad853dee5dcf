import type { DiskFormat } from '../qemu-img.ts';
import type { Place, Window } from './window.ts';

/** What is known about a disk file that passed. */
export interface DiskFacts {
  /** Bytes the guest sees. */
  readonly virtualSize: number;
}

export interface Policy {
  /** Bytes; a larger virtual size is refused. */
  readonly maxVirtualSize: number;
}

/** One disk format: how it is recognised, and how it is judged, or why it never passes. */
export interface Format {
  /** As people write it. */
  readonly name: string;
  /** Whether the file says of itself that it is one. Must not be mistaken by another format's files. */
  recognises(window: Window): boolean;
  readonly verdict: Inspected | Refused;
}

/** A format that may be imported once `inspect`, which throws a HostError otherwise, found nothing against it. */
export interface Inspected {
  readonly kind: 'inspected';
  /** What qemu-img is told that the file is. */
  readonly format: DiskFormat;
  inspect(window: Window, policy: Policy): DiskFacts;
  /**
   * Where the head says that the rest of the description is. A wish: it may be anywhere and of any length, and
   * `placeToRead` decides. `inspect` finds `window.part` empty when it was not granted.
   */
  partWanted?(window: Window): Place | undefined;
}

export interface Refused {
  readonly kind: 'refused';
  /** What the user can do instead. */
  readonly hint: string;
}
