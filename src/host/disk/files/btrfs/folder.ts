// Folders: "On-disk Format", DIR_ITEM and DIR_INDEX; Linux: struct btrfs_dir_item, fs/btrfs/inode.c.
import { type Inode, INODE_ITEM, ROOT_ITEM, readInode, readTop } from './inode.ts';
import { type Key, MAX_OFFSET, readKey } from './key.ts';
import { type Btrfs, findItem, itemsOf } from './tree.ts';
import type { TreeRoot } from './super.ts';
import { crc32cFrom } from '../../crc32c.ts';
import { canBeName, corrupt } from '../disk-fields.ts';

const DIR_ITEM = 84;
const DIR_INDEX = 96;
const ROOT_REF = 156;
/** Key of what is named, transaction, length of other data, length of the name, kind. */
const ENTRY_BYTES = 30;
const ROOT_REF_BYTES = 18;
/** Linux: BTRFS_EMPTY_SUBVOL_DIR_OBJECTID. No tree has items of this number. */
const EMPTY_FOLDER = 2n;

interface Entry {
  readonly name: Buffer;
  /** An inode of the same subvolume, or another subvolume. */
  readonly target: Key;
}

/** What the entry of this name refers to. */
export async function findEntry(btrfs: Btrfs, folder: Inode, name: Buffer): Promise<Inode | undefined> {
  const target = await findTarget(btrfs, folder.subvolume.root, { folder: folder.number, name });
  if (!target) return undefined;
  if (target.type === INODE_ITEM) return readInode(btrfs, folder.subvolume, target.objectid);
  if (target.type !== ROOT_ITEM) throw corrupt('btrfs', 'an entry of a folder refers to what is no file');
  if (await holds(btrfs, folder, { subvolume: target.objectid, name }))
    return readTop(btrfs, target.objectid);
  return { ...folder, number: EMPTY_FOLDER };
}

/** What the entry of this name refers to, found by the name's hash: entries that share it share an item. */
export async function findTarget(
  btrfs: Btrfs,
  root: TreeRoot,
  { folder, name }: { folder: bigint; name: Buffer },
): Promise<Key | undefined> {
  // Linux: btrfs_name_hash().
  const hash = crc32cFrom(0xfffffffe, name);
  const item = await findItem(btrfs, root, { objectid: folder, type: DIR_ITEM, offset: BigInt(hash) });
  return item && readEntries(item).find((entry) => entry.name.equals(name))?.target;
}

/** Names in a folder, in the order in which they came into being. */
export async function* namesOf(btrfs: Btrfs, folder: Inode): AsyncGenerator<Buffer> {
  const from = { objectid: folder.number, type: DIR_INDEX, offset: 0n };
  const range = { from, to: { ...from, offset: MAX_OFFSET } };
  for await (const { data } of itemsOf(btrfs, folder.subvolume.root, range))
    for (const { name } of readEntries(data)) yield name;
}

/** At least one entry, and each takes its room, so there are not too many. */
function readEntries(item: Buffer): readonly Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < item.length || entries.length === 0;) {
    if (at + ENTRY_BYTES > item.length) throw damagedFolder();
    const nameAt = at + ENTRY_BYTES;
    const nameEnd = nameAt + item.readUInt16LE(at + 27);
    const name = item.subarray(nameAt, nameEnd);
    const next = nameEnd + item.readUInt16LE(at + 25);
    if (next > item.length || !canBeName(name)) throw damagedFolder();
    entries.push({ name, target: readKey(item, at) });
    at = next;
  }
  return entries;
}

/**
 * Whether this subvolume lies in this folder. A snapshot repeats the entries of the subvolumes in its original, but not
 * their content: there the kernel shows empty folders. Linux: fixup_tree_root_location().
 */
async function holds(
  { superblock, ...rest }: Btrfs,
  folder: Inode,
  { subvolume, name }: { subvolume: bigint; name: Buffer },
): Promise<boolean> {
  const key = { objectid: folder.subvolume.id, type: ROOT_REF, offset: subvolume };
  const reference = await findItem({ superblock, ...rest }, superblock.rootTree, key);
  if (!reference || reference.length < ROOT_REF_BYTES) return false;
  const end = ROOT_REF_BYTES + reference.readUInt16LE(16);
  return (
    reference.readBigUInt64LE(0) === folder.number && reference.subarray(ROOT_REF_BYTES, end).equals(name)
  );
}

function damagedFolder(): Error {
  return corrupt('btrfs', 'the entries of a folder make no sense');
}
