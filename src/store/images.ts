import * as z from 'zod';
import { ARCHITECTURES, BOOT_MODES, CPU_BASELINES } from '../core/architecture.ts';
import { Ec2Error } from '../core/errors.ts';
import { FIRST_BOOTS } from '../core/first-boot.ts';
import { idOf, timestamp, VOLUME_TYPES } from './schemas.ts';
import { table } from './table.ts';

const ebs = z.strictObject({
  kind: z.literal('ebs'),
  /** EC2's label, like `/dev/sda1`; not what the guest calls the disk. */
  deviceName: z.string(),
  /** What the volume begins as; null for an empty one. */
  snapshotId: idOf('snapshot').nullable(),
  /** GiB. */
  volumeSize: z.int().positive(),
  volumeType: z.enum(VOLUME_TYPES),
  /** What was asked for; null for what the volume type gives. */
  iops: z.int().positive().nullable(),
  /** MiB/s. */
  throughput: z.int().positive().nullable(),
  deleteOnTermination: z.boolean(),
});

const instanceStore = z.strictObject({
  kind: z.literal('instance-store'),
  deviceName: z.string(),
  /** `ephemeral0`, `ephemeral1`, … */
  virtualName: z.string(),
});

/** What was found on the disk itself when it was imported; null where it did not say. */
const findings = z.strictObject({
  /** PRETTY_NAME of os-release(5). */
  distribution: z.string().nullable(),
  partitionTable: z.enum(['gpt', 'mbr', 'none']).nullable(),
  /** Number of the root partition; 0 when the file system is on the whole disk. */
  rootPartition: z.int().nonnegative().nullable(),
  rootFileSystem: z.string().nullable(),
  /** cloud-init's datasource_list. */
  datasources: z.array(z.string()).nullable(),
});

const image = z.strictObject({
  imageId: idOf('image'),
  name: z.string().min(1).max(128),
  description: z.string(),
  architecture: z.enum(ARCHITECTURES),
  bootMode: z.enum(BOOT_MODES),
  rootDeviceName: z.string(),
  blockDeviceMappings: z.array(z.discriminatedUnion('kind', [ebs, instanceStore])),
  /** `pending` while its disks are on the way into the store; a pending image whose lock is free was abandoned. */
  state: z.enum(['pending', 'available']),
  creationDate: timestamp,
  /** Login of the image's first boot program. */
  defaultUser: z.string(),
  /** What configures the guest at its first boot; `none` cannot take user data. */
  firstBoot: z.enum(FIRST_BOOTS),
  /** The x86-64 level that its programs need; null for the first. */
  cpuBaseline: z.enum(CPU_BASELINES).nullable(),
  findings: findings.nullable(),
  /** The instance that it was made from. */
  sourceInstanceId: idOf('instance').nullable(),
  /** Where it came from, for people. */
  source: z.string(),
});

/** EC2's Image: disks, an architecture and a root-device mapping. */
export type Image = z.infer<typeof image>;
export type ImageFindings = z.infer<typeof findings>;
export type BlockDeviceMapping = Image['blockDeviceMappings'][number];
export type EbsMapping = z.infer<typeof ebs>;

export const images = table<Image>({
  name: 'images',
  schema: image,
  id: ({ imageId }) => imageId,
  columns: ({ name }) => ({ name }),
  duplicate: ({ name }) =>
    new Ec2Error('InvalidAMIName.Duplicate', `An image with the name '${name}' already exists`, {
      hint: 'choose another name with --name',
    }),
});

/** The entry of an image that its instances boot from. */
export function rootMapping({ blockDeviceMappings, rootDeviceName }: Image): EbsMapping | undefined {
  return blockDeviceMappings.find(
    (mapping): mapping is EbsMapping => mapping.kind === 'ebs' && mapping.deviceName === rootDeviceName,
  );
}

/** The snapshots that an image's volumes begin as. */
export function snapshotIdsOf({
  blockDeviceMappings,
}: Image): readonly NonNullable<EbsMapping['snapshotId']>[] {
  return blockDeviceMappings.flatMap((mapping) =>
    mapping.kind === 'ebs' && mapping.snapshotId !== null ? [mapping.snapshotId] : [],
  );
}
