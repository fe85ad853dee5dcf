import * as z from 'zod';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';

const snapshot = z.strictObject({
  snapshotId: idOf('snapshot'),
  /** `pending` while its layers are on the way into the store. */
  state: z.enum(['pending', 'completed']),
  /** Whose lock is held while it is pending: its own, or that of the image that it comes with. */
  owner: z.union([idOf('image'), idOf('snapshot')]),
  /** The volume that it was taken of; null when it was imported. */
  volumeId: idOf('volume').nullable(),
  /** GiB. */
  volumeSize: z.int().positive(),
  description: z.string(),
  startTime: timestamp,
  /** The digest of each layer, the lowest first (see host/disk/digest.ts); empty while pending. */
  layers: z.array(z.string()),
});

/** EC2's Snapshot: a disk as it once was, in read-only layers that it may share with others. */
export type Snapshot = z.infer<typeof snapshot>;

export const snapshots = table<Snapshot>({
  name: 'snapshots',
  schema: snapshot,
  id: ({ snapshotId }) => snapshotId,
});
