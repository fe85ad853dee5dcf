import { corrupt } from './disk-fields.ts';
import { type FileNode, type FileSystem, LIST_LIMIT, type OpenFileSystem } from './file-system.ts';
import { fileContent, linkTarget } from './xfs/content.ts';
import { entriesOf } from './xfs/directory.ts';
import { readGeometry } from './xfs/geometry.ts';
import { type Inode, type Xfs, readInode } from './xfs/inode.ts';

/**
 * A reader of XFS, versions 4 and 5. What the log still holds of a file system that was not unmounted is not seen;
 * checksums are not verified.
 */
export const openXfs: OpenFileSystem = async (source) => {
  const geometry = await readGeometry(source);
  if (!geometry) return undefined;
  const xfs: Xfs = { source, geometry };
  return {
    type: 'xfs',
    label: geometry.label,
    uuid: geometry.uuid,
    root: async () => rootOf(xfs),
    lookup: async (folder, name) => lookup(xfs, inodeOf(folder), name),
    list: async (folder) => list(xfs, inodeOf(folder)),
    content: async (node, maxBytes) => content(xfs, inodeOf(node), maxBytes),
  } satisfies FileSystem;
};

async function rootOf(xfs: Xfs): Promise<FileNode> {
  const root = await readInode(xfs, xfs.geometry.rootInode);
  if (root.kind !== 'folder') throw corrupt('XFS', 'its root is not a folder');
  return nodeOf(root);
}

async function lookup(xfs: Xfs, folder: Inode, name: string): Promise<FileNode | undefined> {
  if (folder.kind !== 'folder') return undefined;
  const wanted = Buffer.from(name);
  for await (const entries of entriesOf(xfs, folder))
    for (const { name: found, inode } of entries)
      if (found.equals(wanted)) return nodeOf(await readInode(xfs, inode));
  return undefined;
}

async function list(xfs: Xfs, folder: Inode): Promise<readonly string[]> {
  const names: string[] = [];
  if (folder.kind !== 'folder') return names;
  for await (const entries of entriesOf(xfs, folder))
    for (const { name } of entries) {
      if (names.length === LIST_LIMIT) return names;
      names.push(name.toString());
    }
  return names;
}

async function content(xfs: Xfs, inode: Inode, maxBytes: number): Promise<Buffer> {
  switch (inode.kind) {
    case 'file':
      return fileContent(xfs, inode, maxBytes);
    case 'link':
      return (await linkTarget(xfs, inode)).subarray(0, maxBytes);
    case 'folder':
    case 'other':
      return Buffer.alloc(0);
  }
}

function nodeOf(inode: Inode): FileNode {
  const hasContent = inode.kind === 'file' || inode.kind === 'link';
  return { kind: inode.kind, size: hasContent ? inode.size : 0, ref: inode };
}

function inodeOf({ ref }: FileNode): Inode {
  return ref as Inode;
}
