import type { Instance as Ec2Instance, Reservation } from '@aws-sdk/client-ec2';
import type { Db } from '../../store/database.ts';
import type { Instance } from '../../store/instances.ts';
import {
  networkInterfaces,
  securityGroups,
  type NetworkInterface,
  type SecurityGroup,
} from '../../store/network.ts';
import { tagsOf } from '../../store/tags.ts';
import { volumes } from '../../store/volumes.ts';
import type { Ec2Context } from '../context.ts';
import { ec2State } from './instance-state.ts';

/** EC2's private DNS name of an address: `ec2.internal` in us-east-1, `<region>.compute.internal` elsewhere. */
export function privateDnsName(address: string, region: string): string {
  return `ip-${address.replaceAll('.', '-')}.${region === 'us-east-1' ? 'ec2.internal' : `${region}.compute.internal`}`;
}

/** An instance's record, with what hangs on it, as EC2's DescribeInstances shows it. */
export function ec2Instance(
  { db, region, ownerId }: Pick<Ec2Context, 'db' | 'region' | 'ownerId'>,
  instance: Instance,
): Ec2Instance {
  const attached = networkInterfaces.listBy(db, 'instance_id', instance.instanceId);
  const groups = instance.securityGroupIds.flatMap((id) => securityGroups.get(db, id) ?? []);
  const primary = attached.find(({ attachment }) => attachment?.deviceIndex === 0);
  const disks = volumes.listBy(db, 'instance_id', instance.instanceId);
  const gone = instance.state === 'terminated';
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
    ...(gone
      ? {}
      : {
          VpcId: instance.vpcId,
          SubnetId: instance.subnetId,
          ...(primary
            ? {
                PrivateIpAddress: primary.privateIpAddress,
                PrivateDnsName: privateDnsName(primary.privateIpAddress, region),
              }
            : {}),
        }),
    PublicDnsName: '',
    SecurityGroups: gone ? [] : groups.map(groupIdentifier),
    SourceDestCheck: true,
    NetworkInterfaces: gone
      ? []
      : attached.map((each) => ec2Interface({ region, ownerId, groups, networkInterface: each })),
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
    Tags: Object.entries(tagsOf(db, instance.instanceId)).map(([Key, Value]) => ({ Key, Value })),
  };
}

/** Instances grouped by the request that launched them, as EC2 answers. */
export function reservations(ctx: Ec2Context, found: readonly Instance[]): Reservation[] {
  const byReservation = new Map<string, Instance[]>();
  for (const instance of found)
    byReservation.set(instance.reservationId, [
      ...(byReservation.get(instance.reservationId) ?? []),
      instance,
    ]);
  return [...byReservation].map(([ReservationId, members]) => ({
    ReservationId,
    OwnerId: ctx.ownerId,
    Groups: [],
    Instances: members.map((instance) => ec2Instance(ctx, instance)),
  }));
}

/** The primary network interface of an instance; undefined once it is terminated. */
export function primaryInterface(db: Db, instance: Instance): NetworkInterface | undefined {
  return networkInterfaces
    .listBy(db, 'instance_id', instance.instanceId)
    .find(({ attachment }) => attachment?.deviceIndex === 0);
}

function groupIdentifier({ groupId, groupName }: SecurityGroup): { GroupId: string; GroupName: string } {
  return { GroupId: groupId, GroupName: groupName };
}

interface InterfaceParts {
  readonly region: string;
  readonly ownerId: string;
  readonly groups: readonly SecurityGroup[];
  readonly networkInterface: NetworkInterface;
}

function ec2Interface({
  region,
  ownerId,
  groups,
  networkInterface: each,
}: InterfaceParts): NonNullable<Ec2Instance['NetworkInterfaces']>[number] {
  const dnsName = privateDnsName(each.privateIpAddress, region);
  return {
    NetworkInterfaceId: each.networkInterfaceId,
    OwnerId: ownerId,
    Status: 'in-use',
    Description: each.description,
    MacAddress: each.macAddress,
    VpcId: each.vpcId,
    SubnetId: each.subnetId,
    PrivateIpAddress: each.privateIpAddress,
    PrivateDnsName: dnsName,
    PrivateIpAddresses: [{ Primary: true, PrivateIpAddress: each.privateIpAddress, PrivateDnsName: dnsName }],
    Groups: groups.filter(({ groupId }) => each.securityGroupIds.includes(groupId)).map(groupIdentifier),
    SourceDestCheck: true,
    InterfaceType: 'interface',
    Ipv6Addresses: [],
    ...(each.attachment
      ? {
          Attachment: {
            AttachmentId: each.attachment.attachmentId,
            DeviceIndex: each.attachment.deviceIndex,
            Status: 'attached' as const,
            AttachTime: new Date(each.attachment.attachTime),
            DeleteOnTermination: each.attachment.deleteOnTermination,
            NetworkCardIndex: 0,
          },
        }
      : {}),
  };
}

/** `2026-01-02 03:04:05 GMT`, as EC2 writes times inside StateTransitionReason. */
function ec2Time(iso: string): string {
  return `${iso.slice(0, 19).replace('T', ' ')} GMT`;
}
