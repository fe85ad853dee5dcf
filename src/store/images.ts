import * as z from 'zod';
import { ARCHITECTURES, BOOT_MODES, CPU_BASELINES } from '../core/architecture.ts';
import { Ec2Error } from '../core/errors.ts';
import { FIRST_BOOTS } from '../core/first-boot.ts';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';

const blockDeviceMapping = z.strictObject({
  /** EC2's label, like `/dev/sda1`; not what the guest calls the disk. */
  deviceName: z.string(),
  /** GiB. */
  volumeSize: z.int().positive(),
  volumeType: z.enum(['gp2', 'gp3', 'io1', 'io2', 'st1', 'sc1', 'standard']),
  deleteOnTermination: z.boolean(),
});

const image = z.strictObject({
  imageId: idOf('image'),
  name: z.string().min(1).max(128),
  description: z.string(),
  architecture: z.enum(ARCHITECTURES),
  bootMode: z.enum(BOOT_MODES),
  rootDeviceName: z.string(),
  blockDeviceMappings: z.array(blockDeviceMapping),
  /** `pending` while its disk is on the way into the store; a pending image whose lock is free was abandoned. */
  state: z.enum(['pending', 'available']),
  creationDate: timestamp,
  /** `sha256:<hex>` of the stored disk file; null while pending. */
  digest: z.string().nullable(),
  /** `sha256:<hex>` of the file that it was made from: the same content is stored once. */
  sourceDigest: z.string().optional(),
  /** Bytes the guest sees. */
  virtualSize: z.int().nonnegative(),
  /** Login of the image's first boot program. */
  defaultUser: z.string(),
  /** What configures the guest at its first boot; `none` cannot take user data. */
  firstBoot: z.enum(FIRST_BOOTS),
  /** What its programs demand of the CPU; null when any will do, or nobody said. */
  cpuBaseline: z.enum(CPU_BASELINES).nullable().default(null),
  /** Where it came from, for people. */
  source: z.string(),
});

/** EC2's Image: one disk, an architecture and a root-device mapping. */
export type Image = z.infer<typeof image>;
export type BlockDeviceMapping = z.infer<typeof blockDeviceMapping>;

export const images = table<Image>({
  name: 'images',
  schema: image,
  id: ({ imageId }) => imageId,
  columns: ({ name, digest }) => ({ name, digest }),
  duplicate: ({ name }) =>
    new Ec2Error('InvalidAMIName.Duplicate', `An image with the name '${name}' already exists`, {
      hint: 'choose another name with --name',
    }),
});
