// Trees: "On-disk Format", "B-trees"; Linux: struct btrfs_header, btrfs_item, btrfs_key_ptr. Checksums are not verified.
import type { ByteSource } from '../../byte-source.ts';
import { type Chunk, diskOffset } from './chunks.ts';
import { KEY_BYTES, type Key, compareKeys, readKey } from './key.ts';
import type { Super, TreeRoot } from './super.ts';
import { corrupt } from '../disk-fields.ts';

const HEADER_BYTES = 101;
/** In a leaf: key, place of the data behind the header, its length. */
const ITEM_BYTES = 25;
/** In other nodes: key, address of the child, its generation. */
const POINTER_BYTES = 33;

/** A disk, its superblock, and where logical addresses are on it. */
export interface Btrfs {
  readonly source: ByteSource;
  readonly superblock: Super;
  readonly chunks: readonly Chunk[];
}

export interface Item {
  readonly key: Key;
  readonly data: Buffer;
}

interface Node {
  readonly bytes: Buffer;
  readonly level: number;
  /** Strictly ascending. */
  readonly keys: readonly Key[];
}

/** What is looked for, and the last key that was seen: keys ascend over a whole tree, so no walk goes in circles. */
interface Walk {
  readonly from: Key;
  readonly to: Key;
  last: Key | undefined;
}

/** The item of exactly this key. */
export async function findItem(btrfs: Btrfs, root: TreeRoot, key: Key): Promise<Buffer | undefined> {
  for await (const { data } of itemsOf(btrfs, root, { from: key, to: key })) return data;
  return undefined;
}

/** The items of a tree from one key to another, both included, in their order. */
export async function* itemsOf(
  btrfs: Btrfs,
  root: TreeRoot,
  range: { readonly from: Key; readonly to: Key },
): AsyncGenerator<Item> {
  const node = await readNode(btrfs, root);
  yield* walk(btrfs, node, { ...range, last: undefined });
}

async function* walk(btrfs: Btrfs, node: Node, state: Walk): AsyncGenerator<Item> {
  if (node.level === 0) {
    yield* leafItems(node, state);
    return;
  }
  // The range may begin in the child before the first one whose own keys are in it.
  const first = Math.max(0, firstAfter(node.keys, state.from) - 1);
  for (const [index, key] of node.keys.entries()) {
    if (index < first) continue;
    if (compareKeys(key, state.to) > 0) return;
    const address = node.bytes.readBigUInt64LE(HEADER_BYTES + index * POINTER_BYTES + KEY_BYTES);
    const child = await readNode(btrfs, { address, level: node.level - 1 });
    const childKey = child.keys[0];
    if (!childKey || compareKeys(childKey, key) !== 0)
      throw corrupt('btrfs', `node ${address} is not in its place`);
    yield* walk(btrfs, child, state);
  }
}

function* leafItems({ bytes, keys }: Node, state: Walk): Generator<Item> {
  for (const [index, key] of keys.entries()) {
    if (compareKeys(key, state.from) < 0) continue;
    if (compareKeys(key, state.to) > 0) return;
    if (state.last && compareKeys(state.last, key) >= 0)
      throw corrupt('btrfs', 'the keys of a tree are not in order');
    state.last = key;
    const at = HEADER_BYTES + index * ITEM_BYTES + KEY_BYTES;
    const start = HEADER_BYTES + bytes.readUInt32LE(at);
    const end = start + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) throw corrupt('btrfs', 'an item runs out of its leaf');
    yield { key, data: bytes.subarray(start, end) };
  }
}

async function readNode({ source, superblock, chunks }: Btrfs, { address, level }: TreeRoot): Promise<Node> {
  const { nodeBytes } = superblock;
  const bytes = await source.read(diskOffset(chunks, address, nodeBytes), nodeBytes);
  const count = bytes.readUInt32LE(96);
  const each = level === 0 ? ITEM_BYTES : POINTER_BYTES;
  const isNode = bytes.readBigUInt64LE(48) === address && bytes.readUInt8(100) === level;
  if (!isNode || HEADER_BYTES + count * each > nodeBytes) throw corrupt('btrfs', `node ${address} is none`);
  const keys = Array.from({ length: count }, (_, index) => readKey(bytes, HEADER_BYTES + index * each));
  for (const [index, key] of keys.entries()) {
    const before = keys[index - 1];
    if (before && compareKeys(before, key) >= 0)
      throw corrupt('btrfs', `the keys of node ${address} are not in order`);
  }
  return { bytes, level, keys };
}

/** The index of the first key behind this one; as many as there are when none is. */
function firstAfter(keys: readonly Key[], key: Key): number {
  let from = 0;
  let to = keys.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    const candidate = keys[middle];
    if (candidate && compareKeys(candidate, key) <= 0) from = middle + 1;
    else to = middle;
  }
  return from;
}
