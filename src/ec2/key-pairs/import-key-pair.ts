import type { ImportKeyPairRequest, ImportKeyPairResult } from '@aws-sdk/client-ec2';
import type { Ec2Context } from '../context.ts';
import { recordKeyPair, requireFreeName } from './create-key-pair.ts';

/** EC2's ImportKeyPair. Some clients encode the material twice; a second layer of base64 is taken off. */
export function importKeyPair(
  ctx: Ec2Context,
  { KeyName = '', PublicKeyMaterial = new Uint8Array() }: Partial<ImportKeyPairRequest>,
): ImportKeyPairResult {
  requireFreeName(ctx, KeyName);
  const text = Buffer.from(PublicKeyMaterial).toString('latin1').trim();
  const decoded = /^[A-Za-z0-9+/=\s]+$/.test(text) ? Buffer.from(text, 'base64').toString('latin1') : '';
  const record = recordKeyPair(ctx, {
    keyName: KeyName,
    publicKey: decoded.startsWith('ssh-') ? decoded : text,
    privateKeyKept: false,
  });
  return { KeyPairId: record.keyPairId, KeyName, KeyFingerprint: record.fingerprint };
}
