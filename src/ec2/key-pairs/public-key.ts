import { createHash, createPublicKey } from 'node:crypto';
import { Ec2Error } from '../../core/errors.ts';
import type { KeyPair } from '../../store/key-pairs.ts';

const TYPES: Readonly<Record<string, KeyPair['keyType']>> = { 'ssh-ed25519': 'ed25519', 'ssh-rsa': 'rsa' };

export interface PublicKey {
  readonly keyType: KeyPair['keyType'];
  /** `type base64`, without a comment. */
  readonly line: string;
  readonly blob: Buffer;
}

/** Parses one OpenSSH public key. Throws `InvalidKey.Format`. */
export function parsePublicKey(text: string): PublicKey {
  const [type = '', encoded = ''] = text.trim().split(/\s+/);
  const keyType = TYPES[type];
  const blob = Buffer.from(encoded, 'base64');
  if (/\n./.test(text.trim()) || keyType === undefined || blob.length < 32 || embeddedType(blob) !== type)
    throw new Ec2Error('InvalidKey.Format', 'Key is not in valid OpenSSH public key format', {
      hint: 'an Ed25519 or RSA public key, one line, like ~/.ssh/id_ed25519.pub',
    });
  return { keyType, line: `${type} ${blob.toString('base64')}`, blob };
}

/** The blob begins with its own type, length first (RFC 4253, 6.6). */
function embeddedType(blob: Buffer): string {
  const length = blob.readUInt32BE(0);
  return length > 64 ? '' : blob.subarray(4, 4 + length).toString('latin1');
}

/**
 * EC2's fingerprint of an imported or created key (AWS: "Key pair fingerprints"): SHA-256 in base64 for Ed25519,
 * MD5 of the DER public key for RSA.
 */
export function fingerprint({ keyType, blob }: PublicKey): string {
  if (keyType === 'ed25519') return createHash('sha256').update(blob).digest('base64');
  const [, e = Buffer.alloc(0), n = Buffer.alloc(0)] = fields(blob);
  const jwk = { kty: 'RSA', e: e.toString('base64url'), n: stripSign(n).toString('base64url') };
  const der = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'der' });
  return (createHash('md5').update(der).digest('hex').match(/../g) ?? []).join(':');
}

function fields(blob: Buffer): readonly Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 4 <= blob.length;) {
    const length = blob.readUInt32BE(at);
    found.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

function stripSign(integer: Buffer): Buffer {
  return integer[0] === 0 ? integer.subarray(1) : integer;
}
