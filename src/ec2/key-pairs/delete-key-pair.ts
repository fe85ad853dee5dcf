import { rmSync } from 'node:fs';
import type { DeleteKeyPairRequest, DeleteKeyPairResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import { removeTags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';

/** EC2's DeleteKeyPair; instances that were launched with it keep it. Throws `InvalidKeyPair.NotFound`. */
export function deleteKeyPair(ctx: Ec2Context, { KeyName = '' }: DeleteKeyPairRequest): DeleteKeyPairResult {
  const [pair] = keyPairs.listBy(ctx.db, 'name', KeyName);
  if (pair === undefined)
    throw new Ec2Error('InvalidKeyPair.NotFound', `The key pair '${KeyName}' does not exist`, {
      hint: 'bonami key ls',
    });
  transact(ctx.db, () => {
    removeTags(ctx.db, pair.keyPairId);
    keyPairs.remove(ctx.db, pair.keyPairId);
  });
  rmSync(ctx.layout.keyPair(pair.keyPairId).privateKey, { force: true });
  return { Return: true, KeyPairId: pair.keyPairId };
}
