import type { Instance } from '../../store/instances.ts';
import { findInstanceType } from './instance-types.ts';

/** Bits a second that an instance's interfaces may move, each way; undefined where it is as fast as the host. */
export function networkLimit({ isNetworkLimited, instanceType }: Instance): number | undefined {
  return isNetworkLimited ? findInstanceType(instanceType).networkMbps * 1_000_000 : undefined;
}
