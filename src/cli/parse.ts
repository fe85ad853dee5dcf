import type { BlockDeviceMapping, EbsBlockDevice, Tag } from '@aws-sdk/client-ec2';
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

/** EC2's volume types, for options. */
export const VOLUME_TYPE_NAMES = ['gp2', 'gp3', 'io1', 'io2', 'st1', 'sc1', 'standard'] as const;

const DEVICE_HINT =
  '-b /dev/sdf=20  -b /dev/sdf=20,gp3,iops=4000,throughput=250,keep  -b /dev/sdf=snap-…  -b /dev/sdb=ephemeral0  -b /dev/sdf=none';

/**
 * `DEVICE=SPEC` as a block device mapping. SPEC is `none`, `ephemeralN`, or words with commas between them: GiB, a
 * snapshot id, a volume type, `iops=N`, `throughput=MiB/s`, `keep` or `delete` for what a termination does.
 */
export function parseBlockDevice(word: string): BlockDeviceMapping {
  const [, device, spec] = /^([^=]+)=(.+)$/.exec(word) ?? [];
  if (device === undefined || spec === undefined)
    throw new UsageError(`'${word}' is not a block device`, { hint: DEVICE_HINT });
  if (spec === 'none') return { DeviceName: device, NoDevice: '' };
  if (/^ephemeral\d+$/.test(spec)) return { DeviceName: device, VirtualName: spec };
  const ebs: EbsBlockDevice = {};
  for (const part of spec.split(',')) {
    const [key, value] = parseVolumeWord(part) ?? [];
    if (key === undefined || key in ebs)
      throw new UsageError(
        `'${spec}' does not describe a volume: ${key === undefined ? 'what is' : 'twice'} '${part}'`,
        {
          hint: DEVICE_HINT,
        },
      );
    Object.assign(ebs, { [key]: value });
  }
  return { DeviceName: device, Ebs: ebs };
}

function parseVolumeWord(word: string): readonly [key: keyof EbsBlockDevice, value: unknown] | undefined {
  if (/^\d+$/.test(word)) return ['VolumeSize', Number(word)];
  if (word.startsWith('snap-')) return ['SnapshotId', word];
  if (word === 'keep' || word === 'delete') return ['DeleteOnTermination', word === 'delete'];
  if ((VOLUME_TYPE_NAMES as readonly string[]).includes(word)) return ['VolumeType', word];
  const [, name, number] = /^(iops|throughput)=(\d+)$/.exec(word) ?? [];
  if (name === undefined) return undefined;
  return [name === 'iops' ? 'Iops' : 'Throughput', Number(number)];
}
