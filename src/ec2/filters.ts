import type { Filter } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../core/errors.ts';

/**
 * What each filter name reads from a record. The name `tag:*` stands for every `tag:<key>` and gets the key.
 */
export type FilterTable<R> = Readonly<Record<string, (record: R, key: string) => string | readonly string[]>>;

/**
 * EC2's filters as tests: a record passes when every test does. Values of one filter are alternatives; `*` and `?`
 * are wildcards (AWS: Filter). Throws `InvalidParameterValue` for a name that the table does not have.
 */
export function filterTests<R>(
  filters: readonly Filter[],
  table: FilterTable<R>,
): readonly ((record: R) => boolean)[] {
  return filters.map(({ Name = '', Values = [] }) => {
    const own = Object.hasOwn(table, Name) ? table[Name] : undefined;
    const read = own ?? (Name.startsWith('tag:') ? table['tag:*'] : undefined);
    if (read === undefined || Name === 'tag:*')
      throw new Ec2Error('InvalidParameterValue', `The filter '${Name}' is invalid`, {
        hint: `one of ${Object.keys(table).join(', ')}`,
      });
    const patterns = Values.map(wildcard);
    const key = Name.slice(Name.indexOf(':') + 1);
    return (record) =>
      [read(record, key)].flat().some((value) => patterns.some((pattern) => pattern.test(value)));
  });
}

/** EC2's wildcards as an anchored expression; a backslash before one, or before another backslash, makes it literal. */
export function wildcard(pattern: string): RegExp {
  const source = pattern.replaceAll(/\\[*?\\]|[.+^${}()|[\]\\*?]/g, (found) => {
    if (found === '*') return '.*';
    if (found === '?') return '.';
    return found.length === 2 ? found : `\\${found}`;
  });
  return new RegExp(`^${source}$`, 's');
}
