import { createHash } from 'node:crypto';
import type { DriveLimits, Firmware, MachineSpec, Nic } from '../../host/qemu/machine-spec.ts';
import type { InstancePaths } from '../../store/layout.ts';
import type { Instance } from '../../store/instances.ts';
import type { NetworkInterface } from '../../store/network-interfaces.ts';
import type { Volume } from '../../store/volumes.ts';
import { findInstanceType } from '../instance-types/instance-types.ts';
import { performanceOf } from '../volumes/volume-types.ts';
import { tapOf } from '../vpcs/router-spec.ts';
import { queuePairs } from './queue-pairs.ts';

/** Jumbo frames, as in a VPC (AWS: "Network maximum transmission unit"). */
const MTU = 9001;

export interface MachineParts {
  readonly instance: Instance;
  readonly networkInterfaces: readonly NetworkInterface[];
  readonly volumes: readonly {
    readonly volume: Volume;
    /** Its files, the lowest first. */
    readonly layers: readonly string[];
  }[];
  /** The files of its instance store, in the order of their names. */
  readonly instanceStore: readonly string[];
  readonly firmware: Firmware;
  /** Whether the kernel carries its packets. */
  readonly vhost: boolean;
  readonly paths: InstancePaths;
  readonly generationId: string;
}

/** Where Ignition looks on the platform `qemu`: Flatcar's, and Fedora CoreOS' (Ignition docs, "Supported platforms"). */
const IGNITION_NAMES = ['opt/org.flatcar-linux/config', 'opt/com.coreos/config'];

/** The machine that an instance is: EC2's words in, QEMU's parts out. Pure. */
export function machineSpec({
  instance,
  networkInterfaces,
  volumes,
  instanceStore,
  firmware,
  vhost,
  paths,
  generationId,
}: MachineParts): MachineSpec {
  const uuid = systemUuid(instance);
  const ordered = [...volumes].sort((a, b) => rank(instance, a.volume) - rank(instance, b.volume));
  return {
    name: instance.instanceId,
    uuid,
    architecture: instance.architecture,
    accelerator: instance.accelerator,
    firmware,
    cpus: instance.cpus,
    memoryMiB: instance.memoryMiB,
    smbios: {
      vendor: 'Amazon EC2',
      product: instance.instanceType,
      serial: uuid,
      // EC2 Instance Connect compares this with the metadata service's instance-id.
      boardAsset: instance.instanceId,
      chassisAsset: 'Amazon EC2',
    },
    drives: [
      ...ordered.map(({ volume, layers }, index) => ({
        layers,
        format: 'qcow2' as const,
        bus: instance.diskBus,
        ...(volume.isLimited ? { limits: driveLimits(volume) } : {}),
        readOnly: false,
        serial: volumeSerial(volume.volumeId),
        ...(index === 0 ? { bootIndex: 1 } : {}),
      })),
      ...instanceStore.map((disk, index) => ({
        layers: [disk],
        format: 'qcow2' as const,
        bus: instance.diskBus,
        readOnly: false,
        serial: instanceStoreSerial(instance.instanceId, index),
      })),
      ...(instance.datasource === 'nocloud'
        ? [
            {
              layers: [paths.seed],
              format: 'raw' as const,
              bus: 'virtio' as const,
              readOnly: true,
              serial: 'cidata',
            },
          ]
        : []),
    ],
    nics: [...networkInterfaces]
      .sort((a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0))
      .map((networkInterface) => nicOf({ instance, networkInterface, vhost })),
    nicPorts: findInstanceType(instance.instanceType).maxNetworkInterfaces - 1,
    sockets: { qmpAgent: paths.qmpAgent, qmpCli: paths.qmpCli, serial: paths.serial },
    consoleLog: paths.console,
    ...(instance.firstBoot === 'ignition' && instance.hasUserData
      ? { firmwareFiles: IGNITION_NAMES.map((name) => ({ name, path: paths.ignition })) }
      : {}),
    generationId,
  };
}

/** The machine's end of an interface. */
export function nicOf({
  instance,
  networkInterface,
  vhost,
}: {
  readonly instance: Instance;
  readonly networkInterface: NetworkInterface;
  readonly vhost: boolean;
}): Nic {
  return {
    tap: tapOf(networkInterface),
    mac: networkInterface.macAddress,
    mtu: MTU,
    queuePairs: queuePairs(instance),
    vhost,
  };
}

/** The root volume first: it is the guest's first disk and the one that boots. */
function rank(instance: Instance, volume: Volume): number {
  return volume.attachment?.device === instance.rootDeviceName ? 0 : 1;
}

/** EBS counts what an SSD does in pieces of 256 KiB and a hard disk in pieces of 1 MiB (AWS: "I/O characteristics"). */
function driveLimits(volume: Volume): DriveLimits {
  const { iops, throughput } = performanceOf(volume);
  const isHardDisk = volume.volumeType === 'st1' || volume.volumeType === 'sc1';
  return {
    iops,
    bytesPerOperation: isHardDisk ? 2 ** 20 : 2 ** 18,
    bytesPerSecond: throughput * 2 ** 20,
  };
}

/** `AWS` and 17 hexadecimal digits, as instance store disks have; the same at every start. */
export function instanceStoreSerial(instanceId: string, index: number): string {
  return `AWS${createHash('sha256').update(`disk ${index} ${instanceId}`).digest('hex').slice(0, 17).toUpperCase()}`;
}

/** `vol-` without the dash: 20 characters, all that virtio carries, and EC2's own form of an EBS serial. */
export function volumeSerial(volumeId: string): string {
  return volumeId.replace('-', '');
}

/**
 * The machine's UUID, the same at every start. It begins with `ec2` where the metadata service is the datasource:
 * that, and nothing else, makes cloud-init look there (cloud-init: tools/ds-identify, ec2_identify_platform).
 * A NoCloud machine must not look like EC2 in either byte order of the first field.
 */
export function systemUuid({ instanceId, datasource }: Pick<Instance, 'instanceId' | 'datasource'>): string {
  const digest = createHash('sha256').update(`uuid ${instanceId}`).digest('hex');
  const first = datasource === 'ec2' ? `ec2${digest.slice(0, 5)}` : `b0${digest.slice(0, 4)}00`;
  return `${first}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}
