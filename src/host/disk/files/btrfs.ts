import { CHUNK_ITEM, CHUNK_OBJECT, type Chunk, readChunk, readSystemChunks, sorted } from './btrfs/chunks.ts';
import { fileContent } from './btrfs/content.ts';
import { findEntry, findTarget, namesOf } from './btrfs/folder.ts';
import { type Inode, ROOT_ITEM, readTop } from './btrfs/inode.ts';
import { MAX_OFFSET } from './btrfs/key.ts';
import { type Super, readSuper } from './btrfs/super.ts';
import { type Btrfs, itemsOf } from './btrfs/tree.ts';
import type { ByteSource } from '../byte-source.ts';
import { corrupt } from './disk-fields.ts';
import { type FileNode, type FileSystem, LIST_LIMIT, type OpenFileSystem } from './file-system.ts';

/** Linux: BTRFS_FS_TREE_OBJECTID, the subvolume that every btrfs has. */
const FIRST_SUBVOLUME = 5n;
/** Chunks have 256 MiB or more each, but for the first few. */
const MAX_CHUNKS = 100_000;
/** Where distributions keep the root folder when they do not make its subvolume the default: Fedora, openSUSE, mkosi. */
const ROOT_SUBVOLUMES = [['root'], ['@'], ['@rootfs'], ['@', '.snapshots', '1', 'snapshot']];

/**
 * A reader of btrfs on one disk. Subvolumes are folders. What was only flushed into the log of a file system that was
 * not unmounted is not seen; checksums are not verified.
 */
export const openBtrfs: OpenFileSystem = async (source) => {
  const superblock = await readSuper(source);
  if (!superblock) return undefined;
  const btrfs: Btrfs = { source, superblock, chunks: await readChunks(source, superblock) };
  return {
    type: 'btrfs',
    label: superblock.label,
    uuid: superblock.uuid,
    root: async () => nodeOf(await findRoot(btrfs)),
    lookup: async (folder, name) => {
      const found = await lookup(btrfs, inodeOf(folder), name);
      return found && nodeOf(found);
    },
    list: async (folder) => list(btrfs, inodeOf(folder)),
    content: async (node, maxBytes) => {
      const hasContent = node.kind === 'file' || node.kind === 'link';
      return hasContent ? fileContent(btrfs, inodeOf(node), maxBytes) : Buffer.alloc(0);
    },
  } satisfies FileSystem;
};

async function readChunks(source: ByteSource, superblock: Super): Promise<readonly Chunk[]> {
  const start: Btrfs = { source, superblock, chunks: readSystemChunks(superblock) };
  const from = { objectid: CHUNK_OBJECT, type: CHUNK_ITEM, offset: 0n };
  const range = { from, to: { ...from, offset: MAX_OFFSET } };
  const chunks: Chunk[] = [];
  for await (const { key, data } of itemsOf(start, superblock.chunkTree, range)) {
    if (chunks.length === MAX_CHUNKS) throw corrupt('btrfs', `it has more than ${MAX_CHUNKS} chunks`);
    chunks.push(readChunk(key.offset, data, superblock.device));
  }
  return sorted(chunks);
}

/** The top of the default subvolume, or of the subvolume in it that has a system's folders when it has none. */
async function findRoot(btrfs: Btrfs): Promise<Inode> {
  const top = await readTop(btrfs, await defaultSubvolume(btrfs));
  if (await lookup(btrfs, top, 'etc')) return top;
  for (const path of ROOT_SUBVOLUMES) {
    const candidate = await follow(btrfs, top, path);
    if (!candidate) continue;
    if ((await lookup(btrfs, candidate, 'etc')) ?? (await lookup(btrfs, candidate, 'usr'))) return candidate;
  }
  return top;
}

/** The root tree has a folder whose only entry is named so: `btrfs subvolume set-default`. */
async function defaultSubvolume(btrfs: Btrfs): Promise<bigint> {
  const { rootTree, rootDirectory } = btrfs.superblock;
  const target = await findTarget(btrfs, rootTree, { folder: rootDirectory, name: Buffer.from('default') });
  return target?.type === ROOT_ITEM ? target.objectid : FIRST_SUBVOLUME;
}

async function follow(btrfs: Btrfs, top: Inode, path: readonly string[]): Promise<Inode | undefined> {
  let folder: Inode | undefined = top;
  for (const name of path) folder = folder && (await lookup(btrfs, folder, name));
  return folder;
}

async function lookup(btrfs: Btrfs, folder: Inode, name: string): Promise<Inode | undefined> {
  return folder.kind === 'folder' ? findEntry(btrfs, folder, Buffer.from(name)) : undefined;
}

async function list(btrfs: Btrfs, folder: Inode): Promise<readonly string[]> {
  const names: string[] = [];
  if (folder.kind !== 'folder') return names;
  for await (const name of namesOf(btrfs, folder)) {
    if (names.length === LIST_LIMIT) break;
    names.push(name.toString());
  }
  return names;
}

function nodeOf(inode: Inode): FileNode {
  const hasContent = inode.kind === 'file' || inode.kind === 'link';
  return { kind: inode.kind, size: hasContent ? inode.size : 0, ref: inode };
}

function inodeOf({ ref }: FileNode): Inode {
  return ref as Inode;
}
