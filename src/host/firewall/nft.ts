// nftables text. Pure. Only keys, addresses and numbers made by us reach it: names and descriptions never do.
// One statement a line: nft 1.0.6 refuses some one-line forms.
import { createHash } from 'node:crypto';

/** What ends every chain that judges: counted, so that it can be told where something was lost. */
export const REFUSED = 'counter drop';

/** One chain, set or map, ready to stand in a table. */
export type Part = string;

/**
 * A whole table; `name` has its family. Declaring, deleting and defining it in one transaction replaces it atomically,
 * whether it existed or not; conntrack entries live on, so flows are not cut.
 */
export function table(name: string, parts: readonly Part[]): string {
  const text = parts.join('');
  return `table ${name}\ndelete table ${name}\ntable ${name} {\n${text}${seal(text)}}\n`;
}

/** A chain that nobody asks. Its name says what the table was made from, so that an older one is told from this one. */
function seal(text: string): Part {
  return chain(`sealed_${createHash('sha256').update(text).digest('hex').slice(0, 16)}`, []);
}

export function chain(name: string, lines: readonly string[]): Part {
  return block(`chain ${name}`, lines);
}

/**
 * A chain that the kernel calls, at `hook`. Its policy is always to accept, and one that judges ends with a drop of its
 * own: the kernel calls a new chain before the rules in it are in force, so with a policy of dropping packets
 * would be lost each time the table is replaced.
 */
export function baseChain(name: string, hook: string, lines: readonly string[]): Part {
  return chain(name, [`type ${hook}; policy accept;`, ...lines]);
}

export function set(name: string, type: string, elements: readonly string[]): Part {
  return block(`set ${name}`, [`type ${type}`, ...elementLines(elements)]);
}

/** As `set`, for elements that are ranges; they must be disjoint. */
export function rangeSet(name: string, type: string, elements: readonly string[]): Part {
  return block(`set ${name}`, [`type ${type}`, 'flags interval', ...elementLines(elements)]);
}

/** `type` is that of the key and that of the value: `ipv4_addr : verdict`. The first entry of a key holds. */
export function map(name: string, type: string, entries: readonly (readonly [string, string])[]): Part {
  const values = new Map<string, string>();
  for (const [key, value] of entries) if (!values.has(key)) values.set(key, value);
  const elements = [...values].map(([key, value]) => `${key} : ${value}`);
  return block(`map ${name}`, [`type ${type}`, ...elementLines(elements)]);
}

/** One value as it is, several as a set without a name. */
export function oneOf(values: readonly string[]): string {
  return values.length === 1 ? values.join('') : `{ ${values.join(', ')} }`;
}

/** Links by their names; a name may end with an asterisk when it stands alone. */
export function links(names: readonly string[]): string {
  return oneOf(names.map((name) => `"${name}"`));
}

function elementLines(elements: readonly string[]): readonly string[] {
  return elements.length === 0 ? [] : [`elements = { ${elements.join(', ')} }`];
}

function block(head: string, lines: readonly string[]): Part {
  return `  ${head} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
}
