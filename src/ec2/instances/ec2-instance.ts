import type { Instance as Ec2Instance } from '@aws-sdk/client-ec2';
import type { Db } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import { networkInterfaces, type NetworkInterface } from '../../store/network-interfaces.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { ec2Tags } from '../tags/ec2-tags.ts';
import { ec2InstanceInterface } from './ec2-instance-interface.ts';
import { ec2State } from './instance-state.ts';

/** An instance's record, with what hangs on it, as EC2's DescribeInstances shows it. */
export function ec2Instance(
  ctx: Pick<Ec2Context, 'db' | 'region' | 'ownerId'>,
  instance: Instance,
): Ec2Instance {
  const { db } = ctx;
  const gone = instance.state === 'terminated';
  const attached = gone ? [] : interfacesOf(db, instance);
  const disks = volumes.listBy(db, 'instance_id', instance.instanceId);
  return {
    InstanceId: instance.instanceId,
    ImageId: instance.imageId,
    State: ec2State(instance.state),
    ...(instance.stateReason
      ? { StateReason: { Code: instance.stateReason.code, Message: instance.stateReason.message } }
      : {}),
    StateTransitionReason: instance.stateReason?.code.startsWith('Client.UserInitiated')
      ? `User initiated (${ec2Time(instance.stateChanged)})`
      : '',
    InstanceType: instance.instanceType as NonNullable<Ec2Instance['InstanceType']>,
    ...(instance.keyName === null ? {} : { KeyName: instance.keyName }),
    LaunchTime: new Date(instance.launchTime),
    AmiLaunchIndex: instance.launchIndex,
    Architecture: instance.architecture as NonNullable<Ec2Instance['Architecture']>,
    BootMode: instance.bootMode,
    CurrentInstanceBootMode: instance.bootMode,
    Placement: { AvailabilityZone: instance.availabilityZone, GroupName: '', Tenancy: 'default' },
    Monitoring: { State: 'disabled' },
    ...(gone ? {} : { VpcId: instance.vpcId, SubnetId: instance.subnetId }),
    ...networkOf(ctx, attached),
    RootDeviceName: instance.rootDeviceName,
    RootDeviceType: 'ebs',
    BlockDeviceMappings: disks.flatMap(({ volumeId, attachment }) =>
      attachment
        ? [
            {
              DeviceName: attachment.device,
              Ebs: {
                VolumeId: volumeId,
                Status: 'attached' as const,
                AttachTime: new Date(attachment.attachTime),
                DeleteOnTermination: attachment.deleteOnTermination,
              },
            },
          ]
        : [],
    ),
    CpuOptions: { CoreCount: instance.cpus, ThreadsPerCore: 1 },
    MetadataOptions: {
      State: 'applied',
      HttpTokens: instance.metadataOptions.httpTokens,
      HttpPutResponseHopLimit: instance.metadataOptions.httpPutResponseHopLimit,
      HttpEndpoint: instance.metadataOptions.httpEndpoint,
      HttpProtocolIpv6: 'disabled',
      InstanceMetadataTags: instance.metadataOptions.instanceMetadataTags,
    },
    EbsOptimized: false,
    EnaSupport: false,
    // EC2 says xen of every virtual instance, Nitro's included (AWS: Instance, Hypervisor).
    Hypervisor: 'xen',
    VirtualizationType: 'hvm',
    PlatformDetails: 'Linux/UNIX',
    ...(instance.clientToken === null ? {} : { ClientToken: instance.clientToken }),
    Tags: ec2Tags(db, instance.instanceId),
  };
}

/** What an instance shows of its interfaces, and of its primary one as if it were its own. */
function networkOf(
  ctx: Pick<Ec2Context, 'db' | 'region' | 'ownerId'>,
  attached: readonly NetworkInterface[],
): Partial<Ec2Instance> {
  const shown = attached.map((each) => ec2InstanceInterface(ctx, each));
  const primary = shown.find(({ Attachment }) => Attachment?.DeviceIndex === 0);
  const publicAddress = primary?.Association;
  const ipv6 = primary?.Ipv6Addresses?.[0]?.Ipv6Address;
  return {
    ...(primary === undefined
      ? {}
      : { PrivateIpAddress: primary.PrivateIpAddress, PrivateDnsName: primary.PrivateDnsName }),
    ...(publicAddress === undefined ? {} : { PublicIpAddress: publicAddress.PublicIp }),
    PublicDnsName: publicAddress?.PublicDnsName ?? '',
    ...(ipv6 === undefined ? {} : { Ipv6Address: ipv6 }),
    SecurityGroups: primary?.Groups ?? [],
    SourceDestCheck: primary?.SourceDestCheck ?? true,
    NetworkInterfaces: shown,
  };
}

/** The interfaces of an instance, by their device indexes. */
export function interfacesOf(
  db: Db,
  { instanceId }: Pick<Instance, 'instanceId'>,
): readonly NetworkInterface[] {
  return networkInterfaces
    .listBy(db, 'instance_id', instanceId)
    .toSorted((a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0));
}

/** The primary network interface of an instance; undefined once it is terminated. */
export function primaryInterface(db: Db, instance: Instance): NetworkInterface | undefined {
  return interfacesOf(db, instance).find(({ attachment }) => attachment?.deviceIndex === 0);
}

/** `2026-01-02 03:04:05 GMT`, as EC2 writes times inside StateTransitionReason. */
function ec2Time(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} GMT`;
}
