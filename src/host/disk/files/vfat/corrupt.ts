import { HostError } from '../../../../core/errors.ts';

export function corrupt(what: string): HostError {
  return new HostError('ImageCorrupt', `the FAT file system is damaged: ${what}`);
}
