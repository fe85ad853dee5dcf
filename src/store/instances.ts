import * as z from 'zod';
import { ARCHITECTURES } from '../core/architecture.ts';
import { FIRST_BOOTS } from '../core/first-boot.ts';
import { idOf, timestamp } from './schemas.ts';
import { table } from './table.ts';

/** EC2's instance states. What is stored is the intention; the machine's lock says what is true (see instance-state.ts). */
export const INSTANCE_STATES = [
  'pending',
  'running',
  'shutting-down',
  'terminated',
  'stopping',
  'stopped',
] as const;

const metadataOptions = z.strictObject({
  httpTokens: z.enum(['optional', 'required']),
  httpPutResponseHopLimit: z.int().min(1).max(64),
  httpEndpoint: z.enum(['enabled', 'disabled']),
  instanceMetadataTags: z.enum(['enabled', 'disabled']),
});

const instance = z.strictObject({
  instanceId: idOf('instance'),
  reservationId: idOf('reservation'),
  /** Fingerprint of the request behind `clientToken`. */
  clientToken: z.string().nullable(),
  requestDigest: z.string().nullable(),
  launchIndex: z.int().nonnegative(),
  launchTime: timestamp,
  state: z.enum(INSTANCE_STATES),
  /** EC2's StateReason: why the last transition happened. */
  stateReason: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  stateChanged: timestamp,
  imageId: idOf('image'),
  architecture: z.enum(ARCHITECTURES),
  bootMode: z.enum(['legacy-bios', 'uefi']),
  rootDeviceName: z.string(),
  defaultUser: z.string(),
  firstBoot: z.enum(FIRST_BOOTS),
  instanceType: z.string(),
  cpus: z.int().positive(),
  memoryMiB: z.int().positive(),
  /** How the machine runs: found out at launch and told to the user once. */
  accelerator: z.enum(['kvm', 'tcg']),
  keyName: z.string().nullable(),
  vpcId: idOf('vpc'),
  subnetId: idOf('subnet'),
  availabilityZone: z.string(),
  /** Disks that come with the instance type and go with a stop: EC2's label and bytes of each. */
  instanceStore: z.array(
    z.strictObject({ deviceName: z.string(), virtualName: z.string(), bytes: z.int().positive() }),
  ),
  /** What its volumes are plugged into. */
  diskBus: z.enum(['virtio', 'nvme']),
  /** Whether its interfaces are held to what its type has; otherwise they are as fast as the host. */
  isNetworkLimited: z.boolean(),
  datasource: z.enum(['ec2', 'nocloud']),
  hasUserData: z.boolean(),
  metadataOptions,
  shutdownBehavior: z.enum(['stop', 'terminate']),
  /** User id that its QEMU runs under when bonami is root; null otherwise and after termination. */
  uid: z.int().nullable(),
  /** Starts so far; each start is a new machine process. */
  starts: z.int().nonnegative(),
});

/** EC2's Instance. */
export type Instance = z.infer<typeof instance>;
export type InstanceStateName = (typeof INSTANCE_STATES)[number];
export type MetadataOptions = z.infer<typeof metadataOptions>;

export const instances = table<Instance>({
  name: 'instances',
  schema: instance,
  id: ({ instanceId }) => instanceId,
  columns: ({ state, clientToken, launchIndex, uid }) => ({
    state,
    client_token: clientToken === null ? null : `${clientToken}/${launchIndex}`,
    uid,
  }),
});
