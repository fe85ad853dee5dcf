// Paths in a file system that is not mounted. Links are followed here and nowhere else, so none leads out of it.
import type { FileNode, FileSystem } from './file-system.ts';

/** A guest's kernel follows 40; real systems need a handful. */
const MAX_LINKS = 16;
/** PATH_MAX of Linux. */
const MAX_PATH_LENGTH = 4096;

export interface Found {
  readonly node: FileNode;
  /** Where the links led to. */
  readonly path: string;
}

/** What a path leads to, the last link followed too; undefined when it leads nowhere. `..` at the root stays there. */
export async function find(files: FileSystem, path: string): Promise<Found | undefined> {
  const root = { name: '', node: await files.root() };
  let trail = [root];
  const pending = partsOf(path);
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const { node: folder } = trail.at(-1) ?? root;
    if (folder.kind !== 'folder') return undefined;
    if (name === '..') {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const node = await files.lookup(folder, name);
    if (node?.kind !== 'link') {
      if (node === undefined) return undefined;
      trail.push({ name, node });
      continue;
    }
    const target = await targetOf(files, node);
    if (target === undefined || ++links > MAX_LINKS) return undefined;
    if (target.startsWith('/')) trail = [root];
    pending.push(...partsOf(target));
  }
  const { node } = trail.at(-1) ?? root;
  return { node, path: trail.length === 1 ? '/' : trail.map((step) => step.name).join('/') };
}

export async function exists(files: FileSystem, path: string): Promise<boolean> {
  return (await find(files, path)) !== undefined;
}

/** Whether any of these paths leads somewhere. */
export async function existsOne(files: FileSystem, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if (await exists(files, path)) return true;
  return false;
}

/** The first `maxBytes` of a regular file; undefined when there is none. */
export async function readBytes(
  files: FileSystem,
  path: string,
  maxBytes: number,
): Promise<Buffer | undefined> {
  const found = await find(files, path);
  return found?.node.kind === 'file' ? files.content(found.node, maxBytes) : undefined;
}

/** `readBytes`, as UTF-8. */
export async function readText(
  files: FileSystem,
  path: string,
  maxBytes: number,
): Promise<string | undefined> {
  return (await readBytes(files, path, maxBytes))?.toString();
}

/** Names in a folder; undefined when there is none. */
export async function listFolder(files: FileSystem, path: string): Promise<readonly string[] | undefined> {
  const found = await find(files, path);
  return found?.node.kind === 'folder' ? files.list(found.node) : undefined;
}

/** Last one first, as a stack of what is still to be walked. */
function partsOf(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .toReversed();
}

async function targetOf(files: FileSystem, link: FileNode): Promise<string | undefined> {
  if (link.size === 0 || link.size > MAX_PATH_LENGTH) return undefined;
  return (await files.content(link, MAX_PATH_LENGTH)).toString();
}
