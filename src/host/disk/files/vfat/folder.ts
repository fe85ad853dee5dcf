import type { Volume } from './boot-sector.ts';
import { clusterBlocks } from './clusters.ts';

export interface Entry {
  /** The long name if there is one that belongs to the entry. */
  readonly name: string;
  /** As `NAME.EXT`, in the case in which it is shown. */
  readonly shortName: string;
  readonly isFolder: boolean;
  readonly isLabel: boolean;
  readonly cluster: number;
  readonly size: number;
}

const ENTRY = 32;
/** 65,536 entries, the format's own limit. */
const MAX_FOLDER_BYTES = 65536 * ENTRY;
const DELETED = 0xe5;
const LONG_NAME = 0x0f;
const LABEL = 0x08;
const FOLDER = 0x10;
/** Where the 13 UTF-16 units of an entry with a piece of a long name are. */
const PIECE: readonly (readonly [begin: number, end: number])[] = [
  [1, 11],
  [14, 26],
  [28, 32],
];
const MAX_PIECES = 20;

/** All entries of a folder; that without a cluster is the root of FAT12 or FAT16. */
export async function readFolder(volume: Volume, cluster: number | undefined): Promise<readonly Entry[]> {
  const found: Entry[] = [];
  const pieces = new LongName();
  for await (const block of blocksOf(volume, cluster))
    for (let place = 0; place + ENTRY <= block.length; place += ENTRY) {
      const entry = block.subarray(place, place + ENTRY);
      if (entry.readUInt8(0) === 0) return found;
      const attributes = entry.readUInt8(11);
      if (entry.readUInt8(0) === DELETED) pieces.clear();
      else if ((attributes & 0x3f) === LONG_NAME) pieces.add(entry);
      else found.push(entryOf(volume, entry, pieces.take(entry)));
    }
  return found;
}

/** The label that the root folder holds among its entries. */
export function volumeLabel(entries: readonly Entry[]): string | undefined {
  return entries.find(({ isLabel }) => isLabel)?.shortName;
}

async function* blocksOf(volume: Volume, cluster: number | undefined): AsyncGenerator<Buffer> {
  if (cluster === undefined) yield await volume.source.read(volume.rootAt, volume.rootBytes);
  else yield* clusterBlocks(volume, cluster, Math.ceil(MAX_FOLDER_BYTES / volume.clusterBytes));
}

function entryOf({ bits }: Volume, entry: Buffer, longName: string | undefined): Entry {
  const attributes = entry.readUInt8(11);
  const isLabel = (attributes & LABEL) !== 0;
  const shortName = isLabel ? entry.toString('latin1', 0, 11).trimEnd() : shortNameOf(entry);
  return {
    name: longName ?? shortName,
    shortName,
    isFolder: (attributes & FOLDER) !== 0,
    isLabel,
    cluster: (bits === 32 ? (entry.readUInt16LE(20) & 0xfff) * 65536 : 0) + entry.readUInt16LE(26),
    size: entry.readUInt32LE(28),
  };
}

/** Bits 3 and 4 of byte 12 say that name and extension are to be shown in lower case: fs/fat/dir.c. */
function shortNameOf(entry: Buffer): string {
  const shown = entry.readUInt8(12);
  const part = (begin: number, end: number, isLower: boolean): string => {
    const text = entry.toString('latin1', begin, end).trimEnd();
    return isLower ? text.toLowerCase() : text;
  };
  // 0xe5 marks a deleted entry, so that names which begin with it are written with 0x05.
  const stored = part(0, 8, (shown & 0x08) !== 0);
  const name = stored.startsWith('\x05') ? `\xe5${stored.slice(1)}` : stored;
  const extension = part(8, 11, (shown & 0x10) !== 0);
  return extension === '' ? name : `${name}.${extension}`;
}

/** Long names lie in front of their entry, last piece first, each with the short name's checksum. */
class LongName {
  #pieces: string[] = [];
  #next = 0;
  #checksum = 0;

  add(entry: Buffer): void {
    const order = entry.readUInt8(0);
    const number = order & 0x3f;
    if (order & 0x40) {
      this.clear();
      this.#next = number <= MAX_PIECES ? number : 0;
      this.#checksum = entry.readUInt8(13);
    }
    const belongs = number !== 0 && number === this.#next && entry.readUInt8(13) === this.#checksum;
    if (!belongs) return this.clear();
    this.#pieces.unshift(PIECE.map(([begin, end]) => entry.toString('utf16le', begin, end)).join(''));
    this.#next--;
  }

  /** The name that was gathered, if it is whole and this entry's. */
  take(entry: Buffer): string | undefined {
    const isWhole = this.#pieces.length > 0 && this.#next === 0 && this.#checksum === checksumOf(entry);
    const name = isWhole ? this.#pieces.join('').split('\0')[0] : undefined;
    this.clear();
    return name === '' ? undefined : name;
  }

  clear(): void {
    this.#pieces = [];
    this.#next = 0;
  }
}

/** Of the eleven bytes of a short name. */
function checksumOf(entry: Buffer): number {
  return entry.subarray(0, 11).reduce((sum, byte) => (((sum & 1) << 7) + (sum >> 1) + byte) & 0xff, 0);
}
