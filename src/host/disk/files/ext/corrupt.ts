import { HostError } from '../../../../core/errors.ts';

export function corrupt(what: string): HostError {
  return new HostError('ImageCorrupt', `the ext file system is damaged: ${what}`);
}
