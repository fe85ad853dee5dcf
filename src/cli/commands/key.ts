import { writeFileSync } from 'node:fs';
import { UsageError, messageOf } from '../../core/errors.ts';
import { readInput } from '../read-input.ts';
import { defineCommand, defineGroup } from '../define-command.ts';

const ls = defineCommand({
  command: 'ls',
  describe: 'key pairs',
  handler: async (_args, { out, open }) => {
    const { describeKeyPairs } = await import('../../ec2/key-pairs/describe-key-pairs.ts');
    const response = describeKeyPairs(open(), {});
    out.result(response, () =>
      out.table(
        ['KEY PAIR', 'NAME', 'TYPE', 'FINGERPRINT'],
        (response.KeyPairs ?? []).map((each) => [
          each.KeyPairId ?? '',
          each.KeyName ?? '',
          each.KeyType ?? '',
          each.KeyFingerprint ?? '',
        ]),
      ),
    );
  },
});

const create = defineCommand({
  command: 'create <name>',
  describe: 'make a key pair; its private half is given out once and not kept',
  positionals: { name: { type: 'string', describe: 'a name for it' } },
  options: {
    type: { choices: ['ed25519', 'rsa'] as const, default: 'ed25519' as const, describe: 'kind of key' },
    output: {
      alias: 'o',
      type: 'string',
      describe: 'write the private key to this new file (mode 0600) instead of standard output',
    },
  },
  examples: [['key create work -o ~/.ssh/work', 'then: bonami run -k work']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createKeyPair } = await import('../../ec2/key-pairs/create-key-pair.ts');
    const response = await createKeyPair(ctx, { KeyName: String(args['name']), KeyType: args.type });
    if (args.output !== undefined) {
      try {
        writeFileSync(args.output, response.KeyMaterial ?? '', { mode: 0o600, flag: 'wx' });
      } catch (cause) {
        const { deleteKeyPair } = await import('../../ec2/key-pairs/delete-key-pair.ts');
        deleteKeyPair(ctx, { KeyName: String(args['name']) });
        throw new UsageError(`cannot write the private key to '${args.output}': ${messageOf(cause)}`, {
          hint: 'name a file that does not exist yet',
          cause,
        });
      }
      out.result({ ...response, KeyMaterial: undefined }, () =>
        out.line(`${response.KeyPairId}  private key in ${args.output}`),
      );
      return;
    }
    out.result(response, () => out.raw(response.KeyMaterial ?? ''));
    out.info('this private key is shown once: keep it');
  },
});

const import_ = defineCommand({
  command: 'import <name> <file>',
  describe: 'use a public key that you have',
  positionals: {
    name: { type: 'string', describe: 'a name for it' },
    file: { type: 'string', describe: 'a public key file, - for standard input' },
  },
  examples: [['key import me ~/.ssh/id_ed25519.pub', 'then: bonami run -k me']],
  handler: async (args, { out, open, signal }) => {
    const path = String(args['file']);
    const text = await readInput({ path, what: 'the public key', signal });
    const { importKeyPair } = await import('../../ec2/key-pairs/import-key-pair.ts');
    const response = importKeyPair(open(), { KeyName: String(args['name']), PublicKeyMaterial: text });
    out.result(response, () =>
      out.line(`${response.KeyPairId}  ${response.KeyName}  ${response.KeyFingerprint}`),
    );
  },
});

const rm = defineCommand({
  command: 'rm <name>',
  describe: 'forget a key pair; instances that have it keep it',
  positionals: { name: { type: 'string', describe: 'its name' } },
  handler: async (args, { out, open }) => {
    const { deleteKeyPair } = await import('../../ec2/key-pairs/delete-key-pair.ts');
    const name = String(args['name']);
    out.result(deleteKeyPair(open(), { KeyName: name }), () => out.line(`${name}  removed`));
  },
});

export const key = defineGroup('key', 'key pairs: list, create, import, remove', [ls, create, import_, rm]);
