import type { ManagedPrefixList } from '@aws-sdk/client-ec2';
import type { PrefixListId } from '../../core/ids.ts';
import type { Ec2Context } from '../../ec2/context.ts';
import { defineCommand, defineGroup } from '../define-command.ts';
import { TAG_OPTIONS, tagSpecifications } from '../name-tag.ts';
import type { Output } from '../output.ts';

const LIST = { type: 'string', describe: 'id, its beginning, or name' } as const;
const BLOCKS = { type: 'string', array: true, describe: 'CIDR blocks of one family' } as const;
const DESCRIPTION = { type: 'string', describe: 'a few words about these blocks' } as const;
/** Room to grow: the most counts against the rules of each group that uses the list. */
const FIRST_MAX_ENTRIES = 10;

const ls = defineCommand({
  command: 'ls',
  describe: 'prefix lists',
  handler: async (_args, { out, open }) => {
    const { describeManagedPrefixLists } =
      await import('../../ec2/prefix-lists/describe-managed-prefix-lists.ts');
    const response = describeManagedPrefixLists(open(), {});
    out.result(response, () =>
      out.table(
        ['LIST', 'NAME', 'FAMILY', 'VERSION', 'MAX-ENTRIES'],
        (response.PrefixLists ?? []).map((each) => [
          each.PrefixListId ?? '',
          each.PrefixListName ?? '',
          each.AddressFamily ?? '',
          String(each.Version),
          String(each.MaxEntries),
        ]),
      ),
    );
  },
});

const show = defineCommand({
  command: 'show <list>',
  describe: 'the blocks of a list',
  positionals: { list: LIST },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { list, entries } = await find(ctx, String(args['list']));
    out.result({ ...list, Entries: entries }, () => print(out, list, entries));
  },
});

const create = defineCommand({
  command: 'create <name> [blocks..]',
  describe: 'make a list of blocks, for rules of security groups',
  positionals: { name: { type: 'string', describe: 'a name for it' }, blocks: BLOCKS },
  options: {
    'max-entries': {
      type: 'number',
      describe: 'how many it may have; counts as so many rules',
      defaultDescription: `${FIRST_MAX_ENTRIES}, or as many as given`,
    },
    ipv6: { type: 'boolean', describe: 'of IPv6 blocks; without it the first block says' },
    description: DESCRIPTION,
    tag: TAG_OPTIONS.tag,
  },
  examples: [
    ['prefix-list create offices 192.0.2.0/24 198.51.100.0/24', 'two offices'],
    ['sg authorize web -p 22 --from offices', 'SSH from all of them'],
  ],
  handler: async (args, { out, open }) => {
    const { createManagedPrefixList } = await import('../../ec2/prefix-lists/create-managed-prefix-list.ts');
    const blocks = (args['blocks'] as string[] | undefined) ?? [];
    const isIpv6 = args.ipv6 ?? blocks[0]?.includes(':') === true;
    const response = createManagedPrefixList(open(), {
      PrefixListName: String(args['name']),
      AddressFamily: isIpv6 ? 'IPv6' : 'IPv4',
      MaxEntries: args['max-entries'] ?? Math.max(FIRST_MAX_ENTRIES, blocks.length),
      Entries: blocks.map((Cidr) => ({ Cidr, Description: args.description })),
      TagSpecifications: tagSpecifications('prefix-list', { tag: args.tag }),
    });
    out.result(response, () =>
      out.line(`${response.PrefixList?.PrefixListId}  ${response.PrefixList?.PrefixListName}`),
    );
  },
});

