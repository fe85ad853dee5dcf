import { HostError } from '../../core/errors.ts';

/** Something that an archive for us never has, and one against us may. */
export function hostile(what: string, hint?: string): HostError {
  return new HostError('ArchiveHostile', `the archive ${what}`, hint === undefined ? {} : { hint });
}

/** More than an archive of disks can need. */
export function tooLarge(what: string): HostError {
  return new HostError('ArchiveTooLarge', `the archive ${what}`);
}

/** What a transfer or a careless producer does to an archive. */
export function corrupt(what: string): HostError {
  return new HostError('ArchiveCorrupt', `the archive ${what}`, { hint: 'download or copy it again' });
}
