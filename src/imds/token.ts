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
  const expiry = (milliseconds(uptime) + ttlSeconds * 1000).toString(36);
  return `${Buffer.from(expiry).toString('base64url')}.${sign(key, instanceId, expiry)}==`;
}

/** Seconds that a token is still good for; undefined when it is forged, expired or another instance's. */
export function tokenTtl({ key, uptime }: TokenKey, instanceId: string, token: string): number | undefined {
  const [head = '', signature = ''] = token.replace(/==$/, '').split('.');
  const expiry = Buffer.from(head, 'base64url').toString();
  const expected = Buffer.from(sign(key, instanceId, expiry));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const left = Math.ceil((Number.parseInt(expiry, 36) - milliseconds(uptime)) / 1000);
  return left > 0 ? left : undefined;
}

/** Whole seconds would end a token of one second before it can be used. */
function milliseconds(uptime: () => number): number {
  return Math.floor(uptime() * 1000);
}

function sign(key: Buffer, instanceId: string, expiry: string): string {
  return createHmac('sha256', key).update(`${instanceId} ${expiry}`).digest('base64url');
}
