import type { Nic } from './machine-spec.ts';

/**
 * A network interface's two ends in QEMU: what it is on the host, and the device in the guest. Both have names of
 * their own made of the tap's, so that they are found again in a machine that has been running for long.
 */
export function nicBackend({ tap, queuePairs, vhost }: Nic): Readonly<Record<string, unknown>> {
  return {
    type: 'tap',
    id: nicBackendId(tap),
    ifname: tap,
    script: 'no',
    downscript: 'no',
    ...(queuePairs > 1 ? { queues: queuePairs } : {}),
    ...(vhost ? { vhost: true } : {}),
  };
}

/** `place` is where it is plugged: a slot of the root bus, or a port. */
export function nicDevice(
  { tap, mac, mtu, queuePairs }: Nic,
  place: { readonly addr: string } | { readonly bus: string },
): Readonly<Record<string, unknown>> {
  return {
    driver: 'virtio-net-pci',
    id: nicDeviceId(tap),
    netdev: nicBackendId(tap),
    mac,
    host_mtu: mtu,
    // A vector for each queue, one for the control queue and one for changes of the configuration.
    ...(queuePairs > 1 ? { mq: true, vectors: 2 * queuePairs + 2 } : {}),
    // No option ROM: nothing boots from the network, and it is one thing less to run.
    romfile: '',
    ...place,
  };
}

export function nicBackendId(tap: string): string {
  return `host-${tap}`;
}

export function nicDeviceId(tap: string): string {
  return `nic-${tap}`;
}

/** The port of this number, counted from 1. */
export function portId(number: number): string {
  return `port${number}`;
}

export function isPortId(id: string): boolean {
  return /^port\d+$/.test(id);
}
