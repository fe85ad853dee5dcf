import type { DescribeKeyPairsRequest, DescribeKeyPairsResult } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../../core/errors.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import { tagsOf } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { filterTests } from '../filters.ts';

/** EC2's DescribeKeyPairs. Throws `InvalidKeyPair.NotFound` for a name that does not exist. */
export function describeKeyPairs(
  ctx: Ec2Context,
  { KeyNames = [], KeyPairIds = [], Filters = [] }: DescribeKeyPairsRequest,
): DescribeKeyPairsResult {
  const all = keyPairs.list(ctx.db);
  const missing = KeyNames.find((name) => !all.some(({ keyName }) => keyName === name));
  if (missing !== undefined)
    throw new Ec2Error('InvalidKeyPair.NotFound', `The key pair '${missing}' does not exist`, {
      hint: 'bonami key ls',
    });
  const tests = filterTests<(typeof all)[number]>(Filters, {
    fingerprint: (each) => each.fingerprint,
    'key-name': (each) => each.keyName,
    'key-pair-id': (each) => each.keyPairId,
  });
  const wanted = all
    .filter(({ keyName }) => KeyNames.length === 0 || KeyNames.includes(keyName))
    .filter(({ keyPairId }) => KeyPairIds.length === 0 || KeyPairIds.includes(keyPairId))
    .filter((each) => tests.every((test) => test(each)));
  return {
    KeyPairs: wanted.map((each) => ({
      KeyPairId: each.keyPairId,
      KeyName: each.keyName,
      KeyType: each.keyType,
      KeyFingerprint: each.fingerprint,
      CreateTime: new Date(each.createTime),
      Tags: Object.entries(tagsOf(ctx.db, each.keyPairId)).map(([Key, Value]) => ({ Key, Value })),
    })),
  };
}
