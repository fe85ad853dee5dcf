import type { Architecture } from '../../core/architecture.ts';

/** Everything that decides a machine's command line. All paths are absolute; sizes are MiB. */
export interface MachineSpec {
  /** Shown in the process list. */
  readonly name: string;
  readonly uuid: string;
  readonly architecture: Architecture;
  readonly accelerator: Accelerator;
  readonly firmware: Firmware;
  readonly cpus: number;
  readonly memoryMiB: number;
  readonly smbios: Smbios;
  readonly drives: readonly Drive[];
  /** The first one is part of the machine; the others can be pulled out of it. */
  readonly nics: readonly Nic[];
  /** How many more than the first one it can have at a time; at most 16. */
  readonly nicPorts: number;
  readonly sockets: MachineSockets;
  /** Receives everything the guest prints; exists before the machine starts. */
  readonly consoleLog: string;
  /** Files that the firmware hands to the guest, by the names that its programs look for. */
  readonly firmwareFiles?: readonly { readonly name: string; readonly path: string }[];
  /** New for each start, so that a guest restored from saved state would reseed its random generator. */
  readonly generationId: string;
}

export type Accelerator = 'kvm' | 'tcg';

export type Firmware =
  | { readonly kind: 'bios' }
  /** A pflash pair: `code` is shared and read-only, `variables` is this machine's own copy. */
  | { readonly kind: 'uefi'; readonly code: string; readonly variables: string };

/** What the guest finds under /sys/class/dmi/id. */
export interface Smbios {
  readonly vendor: string;
  readonly product: string;
  readonly serial: string;
  readonly boardAsset: string;
  readonly chassisAsset: string;
}

export interface Drive {
  /** Its files, the lowest first; all but the last are only read. A raw disk has one. */
  readonly layers: readonly string[];
  readonly format: 'qcow2' | 'raw';
  readonly bus: 'virtio' | 'nvme';
  /** What it may do in a second; as much as it can when absent. */
  readonly limits?: DriveLimits;
  readonly readOnly: boolean;
  /** At most 20 characters reach the guest. */
  readonly serial: string;
  readonly bootIndex?: number;
}

export interface DriveLimits {
  readonly iops: number;
  /** A larger request counts as several. */
  readonly bytesPerOperation: number;
  readonly bytesPerSecond: number;
}

export interface Nic {
  readonly tap: string;
  readonly mac: string;
  readonly mtu: number;
  /** Pairs of queues; a tap has several when it was made for that. */
  readonly queuePairs: number;
  /** Whether the kernel carries its packets (vhost-net), instead of QEMU. */
  readonly vhost: boolean;
}

export interface MachineSockets {
  readonly qmpAgent: string;
  readonly qmpCli: string;
  readonly serial: string;
}
