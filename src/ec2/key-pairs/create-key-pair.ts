import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CreateKeyPairRequest, KeyPair as Ec2KeyPair } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { run } from '../../host/command.ts';
import { transact } from '../../store/database.ts';
import { keyPairs, type KeyPair } from '../../store/key-pairs.ts';
import type { Ec2Context } from '../context.ts';
import { fingerprint, parsePublicKey } from './public-key.ts';

/** EC2's CreateKeyPair: Ed25519 unless RSA is asked for. The private half is in the answer and nowhere else. */
export async function createKeyPair(
  ctx: Ec2Context,
  { KeyName = '', KeyType = 'ed25519' }: Partial<CreateKeyPairRequest>,
): Promise<Ec2KeyPair> {
  requireFreeName(ctx, KeyName);
  const { privateKey, publicKey } = await generate(ctx, KeyType);
  const record = recordKeyPair(ctx, { keyName: KeyName, publicKey, privateKeyKept: false });
  return {
    KeyPairId: record.keyPairId,
    KeyName,
    KeyFingerprint: record.fingerprint,
    KeyMaterial: privateKey,
  };
}

/** Makes a key pair in a folder that only we can enter and that is gone afterwards. */
export async function generate(
  ctx: Ec2Context,
  type: 'ed25519' | 'rsa',
): Promise<{ readonly privateKey: string; readonly publicKey: string }> {
  const folder = mkdtempSync(join(ctx.layout.keys, 'new-'));
  try {
    const file = join(folder, 'key');
    await run('ssh-keygen', [
      '-q',
      '-t',
      type,
      ...(type === 'rsa' ? ['-b', '2048'] : []),
      '-N',
      '',
      '-C',
      'bonami',
      '-f',
      file,
    ]);
    return { privateKey: readFileSync(file, 'utf8'), publicKey: readFileSync(`${file}.pub`, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function recordKeyPair(
  ctx: Ec2Context,
  {
    keyName,
    publicKey,
    privateKeyKept,
    keyPairId = newId('keyPair'),
  }: { keyName: string; publicKey: string; privateKeyKept: boolean; keyPairId?: KeyPair['keyPairId'] },
): KeyPair {
  const key = parsePublicKey(publicKey);
  const record: KeyPair = {
    keyPairId,
    keyName,
    keyType: key.keyType,
    publicKey: `${key.line} ${keyName.replaceAll(/[^\w.@-]/g, '_')}`,
    fingerprint: fingerprint(key),
    createTime: ctx.now().toISOString(),
    privateKeyKept,
  };
  transact(ctx.db, () => keyPairs.insert(ctx.db, record));
  return record;
}

/** AWS: up to 255 ASCII characters. */
export function requireFreeName(ctx: Ec2Context, keyName: string): void {
  if (!/^[\x20-\x7e]{1,255}$/.test(keyName) || keyName.trim() !== keyName)
    throw new Ec2Error('InvalidParameterValue', `'${keyName}' is not a valid key pair name`, {
      hint: '1 to 255 ASCII characters',
    });
  if (keyPairs.listBy(ctx.db, 'name', keyName).length > 0)
    throw new Ec2Error('InvalidKeyPair.Duplicate', `The keypair '${keyName}' already exists.`, {
      hint: 'bonami key ls',
    });
}
