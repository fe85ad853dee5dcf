// What a RunInstances request means: everything is looked up and checked before anything is made. An unknown or
// unfitting thing is an EC2 error that names it.
import { createHash } from 'node:crypto';
import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import { hostArchitecture } from '../../core/architecture.ts';
import { Ec2Error } from '../../core/errors.ts';
import { requireCommand } from '../../host/command.ts';
import { hostReaches } from '../../host/qemu/cpu-level.ts';
import { probeAccelerator } from '../../host/qemu/accelerator.ts';
import { findFirmware } from '../../host/qemu/firmware.ts';
import { MACHINE_TABLE } from '../../host/qemu/machine-table.ts';
import type { Image } from '../../store/images.ts';
import type { Instance, MetadataOptions } from '../../store/instances.ts';
import { keyPairs } from '../../store/key-pairs.ts';
import type { Tags } from '../../store/tags.ts';
import type { Ec2Context } from '../context.ts';
import { resolveImage } from '../images/resolve-image.ts';
import { checkFits } from '../instance-types/check-fits.ts';
import { findInstanceType } from '../instance-types/instance-types.ts';
import { checkedTags } from '../tags/checked-tags.ts';
import { requireSnapshot } from '../snapshots/resolve-snapshot.ts';
import { planDisks, type PlannedDisks } from './block-devices.ts';
import { planInterfaces } from './plan-interfaces.ts';
import type { PlannedInterface } from './planned-interface.ts';
import { parseUserData } from './user-data.ts';

/** What bonami adds to EC2's RunInstances. */
export interface BonamiOptions {
  /** MiB, instead of the instance type's memory. */
  readonly MemoryMiB?: number;
  /** How the guest gets its data: EC2's metadata service, or a NoCloud seed disk. */
  readonly Datasource?: 'ec2' | 'nocloud';
  /** What its volumes are plugged into. */
  readonly DiskBus?: Instance['diskBus'];
  /** Holds its interfaces to what the instance type has; otherwise they are as fast as the host. */
  readonly NetworkLimit?: boolean;
}
export type RunInstancesInput = Partial<RunInstancesRequest> & { readonly Bonami?: BonamiOptions };

export interface LaunchPlan {
  readonly image: Image;
  readonly instanceType: string;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly accelerator: Instance['accelerator'];
  readonly bootMode: Instance['bootMode'];
  readonly keyName: string | null;
  /** The primary one first. */
  readonly interfaces: readonly [PlannedInterface, ...PlannedInterface[]];
  readonly isNetworkLimited: boolean;
  readonly disks: PlannedDisks;
  readonly diskBus: Instance['diskBus'];
  readonly userData: Buffer | undefined;
  readonly datasource: Instance['datasource'];
  readonly metadataOptions: MetadataOptions;
  readonly shutdownBehavior: Instance['shutdownBehavior'];
  readonly count: number;
  readonly clientToken: string | null;
  readonly requestDigest: string | null;
  readonly instanceTags: Tags;
  readonly volumeTags: Tags;
  readonly interfaceTags: Tags;
}

const DEFAULT_TYPE = 't3.micro';

/** Checks a request as a whole and says what will be made. Makes the default VPC when there is none yet. */
export async function planLaunch(ctx: Ec2Context, request: RunInstancesInput): Promise<LaunchPlan> {
  const image = resolveImage(ctx.db, request.ImageId);
  await requireCommand(MACHINE_TABLE[image.architecture].binary);
  const type = findInstanceType(request.InstanceType ?? DEFAULT_TYPE);
  const cpus = (request.CpuOptions?.CoreCount ?? type.vcpus) * (request.CpuOptions?.ThreadsPerCore ?? 1);
  const memoryMiB = request.Bonami?.MemoryMiB ?? type.memoryMiB;
  const count = launchCount(request);
  checkFits(ctx, { type, image, cpus, memoryMiB, count });
  // Where an image can do both, BIOS: its firmware is the quicker one under emulation. ARM has UEFI only.
  const bootMode =
    image.bootMode === 'uefi' || MACHINE_TABLE[image.architecture].uefiOnly ? 'uefi' : 'legacy-bios';
  if (bootMode === 'uefi') findFirmware(image.architecture);
  const interfaces = await planInterfaces(ctx, request, { type, count });
  return {
    image,
    instanceType: type.name,
    cpus,
    memoryMiB,
    bootMode,
    keyName: checkedKeyName(ctx, request.KeyName),
    interfaces,
    isNetworkLimited: request.Bonami?.NetworkLimit ?? false,
    disks: planDisks({
      image,
      requested: request.BlockDeviceMappings ?? [],
      instanceType: type.name,
      snapshot: (id) => requireSnapshot(ctx.db, id),
    }),
    diskBus: request.Bonami?.DiskBus ?? 'virtio',
    userData: await checkedUserData(ctx, image, request.UserData),
    datasource: request.Bonami?.Datasource ?? 'ec2',
    metadataOptions: metadataOptions(request),
    shutdownBehavior: request.InstanceInitiatedShutdownBehavior === 'terminate' ? 'terminate' : 'stop',
    count,
    clientToken: request.ClientToken ?? null,
    requestDigest:
      request.ClientToken === undefined
        ? null
        : createHash('sha256').update(JSON.stringify(request)).digest('hex'),
    instanceTags: requestedTags(request, 'instance'),
    volumeTags: requestedTags(request, 'volume'),
    interfaceTags: requestedTags(request, 'network-interface'),
    // Last, for it warns: a request that is refused has its one complaint.
    accelerator: await chooseAccelerator(ctx, image),
  };
}

