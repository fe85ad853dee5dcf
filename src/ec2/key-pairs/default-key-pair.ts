import { writeFileSync } from 'node:fs';
import { newId } from '../../core/ids.ts';
import { withLock } from '../../host/process/lock.ts';
import { keyPairs, type KeyPair } from '../../store/key-pairs.ts';
import type { Ec2Context } from '../context.ts';
import { generate, recordKeyPair } from './create-key-pair.ts';

const NAME = 'bonami';

/** The key pair of bonami's own, whose private half is kept in the home (0600) for `bonami ssh`; made at first use. */
export async function ensureDefaultKeyPair(ctx: Ec2Context): Promise<KeyPair> {
  return (
    find(ctx) ??
    withLock(
      `${ctx.layout.run}/default-key.lock`,
      { purpose: 'make the default key pair' },
      async () => find(ctx) ?? (await make(ctx)),
    )
  );
}

function find(ctx: Ec2Context): KeyPair | undefined {
  return keyPairs.listBy(ctx.db, 'name', NAME)[0];
}

/** The private key is there before the record says so: a crash in between leaves a file that nobody names. */
async function make(ctx: Ec2Context): Promise<KeyPair> {
  const keyPairId = newId('keyPair');
  const { privateKey, publicKey } = await generate(ctx, 'ed25519');
  writeFileSync(ctx.layout.keyPair(keyPairId).privateKey, privateKey, { mode: 0o600, flag: 'wx' });
  return recordKeyPair(ctx, { keyName: NAME, publicKey, privateKeyKept: true, keyPairId });
}
