// Keys: every item of a tree has one, and they are sorted. Linux: struct btrfs_disk_key.

export const KEY_BYTES = 17;

export interface Key {
  readonly objectid: bigint;
  readonly type: number;
  readonly offset: bigint;
}

/** The largest `offset` of a key. */
export const MAX_OFFSET = 2n ** 64n - 1n;

export function readKey(bytes: Buffer, at: number): Key {
  return {
    objectid: bytes.readBigUInt64LE(at),
    type: bytes.readUInt8(at + 8),
    offset: bytes.readBigUInt64LE(at + 9),
  };
}

/** Negative, zero or positive: by object, then by type, then by offset. */
export function compareKeys(one: Key, other: Key): number {
  if (one.objectid !== other.objectid) return one.objectid < other.objectid ? -1 : 1;
  if (one.type !== other.type) return one.type - other.type;
  if (one.offset !== other.offset) return one.offset < other.offset ? -1 : 1;
  return 0;
}
