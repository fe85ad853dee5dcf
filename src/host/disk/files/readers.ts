import { openBtrfs } from './btrfs.ts';
import { openExt } from './ext.ts';
import type { OpenFileSystem } from './file-system.ts';
import { openVfat } from './vfat.ts';
import { openXfs } from './xfs.ts';

/** Every kind of file system that can be read, most frequent first. No disk is two of them. */
export const READERS: readonly OpenFileSystem[] = [openExt, openVfat, openXfs, openBtrfs];
