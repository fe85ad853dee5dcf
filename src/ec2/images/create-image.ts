import type { CreateImageRequest, CreateImageResult } from '@aws-sdk/client-ec2';
import { linkLayers } from '../../host/disk/layers.ts';
import { Ec2Error } from '../../core/errors.ts';
import { transact } from '../../store/database.ts';
import { type BlockDeviceMapping, images } from '../../store/images.ts';
import type { Instance } from '../../store/instances.ts';
import { putTags } from '../../store/tags.ts';
import { volumes, type Volume } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { requireState } from '../instances/instance-state.ts';
import { withInstance } from '../instances/operation.ts';
import { reconcileInstances } from '../instances/reconcile.ts';
import { getInstance } from '../instances/resolve-instance.ts';
import { checkedTags } from '../tags/checked-tags.ts';
import { freezeVolumes, type FrozenVolume } from '../volumes/freeze-volumes.ts';
import { checkName } from './image-description.ts';
import { type ArrivedImage, type ArrivedMapping, type Arrivals, receiveImage } from './receive-image.ts';

const GIB = 2 ** 30;

/**
 * EC2's CreateImage: an image of an instance and all its volumes at one moment. A running guest shuts down for that
 * moment and boots again, so that its file systems are whole; with `NoReboot` it goes on, and the image is what a
 * power cut would leave. The image shares all layers with the instance: nothing is copied but, from a running
 * machine, what it has written since its volumes were last frozen.
 */
export async function createImage(
  ctx: Ec2Context,
  request: Partial<CreateImageRequest>,
): Promise<CreateImageResult> {
  const { InstanceId = '', Name = '', TagSpecifications = [] } = request;
  checkName(Name);
  const tags = checkedTags(
    TagSpecifications.filter(({ ResourceType }) => ResourceType === 'image').flatMap(({ Tags = [] }) => Tags),
  );
  const { instanceId } = getInstance(ctx.db, InstanceId);
  await reconcileInstances(ctx);
  const image = await withInstance(ctx, { instanceId, purpose: 'create an image of' }, async (instance) => {
    requireState(instance, ['running', 'stopped'], 'made an image of');
    return receiveImage(ctx, Name, async (arrivals) => bring(ctx, { instance, request, arrivals }));
  });
  transact(ctx.db, () => putTags(ctx.db, image.imageId, tags));
  return { ImageId: image.imageId };
}

interface Work {
  readonly instance: Instance;
  readonly request: Partial<CreateImageRequest>;
  readonly arrivals: Arrivals;
}

async function bring(ctx: Ec2Context, { instance, request, arrivals }: Work): Promise<ArrivedImage> {
  const { BlockDeviceMappings: overrides = [] } = request;
  const leftOut = new Set(
    overrides.filter(({ NoDevice }) => NoDevice !== undefined).map((each) => each.DeviceName),
  );
  if (leftOut.has(instance.rootDeviceName))
    throw new Ec2Error(
      'InvalidBlockDeviceMapping',
      `The root device '${instance.rootDeviceName}' cannot be left out`,
    );
  const wanted = volumes
    .listBy(ctx.db, 'instance_id', instance.instanceId)
    .filter(({ attachment }) => !leftOut.has(attachment?.device));
  ctx.report.progress({
    label: `freezing ${wanted.length > 1 ? 'the volumes' : 'the volume'} of ${instance.instanceId}`,
  });
  const frozen = await freezeVolumes(ctx, { volumes: wanted, instance, reboot: request.NoReboot !== true });
  const mappings: ArrivedMapping[] = [];
  for (const each of frozen) mappings.push(await arrive(each, arrivals));
  const { architecture, bootMode, rootDeviceName, defaultUser, firstBoot, imageId, instanceId } = instance;
  const parent = images.get(ctx.db, imageId);
  return {
    description: {
      name: request.Name ?? '',
      description: request.Description ?? '',
      architecture,
      bootMode: parent?.bootMode ?? bootMode,
      rootDeviceName,
      defaultUser,
      firstBoot,
      cpuBaseline: parent?.cpuBaseline ?? null,
    },
    findings: parent?.findings ?? null,
    sourceInstanceId: instanceId,
    mappings,
    otherMappings: instance.instanceStore.flatMap(instanceStoreMapping),
    source: `created from ${instanceId}${parent ? `, launched from '${parent.name}'` : ''}`,
  };
}

async function arrive(
  { volume, layers, digests }: FrozenVolume,
  arrivals: Arrivals,
): Promise<ArrivedMapping> {
  const disk = await arrivals.take(async (folder) => {
    linkLayers(layers, folder);
    return { layers: digests, virtualSize: volume.size * GIB, volumeId: volume.volumeId };
  });
  return { deviceName: volume.attachment?.device ?? '', disk, ...asMapped(volume) };
}

function asMapped({ size, volumeType, iops, throughput, attachment }: Volume) {
  return {
    volumeSize: size,
    volumeType,
    iops,
    throughput,
    deleteOnTermination: attachment?.deleteOnTermination ?? true,
  };
}

function instanceStoreMapping({
  deviceName,
  virtualName,
}: Instance['instanceStore'][number]): readonly BlockDeviceMapping[] {
  return deviceName === '' ? [] : [{ kind: 'instance-store', deviceName, virtualName }];
}
