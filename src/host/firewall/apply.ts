import { within, type Namespace } from '../link/namespace.ts';

/** Puts tables into force, all in one transaction. */
export async function applyTables(namespace: Namespace, texts: readonly string[]): Promise<void> {
  await within(namespace, 'nft', ['-f', '-'], texts.join(''));
}

/** Takes a table away; absent is success. `name` has its family: `inet bonami`. */
export async function deleteTable(namespace: Namespace, name: string): Promise<void> {
  await applyTables(namespace, [`table ${name}\ndelete table ${name}\n`]);
}

/** Names of a namespace's tables, with their families. */
export async function tablesOf(namespace: Namespace): Promise<readonly string[]> {
  return (await within(namespace, 'nft', ['list', 'tables']))
    .split('\n')
    .flatMap((line) => (line.startsWith('table ') ? [line.slice('table '.length).trim()] : []));
}
