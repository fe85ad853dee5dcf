// Subvolumes and inodes: "On-disk Format", ROOT_ITEM and INODE_ITEM; Linux: struct btrfs_root_item, btrfs_inode_item.
import { MAX_OFFSET } from './key.ts';
import { type TreeRoot, treeRoot } from './super.ts';
import { type Btrfs, findItem, itemsOf } from './tree.ts';
import { corrupt, kindOfMode } from '../disk-fields.ts';
import type { FileNode } from '../file-system.ts';

export const INODE_ITEM = 1;
export const ROOT_ITEM = 132;
const INODE_ITEM_BYTES = 160;
/** Before Linux 3.6; later ones are longer. */
const ROOT_ITEM_BYTES = 239;

/** A tree of files. Each has its own inodes and numbers. */
export interface Subvolume {
  readonly id: bigint;
  readonly root: TreeRoot;
}

export interface Inode {
  readonly subvolume: Subvolume;
  readonly number: bigint;
  readonly kind: FileNode['kind'];
  readonly size: number;
}

/** The top folder of a subvolume. */
export async function readTop(btrfs: Btrfs, id: bigint): Promise<Inode> {
  const from = { objectid: id, type: ROOT_ITEM, offset: 0n };
  for await (const { data } of itemsOf(btrfs, btrfs.superblock.rootTree, {
    from,
    to: { ...from, offset: MAX_OFFSET },
  })) {
    if (data.length < ROOT_ITEM_BYTES) throw corrupt('btrfs', `subvolume ${id} is cut off`);
    const root = treeRoot(data.readBigUInt64LE(176), data.readUInt8(238));
    const top = await readInode(btrfs, { id, root }, data.readBigUInt64LE(168));
    if (top.kind !== 'folder') throw corrupt('btrfs', `the top of subvolume ${id} is not a folder`);
    return top;
  }
  throw corrupt('btrfs', `subvolume ${id} does not exist`);
}

export async function readInode(btrfs: Btrfs, subvolume: Subvolume, number: bigint): Promise<Inode> {
  const key = { objectid: number, type: INODE_ITEM, offset: 0n };
  const item = await findItem(btrfs, subvolume.root, key);
  if (!item || item.length < INODE_ITEM_BYTES) throw corrupt('btrfs', `inode ${number} does not exist`);
  const size = Number(item.readBigUInt64LE(16));
  if (!Number.isSafeInteger(size)) throw corrupt('btrfs', `inode ${number} is said to have ${size} bytes`);
  return { subvolume, number, kind: kindOfMode(item.readUInt32LE(52)), size };
}
