// Blocks of addresses of both families as numbers, so that one piece of code can tell which lies in which.
import { parseIpv4 } from '../../core/cidr.ts';
import { familyOf, parseIpv6, type Family } from '../../core/ip.ts';

export const FAMILIES: readonly Family[] = [4, 6];

/** The blocks or addresses of one family, in their order. */
export function ofFamily(blocks: readonly string[], family: Family): readonly string[] {
  return blocks.filter((block) => familyOf(block) === family);
}

/** Blocks that can be asked which of them lie around another one. Two blocks nest or are disjoint: there is no third. */
export class BlockTree<Value> {
  readonly #values = new Map<string, Value>();
  /** Only prefixes that occur are looked up: a handful, where IPv6 has 128. */
  readonly #prefixes = new Set<number>();

  set(block: string, value: Value): void {
    const read = readBlock(block);
    this.#prefixes.add(read.prefix);
    this.#values.set(keyOf(read), value);
  }

  get(block: string): Value | undefined {
    return this.#values.get(keyOf(readBlock(block)));
  }

  /** What was kept for the blocks that hold this one, itself not among them. */
  around(block: string): readonly Value[] {
    const read = readBlock(block);
    return [...this.#prefixes].flatMap((prefix) => {
      const value = prefix < read.prefix ? this.#values.get(keyOf(read, prefix)) : undefined;
      return value === undefined ? [] : [value];
    });
  }
}

/** The same addresses in disjoint blocks, in their order: none twice, and none that lies in another. */
export function disjoint(blocks: readonly string[]): readonly string[] {
  const first = new BlockTree<number>();
  blocks.forEach((block, index) => {
    if (first.get(block) === undefined) first.set(block, index);
  });
  return blocks.filter((block, index) => first.get(block) === index && first.around(block).length === 0);
}

interface Block {
  readonly family: Family;
  readonly width: number;
  readonly network: bigint;
  readonly prefix: number;
}

/** A block, or an address as the block of itself. The text is canonical, so it is not checked again. */
function readBlock(text: string): Block {
  const [address = '', prefix] = text.split('/');
  const family = familyOf(address);
  const width = family === 4 ? 32 : 128;
  const network = family === 4 ? BigInt(parseIpv4(address) ?? 0) : (parseIpv6(address) ?? 0n);
  return { family, width, network, prefix: prefix === undefined ? width : Number(prefix) };
}

/** One text for a block, however it was written; with a shorter prefix for the one around it. */
function keyOf({ family, width, network, prefix }: Block, shorter = prefix): string {
  return `${family} ${network >> BigInt(width - shorter)}/${shorter}`;
}
