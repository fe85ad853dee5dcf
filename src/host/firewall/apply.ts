import { within } from '../link/namespace.ts';
import { run } from '../command.ts';

/** Puts tables into force, all in one transaction; in the host's own network when no namespace is named. */
export async function applyTables(texts: readonly string[], namespace?: string): Promise<void> {
  await within(namespace, 'nft', ['-f', '-'], texts.join(''));
}

/** Takes a table away; absent is success. `name` has its family: `inet bonami`. */
export async function deleteTable(name: string, namespace?: string): Promise<void> {
  await applyTables([`table ${name}\ndelete table ${name}\n`], namespace);
}

/** Names of the host's own tables, with their families. */
export async function hostTables(): Promise<readonly string[]> {
  const { stdout } = await run('nft', ['list', 'tables']);
  return stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('table ') ? [line.slice('table '.length).trim()] : []));
}
