import { ask, type Namespace } from '../link/namespace.ts';

/** Names of chains and maps with the number of rules or elements in each. */
type Shape = ReadonlyMap<string, number>;

/**
 * Whether the kernel has the tables of this very text, with all their chains, rules and map entries: what was made from
 * other records is found, and what somebody has deleted or flushed; a rule that was replaced by hand is not.
 */
export async function hasTables(namespace: Namespace, text: string): Promise<boolean> {
  for (const [name, wanted] of tablesIn(text)) {
    const { stdout, exitCode } = await ask(namespace, 'nft', ['-j', 'list', 'table', ...name.split(' ')]);
    if (exitCode !== 0) return false;
    const found = shapeOf(stdout);
    if (![...wanted].every(([part, count]) => found.get(part) === count)) return false;
  }
  return true;
}

/** What nft.ts prints: a table at the margin, its parts indented by two, their lines by four. */
function tablesIn(text: string): ReadonlyMap<string, Shape> {
  const tables = new Map<string, Map<string, number>>();
  let [table, part, count] = [new Map<string, number>(), '', 0];
  for (const line of text.split('\n')) {
    const [, name] = /^table (.+) \{$/.exec(line) ?? [];
    const [, kind, title] = /^ {2}(chain|map) (\S+) \{$/.exec(line) ?? [];
    if (name !== undefined) tables.set(name, (table = new Map<string, number>()));
    else if (kind !== undefined && title !== undefined) [part, count] = [`${kind} ${title}`, 0];
    else if (line === '  }' && part !== '') {
      table.set(part, count);
      part = '';
    } else if (part.startsWith('chain') && !/^ {4}type .* hook /.test(line)) count++;
    else if (part.startsWith('map') && line.includes('elements = ')) count = line.split(',').length;
  }
  return tables;
}

interface ListedTable {
  readonly nftables: readonly {
    readonly chain?: { readonly name: string };
    readonly rule?: { readonly chain: string };
    readonly map?: { readonly name: string; readonly elem?: readonly unknown[] };
  }[];
}

function shapeOf(json: string): Shape {
  const { nftables } = JSON.parse(json) as ListedTable;
  const shape = new Map<string, number>();
  for (const { chain, rule, map } of nftables) {
    if (chain) shape.set(`chain ${chain.name}`, 0);
    if (rule) shape.set(`chain ${rule.chain}`, (shape.get(`chain ${rule.chain}`) ?? 0) + 1);
    if (map) shape.set(`map ${map.name}`, map.elem?.length ?? 0);
  }
  return shape;
}