function launchCount({ MinCount = 1, MaxCount = MinCount }: RunInstancesInput): number {
  if (!Number.isInteger(MaxCount) || MaxCount < 1 || MinCount > MaxCount)
    throw new Ec2Error('InvalidParameterValue', `The instance count ${MaxCount} is not valid`, {
      hint: 'give a whole number from 1',
    });
  return MaxCount;
}

/** KVM where it has been proved to work; a person is told once per launch why it is not used. */
async function chooseAccelerator(
  ctx: Ec2Context,
  { name, architecture, cpuBaseline }: Image,
): Promise<Instance['accelerator']> {
  const verdict = await probeAccelerator({
    architecture,
    hostArchitecture: hostArchitecture(),
    binary: MACHINE_TABLE[architecture].binary,
    knownFacts: ctx.layout.knownFacts,
  });
  if (verdict.accelerator === 'tcg') {
    const reason = verdict.reason ?? 'it is not offered';
    if (verdict.kind === 'cross-architecture') ctx.report.info(`emulating ${architecture}: ${reason}`);
    else
      ctx.report.warn(
        `KVM is not usable on this host (${reason}). Using TCG: much slower, and not a security boundary.`,
      );
  }
  // Emulation has all of x86-64-v3 (QEMU 7.2: changelog, "TCG").
  if (verdict.accelerator === 'kvm' && cpuBaseline !== null && !hostReaches(cpuBaseline))
    throw new Ec2Error(
      'Unsupported',
      `The image '${name}' needs an ${cpuBaseline} processor; this host has an older one`,
      {
        hint: 'BONAMI_ACCEL=tcg emulates one, slowly',
      },
    );
  return verdict.accelerator;
}

function checkedKeyName(ctx: Ec2Context, keyName: string | undefined): string | null {
  if (keyName === undefined) return null;
  if (keyPairs.listBy(ctx.db, 'name', keyName).length === 0)
    throw new Ec2Error('InvalidKeyPair.NotFound', `The key pair '${keyName}' does not exist`, {
      hint: 'bonami key ls',
    });
  return keyName;
}

async function checkedUserData(
  ctx: Ec2Context,
  image: Image,
  encoded: string | undefined,
): Promise<Buffer | undefined> {
  if (encoded === undefined || encoded === '') return undefined;
  if (image.firstBoot === 'none')
    throw new Ec2Error(
      'InvalidParameterCombination',
      `The image '${image.name}' has nothing that reads user data`,
      {
        hint: 'launch without user data, or use an image with cloud-init',
      },
    );
  const bytes = Buffer.from(encoded, 'base64');
  // Only cloud-init's forms are known here; Ignition refuses what it does not understand by itself.
  if (image.firstBoot === 'ignition') return bytes;
  const { warnings } = await parseUserData(bytes);
  for (const warning of warnings) ctx.report.warn(`user data: ${warning}`);
  return bytes;
}

/** EC2's defaults for an image that asks for nothing: both versions of the service, one hop. */
function metadataOptions({ MetadataOptions: wanted = {} }: RunInstancesInput): MetadataOptions {
  const hops = wanted.HttpPutResponseHopLimit ?? 1;
  if (!Number.isInteger(hops) || hops < 1 || hops > 64)
    throw new Ec2Error('InvalidParameterValue', `HttpPutResponseHopLimit ${hops} is not from 1 to 64`);
  return {
    httpTokens: wanted.HttpTokens === 'required' ? 'required' : 'optional',
    httpPutResponseHopLimit: hops,
    httpEndpoint: wanted.HttpEndpoint === 'disabled' ? 'disabled' : 'enabled',
    instanceMetadataTags: wanted.InstanceMetadataTags === 'enabled' ? 'enabled' : 'disabled',
  };
}

function requestedTags({ TagSpecifications = [] }: RunInstancesInput, resourceType: string): Tags {
  const tags = TagSpecifications.filter((each) => each.ResourceType === resourceType).flatMap(
    (each) => each.Tags ?? [],
  );
  return checkedTags(tags);
}