const add = defineCommand({
  command: 'add <list> <blocks..>',
  describe: 'add blocks; applies at once wherever the list is used',
  positionals: { list: LIST, blocks: BLOCKS },
  options: { description: DESCRIPTION },
  examples: [['prefix-list add offices 203.0.113.0/24 --description Lyon', 'one more']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { list, entries } = await find(ctx, String(args['list']));
    const { modifyManagedPrefixList } = await import('../../ec2/prefix-lists/modify-managed-prefix-list.ts');
    const PrefixListId = list.PrefixListId;
    const blocks = args['blocks'] as string[];
    // EC2 changes the size by itself only, and first.
    if (entries.length + blocks.length > (list.MaxEntries ?? 0))
      await modifyManagedPrefixList(ctx, { PrefixListId, MaxEntries: entries.length + blocks.length });
    const response = await modifyManagedPrefixList(ctx, {
      PrefixListId,
      CurrentVersion: list.Version,
      AddEntries: blocks.map((Cidr) => ({ Cidr, Description: args.description })),
    });
    out.result(response, () => out.line(`${PrefixListId}  added ${blocks.join(', ')}`));
  },
});

const remove = defineCommand({
  command: 'remove <list> <blocks..>',
  describe: 'take blocks out; applies at once wherever the list is used',
  positionals: { list: LIST, blocks: BLOCKS },
  examples: [['prefix-list remove offices 203.0.113.0/24', 'one less']],
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { list } = await find(ctx, String(args['list']));
    const { modifyManagedPrefixList } = await import('../../ec2/prefix-lists/modify-managed-prefix-list.ts');
    const blocks = args['blocks'] as string[];
    const response = await modifyManagedPrefixList(ctx, {
      PrefixListId: list.PrefixListId,
      CurrentVersion: list.Version,
      RemoveEntries: blocks.map((Cidr) => ({ Cidr })),
    });
    out.result(response, () => out.line(`${list.PrefixListId}  removed ${blocks.join(', ')}`));
  },
});

const rm = defineCommand({
  command: 'rm <list>',
  describe: 'remove a list that no rule names',
  positionals: { list: LIST },
  handler: async (args, { out, open }) => {
    const ctx = open();
    const { deleteManagedPrefixList } = await import('../../ec2/prefix-lists/delete-managed-prefix-list.ts');
    const PrefixListId = await resolve(ctx, String(args['list']));
    out.result(deleteManagedPrefixList(ctx, { PrefixListId }), () => out.line(`${PrefixListId}  removed`));
  },
});

export const prefixList = defineGroup(
  'prefix-list',
  'named lists of CIDR blocks, for rules of security groups',
  [ls, show, create, add, remove, rm],
);

interface Found {
  readonly list: ManagedPrefixList;
  readonly entries: readonly { Cidr?: string | undefined; Description?: string | undefined }[];
}

async function find(ctx: Ec2Context, reference: string): Promise<Found> {
  const { describeManagedPrefixLists } =
    await import('../../ec2/prefix-lists/describe-managed-prefix-lists.ts');
  const { getManagedPrefixListEntries } =
    await import('../../ec2/prefix-lists/get-managed-prefix-list-entries.ts');
  const PrefixListId = await resolve(ctx, reference);
  const [list = {}] = describeManagedPrefixLists(ctx, { PrefixListIds: [PrefixListId] }).PrefixLists ?? [];
  return { list, entries: getManagedPrefixListEntries(ctx, { PrefixListId }).Entries ?? [] };
}

async function resolve(ctx: Ec2Context, reference: string): Promise<PrefixListId> {
  const { resolveId } = await import('../../ec2/resolve-resource.ts');
  return resolveId(ctx.db, 'prefixList', reference);
}

function print(out: Output, list: ManagedPrefixList, entries: Found['entries']): void {
  out.facts([
    ['list', list.PrefixListId],
    ['name', list.PrefixListName],
    ['family', list.AddressFamily],
    ['version', String(list.Version)],
    ['entries', `${entries.length} of ${list.MaxEntries}`],
  ]);
  out.line();
  out.table(
    ['BLOCK', 'DESCRIPTION'],
    entries.map(({ Cidr = '', Description = '' }) => [Cidr, Description]),
  );
}
