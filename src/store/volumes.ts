import * as z from 'zod';
import { idOf, timestamp, VOLUME_TYPES } from './schemas.ts';
import { table } from './table.ts';

const volume = z.strictObject({
  volumeId: idOf('volume'),
  /** GiB. */
  size: z.int().positive(),
  volumeType: z.enum(VOLUME_TYPES),
  iops: z.int().positive().nullable(),
  /** MiB/s. */
  throughput: z.int().positive().nullable(),
  /** Whether its type's limits are enforced: when a type, IOPS or a throughput was asked for. */
  isLimited: z.boolean(),
  availabilityZone: z.string(),
  createTime: timestamp,
  /** What it began as; null for a volume that began empty. */
  snapshotId: idOf('snapshot').nullable(),
  /** The digest of each layer that will never change, the lowest first; all but the highest, unless a freeze was cut short. */
  layers: z.array(z.string()),
  attachment: z
    .strictObject({
      instanceId: idOf('instance'),
      device: z.string(),
      attachTime: timestamp,
      deleteOnTermination: z.boolean(),
    })
    .nullable(),
});

/** EC2's Volume. */
export type Volume = z.infer<typeof volume>;

export const volumes = table<Volume>({
  name: 'volumes',
  schema: volume,
  id: ({ volumeId }) => volumeId,
  columns: ({ attachment }) => ({ instance_id: attachment?.instanceId ?? null }),
});
