import * as z from 'zod';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';

const volume = z.strictObject({
  volumeId: idOf('volume'),
  /** GiB. */
  size: z.int().positive(),
  volumeType: z.enum(['gp2', 'gp3', 'io1', 'io2', 'st1', 'sc1', 'standard']),
  availabilityZone: z.string(),
  createTime: timestamp,
  /** The image whose disk this volume's overlay stands on; null for a volume that began empty. */
  imageId: idOf('image').nullable(),
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
  columns: ({ attachment, imageId }) => ({ instance_id: attachment?.instanceId ?? null, image_id: imageId }),
});
