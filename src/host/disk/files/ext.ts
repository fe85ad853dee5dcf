import type { FileNode, OpenFileSystem } from './file-system.ts';
import { LIST_LIMIT } from './file-system.ts';
import { entryBlocks } from './ext/folder.ts';
import { content } from './ext/content.ts';
import { corrupt } from './ext/corrupt.ts';
import { type Inode, ROOT_INODE, readInode } from './ext/inode.ts';
import { type Volume, readSuperblock } from './ext/superblock.ts';

const FILE_FORMAT = 0xf000;
const KINDS: Readonly<Record<number, FileNode['kind']>> = {
  0x4000: 'folder',
  0x8000: 'file',
  0xa000: 'link',
};

/**
 * ext2, ext3 and ext4, as Documentation/filesystems/ext4 of the kernel describes them. Checksums are not looked at:
 * whoever forges a structure forges its checksum. A journal that waits for its replay is not read either: files
 * written shortly before a crash can be missing or old, which an image that was shut down does not have.
 */
export const openExt: OpenFileSystem = async (source) => {
  const volume = await readSuperblock(source);
  if (volume === undefined) return undefined;
  return {
    type: 'ext',
    label: volume.label,
    uuid: volume.uuid,
    async root() {
      const root = await nodeOf(volume, ROOT_INODE);
      if (root.kind !== 'folder') throw corrupt('its root is no folder');
      return root;
    },
    lookup: async (folder, name) => lookup(volume, folder, name),
    list: async (folder) => list(volume, folder),
    content: async (node, maxBytes) => content(volume, inodeOf(node), Math.min(node.size, maxBytes)),
  };
};

async function lookup(volume: Volume, folder: FileNode, name: string): Promise<FileNode | undefined> {
  const wanted = Buffer.from(name);
  for await (const entries of entryBlocks(volume, inodeOf(folder))) {
    const found = entries.find((entry) => entry.name.equals(wanted));
    if (found) return nodeOf(volume, found.inode);
  }
  return undefined;
}

async function list(volume: Volume, folder: FileNode): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const entries of entryBlocks(volume, inodeOf(folder))) {
    names.push(...entries.map(({ name }) => name.toString()).filter((name) => name !== '.' && name !== '..'));
    if (names.length >= LIST_LIMIT) break;
  }
  return names.slice(0, LIST_LIMIT);
}

async function nodeOf(volume: Volume, number: number): Promise<FileNode> {
  const inode = await readInode(volume, number);
  const kind = inode.isReadable ? (KINDS[inode.mode & FILE_FORMAT] ?? 'other') : 'other';
  return { kind, size: kind === 'other' ? 0 : inode.size, ref: inode };
}

/** Nodes come back to the reader that made them, as `FileSystem` says. */
function inodeOf({ ref }: FileNode): Inode {
  return ref as Inode;
}
