import { createHmac, timingSafeEqual } from 'node:crypto';

// IMDSv2 tokens need no storage: they carry whom they are for and until when, and a signature under a key that
// lives as long as this boot. Time is the host's uptime, so a stepped wall clock changes nothing.

/** AWS: "Use IMDSv2": 1 second to 6 hours. */
export const MAX_TTL_SECONDS = 21_600;

export interface TokenKey {
  readonly key: Buffer;
  /** Seconds since boot. */
  readonly uptime: () => number;
}

/** A token for one instance. */
export function issueToken({ key, uptime }: TokenKey, instanceId: string, ttlSeconds: number): string {
  const expiry = Math.ceil(uptime() + ttlSeconds).toString(36);
  return `${Buffer.from(expiry).toString('base64url')}.${sign(key, instanceId, expiry)}==`;
}

/** Seconds that a token is still good for; undefined when it is forged, expired or another instance's. */
export function tokenTtl({ key, uptime }: TokenKey, instanceId: string, token: string): number | undefined {
  const [head = '', signature = ''] = token.replace(/==$/, '').split('.');
  const expiry = Buffer.from(head, 'base64url').toString();
  const expected = Buffer.from(sign(key, instanceId, expiry));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const left = Math.floor(Number.parseInt(expiry, 36) - uptime());
  return left > 0 ? left : undefined;
}

function sign(key: Buffer, instanceId: string, expiry: string): string {
  return createHmac('sha256', key).update(`${instanceId} ${expiry}`).digest('base64url');
}
