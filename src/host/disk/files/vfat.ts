import type { FileNode, OpenFileSystem } from './file-system.ts';
import { LIST_LIMIT } from './file-system.ts';
import { type Volume, readBootSector } from './vfat/boot-sector.ts';
import { chainContent } from './vfat/clusters.ts';
import { type Entry, volumeLabel, readFolder } from './vfat/folder.ts';

/** A folder's place: its first cluster, or the root, which has an own place in FAT12 and FAT16. */
type Place = number | 'root';

/**
 * FAT12, FAT16 and FAT32 with long names, as Microsoft's FAT specification and fs/fat of the kernel have them. Names
 * are found in whatever case they are asked for.
 */
export const openVfat: OpenFileSystem = async (source) => {
  const volume = await readBootSector(source);
  if (volume === undefined) return undefined;
  const root: FileNode = { kind: 'folder', size: 0, ref: 'root' satisfies Place };
  const entriesOf = async (folder: FileNode): Promise<readonly Entry[]> =>
    readFolder(volume, clusterOf(volume, folder));
  return {
    type: 'vfat',
    // The label of the root folder is the one that tools change; the boot sector's is older. blkid does the same.
    label: volumeLabel(await entriesOf(root)) ?? volume.label,
    uuid: volume.serial,
    root: async () => root,
    async lookup(folder, name) {
      const wanted = name.toLowerCase();
      const found = (await entriesOf(folder)).find(
        (entry) =>
          !entry.isLabel && (entry.name.toLowerCase() === wanted || entry.shortName.toLowerCase() === wanted),
      );
      return found && nodeOf(found);
    },
    async list(folder) {
      const names = (await entriesOf(folder)).filter(({ isLabel }) => !isLabel).map(({ name }) => name);
      return names.filter((name) => name !== '.' && name !== '..').slice(0, LIST_LIMIT);
    },
    async content({ kind, size, ref }, maxBytes) {
      if (kind !== 'file') return Buffer.alloc(0);
      return chainContent(volume, ref as number, Math.min(size, maxBytes));
    },
  };
};

function nodeOf({ isFolder, cluster, size }: Entry): FileNode {
  // Entry `..` says 0 when it means the root.
  if (isFolder) return { kind: 'folder', size: 0, ref: cluster === 0 ? 'root' : cluster };
  return { kind: 'file', size, ref: cluster };
}

/** undefined for the root of FAT12 and FAT16. */
function clusterOf({ rootCluster }: Volume, { ref }: FileNode): number | undefined {
  const place = ref as Place;
  return place === 'root' ? rootCluster : place;
}
