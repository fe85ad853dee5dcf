import * as z from 'zod';
import { Ec2Error } from '../core/errors.ts';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';

const keyPair = z.strictObject({
  keyPairId: idOf('keyPair'),
  keyName: z.string().min(1).max(255),
  keyType: z.enum(['ed25519', 'rsa']),
  /** One line of authorized_keys. */
  publicKey: z.string(),
  fingerprint: z.string(),
  createTime: timestamp,
  /** Whether bonami keeps the private half: only for the key pair that it made for its own use. */
  privateKeyKept: z.boolean(),
});

/** EC2's KeyPair. */
export type KeyPair = z.infer<typeof keyPair>;

export const keyPairs = table<KeyPair>({
  name: 'key_pairs',
  schema: keyPair,
  id: ({ keyPairId }) => keyPairId,
  columns: ({ keyName }) => ({ name: keyName }),
  duplicate: ({ keyName }) =>
    new Ec2Error('InvalidKeyPair.Duplicate', `The key pair '${keyName}' already exists`, {
      hint: 'bonami key ls',
    }),
});
