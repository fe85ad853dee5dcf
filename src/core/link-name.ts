import { createHash } from 'node:crypto';

/**
 * A kernel link name for a resource: prefix + 12 hexadecimal digits of a hash of its id, 15 characters, the
 * kernel's limit (IFNAMSIZ - 1). Stable, so a leftover link can be attributed to its resource.
 */
export function linkName(prefix: 'bnv' | 'eni' | 'pcx' | 'snt', resourceId: string): string {
  return prefix + createHash('sha256').update(resourceId).digest('hex').slice(0, 12);
}

/** A locally administered unicast MAC (`02:…`) derived from the network interface's id. */
export function macOf(networkInterfaceId: string): string {
  const digest = createHash('sha256').update(`mac ${networkInterfaceId}`).digest();
  return ['02', ...[...digest.subarray(0, 5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
