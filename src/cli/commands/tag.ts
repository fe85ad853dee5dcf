import { ID_PREFIXES, isId, type ResourceKind } from '../../core/ids.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { parseTags } from '../parse.ts';

const add = defineCommand({
  command: 'add <id> <tags..>',
  describe: 'set tags',
  positionals: {
    id: { type: 'string', describe: 'any resource, or an instance by name' },
    tags: { type: 'string', array: true, describe: 'KEY=VALUE' },
  },
  examples: [['tag add web Name=web2 team=blue', 'also renames it']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { createTags } = await import('../../ec2/tags/create-tags.ts');
    const id = await resolve(ctx, String(args['id']));
    const response = await createTags(ctx, { Resources: [id], Tags: parseTags(args['tags'] as string[]) });
    out.result(response, () => out.line(`${id}  tagged`));
  },
});

const rm = defineCommand({
  command: 'rm <id> <keys..>',
  describe: 'remove tags',
  positionals: {
    id: { type: 'string', describe: 'any resource, or an instance by name' },
    keys: { type: 'string', array: true, describe: 'tag keys' },
  },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteTags } = await import('../../ec2/tags/create-tags.ts');
    const id = await resolve(ctx, String(args['id']));
    const Tags = (args['keys'] as string[]).map((Key) => ({ Key }));
    const response = await deleteTags(ctx, { Resources: [id], Tags });
    out.result(response, () => out.line(`${id}  untagged`));
  },
});

/** Ids of any kind as they are; anything else is an instance's name. */
async function resolve(ctx: Ec2Context, reference: string): Promise<string> {
  if (
    (Object.keys(ID_PREFIXES) as ResourceKind[]).some((kind) => kind !== 'instance' && isId(kind, reference))
  )
    return reference;
  const { resolveInstance } = await import('../../ec2/instances/resolve-instance.ts');
  return resolveInstance(ctx.db, reference).instanceId;
}

export const tag = defineGroup('tag', 'tags: add, remove', [add, rm]);
