import type { BlockDeviceMapping, Tag } from '@aws-sdk/client-ec2';
import { UsageError } from '../core/errors.ts';

/** The option that bounds every wait. */
export const TIMEOUT = {
  type: 'number',
  default: 600,
  describe: 'seconds to wait at most',
  coerce: (seconds: number): number => {
    if (seconds >= 0) return seconds;
    throw new UsageError(`--timeout ${seconds} is not a time to wait`, { hint: '--timeout 600' });
  },
} as const;

/** `KEY=VALUE` words as tags. */
export function parseTags(words: readonly string[]): Tag[] {
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at < 1) throw new UsageError(`'${word}' is not a tag`, { hint: 'KEY=VALUE' });
    return { Key: word.slice(0, at), Value: word.slice(at + 1) };
  });
}

/** `DEVICE=GiB[,keep]` or `DEVICE=none` as a block device mapping. */
export function parseBlockDevice(word: string): BlockDeviceMapping {
  const [, device, spec] = /^([^=]+)=(.+)$/.exec(word) ?? [];
  if (device === undefined || spec === undefined)
    throw new UsageError(`'${word}' is not a block device`, {
      hint: '-b /dev/sdf=20, -b /dev/sdf=20,keep or -b /dev/sdf=none',
    });
  if (spec === 'none') return { DeviceName: device, NoDevice: '' };
  const [size = '', ...flags] = spec.split(',');
  if (!/^\d+$/.test(size) || flags.some((flag) => flag !== 'keep'))
    throw new UsageError(`'${spec}' does not describe a volume`, {
      hint: 'GiB, then ,keep to keep it after termination: 20 or 20,keep',
    });
  return {
    DeviceName: device,
    Ebs: { VolumeSize: Number(size), DeleteOnTermination: !flags.includes('keep') },
  };
}
