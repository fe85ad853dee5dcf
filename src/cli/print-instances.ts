import type { Instance } from '@aws-sdk/client-ec2';
import { formatAge, type Output } from './output.ts';

/** Instances as `bonami ls` shows them. */
export function printInstances(out: Output, instances: readonly Instance[], now: Date): void {
  out.table(
    ['INSTANCE', 'NAME', 'STATE', 'TYPE', 'ARCH', 'ADDRESS', 'AGE'],
    instances.map((each) => [
      each.InstanceId ?? '',
      tagValue(each, 'Name'),
      each.State?.Name ?? '',
      each.InstanceType ?? '',
      each.Architecture ?? '',
      each.PrivateIpAddress ?? '',
      formatAge(each.LaunchTime, now),
    ]),
  );
}

export function tagValue({ Tags = [] }: { readonly Tags?: Instance['Tags'] }, key: string): string {
  return Tags.find(({ Key }) => Key === key)?.Value ?? '';
}
