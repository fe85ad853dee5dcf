import type { ByteSource } from '../byte-source.ts';

/** A file or folder as a reader of its file system knows it. `ref` means something to that reader only. */
export interface FileNode {
  readonly kind: 'file' | 'folder' | 'link' | 'other';
  /** Bytes of a file's or link's content. */
  readonly size: number;
  readonly ref: unknown;
}

/**
 * A file system in a disk, read without mounting it: whoever wrote it may have meant harm. Every method throws a
 * HostError `ImageCorrupt` for structures that make no sense, and nothing else; loops and depths are bounded.
 */
export interface FileSystem {
  readonly type: 'ext' | 'xfs' | 'btrfs' | 'vfat';
  readonly label: string;
  /** Lower case, as blkid(8) prints it; empty when there is none. */
  readonly uuid: string;
  root(): Promise<FileNode>;
  /** The entry of this name; undefined when the folder has none. */
  lookup(folder: FileNode, name: string): Promise<FileNode | undefined>;
  /** Names in a folder, without `.` and `..`, at most `LIST_LIMIT`. */
  list(folder: FileNode): Promise<readonly string[]>;
  /** The first `maxBytes` of a file's content, or a link's target. */
  content(node: FileNode, maxBytes: number): Promise<Buffer>;
}

export const LIST_LIMIT = 10_000;

/** A reader of one kind of file system; undefined when the source does not hold that kind. */
export type OpenFileSystem = (source: ByteSource) => Promise<FileSystem | undefined>;
