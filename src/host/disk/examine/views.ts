// Some systems put the root folder together when they boot. These make of their parts what a guest will see.
import type { FileNode, FileSystem } from '../files/file-system.ts';
import { find, listFolder } from '../files/paths.ts';

/** A folder of a file system as a file system of its own. */
function rootedAt(files: FileSystem, root: FileNode): FileSystem {
  return { ...files, root: async () => root };
}

/**
 * The deployment in an OSTree repository's disk: Fedora CoreOS, RHEL CoreOS, Fedora IoT. undefined when it has none.
 * OSTree: docs/deployment.md, `/ostree/deploy/$stateroot/deploy/$checksum.$serial`.
 */
export async function ostreeDeployment(files: FileSystem): Promise<FileSystem | undefined> {
  for (const stateroot of (await listFolder(files, 'ostree/deploy'))?.slice(0, 4) ?? []) {
    const folder = `ostree/deploy/${stateroot}/deploy`;
    const name = (await listFolder(files, folder))?.find((entry) => /^[0-9a-f]{64}\.\d+$/.test(entry));
    const found = name === undefined ? undefined : await find(files, `${folder}/${name}`);
    if (found?.node.kind === 'folder') return rootedAt(files, found.node);
  }
  return undefined;
}

/** A file system that is going to be mounted at /usr, as Flatcar has it, below a root folder that holds nothing else. */
export function mountedAtUsr(files: FileSystem): FileSystem {
  const root: FileNode = { kind: 'folder', size: 0, ref: undefined };
  return {
    ...files,
    root: async () => root,
    lookup: async (folder, name) => {
      if (folder !== root) return files.lookup(folder, name);
      return name === 'usr' ? files.root() : undefined;
    },
    list: async (folder) => (folder === root ? ['usr'] : files.list(folder)),
  };
}
