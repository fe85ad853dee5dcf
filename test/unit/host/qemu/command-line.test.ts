import { readFileSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commandLine, escape } from '../../../../src/host/qemu/command-line.ts';
import type { MachineSpec, Nic } from '../../../../src/host/qemu/machine-spec.ts';

const GOLDEN = join(import.meta.dirname, '../../../fixtures/golden');

function nicOf(tap: string, mac: string): Nic {
  return { tap, mac, mtu: 9001, queuePairs: 1, vhost: false };
}

const base: MachineSpec = {
  name: 'i-0123456789abcdef0',
  uuid: 'ec2a1b2c-3d4e-4f50-8162-738495a6b7c8',
  architecture: 'x86_64',
  accelerator: 'tcg',
  firmware: { kind: 'bios' },
  cpus: 2,
  memoryMiB: 1024,
  smbios: {
    vendor: 'Amazon EC2',
    product: 't3.micro',
    serial: 'ec2a1b2c-3d4e-4f50-8162-738495a6b7c8',
    boardAsset: 'i-0123456789abcdef0',
    chassisAsset: 'Amazon EC2',
  },
  drives: [
    {
      layers: ['/home/volumes/vol-0123456789abcdef0/0.qcow2', '/home/volumes/vol-0123456789abcdef0/1.qcow2'],
      format: 'qcow2',
      bus: 'virtio',
      readOnly: false,
      serial: 'vol0123456789abcdef0',
      bootIndex: 1,
    },
  ],
  nics: [nicOf('eni0123456789ab', '02:11:22:33:44:55')],
  nicPorts: 1,
  sockets: {
    qmpAgent: '/run/i/vm/qmp-agent.sock',
    qmpCli: '/run/i/vm/qmp-cli.sock',
    serial: '/run/i/vm/serial.sock',
  },
  consoleLog: '/home/instances/i/console.log',
  generationId: '11111111-2222-4333-8444-555555555555',
};
const uefi = {
  kind: 'uefi',
  code: '/usr/share/fw/CODE.fd',
  variables: '/home/instances/i/firmware-vars.fd',
} as const;

const CASES: Readonly<Record<string, MachineSpec>> = {
  'x86_64-tcg': base,
  'x86_64-kvm': { ...base, accelerator: 'kvm' },
  'x86_64-kvm-queues-vhost': {
    ...base,
    accelerator: 'kvm',
    cpus: 4,
    nics: [{ ...nicOf('eni0123456789ab', '02:11:22:33:44:55'), queuePairs: 4, vhost: true }],
  },
  'x86_64-three-interfaces': {
    ...base,
    nics: [
      nicOf('eni0123456789ab', '02:11:22:33:44:55'),
      nicOf('enicccccccccccc', '02:cc:22:33:44:55'),
      nicOf('eniaaaaaaaaaaaa', '02:aa:22:33:44:55'),
    ],
    nicPorts: 14,
  },
  'x86_64-uefi': { ...base, firmware: uefi },
  'x86_64-two-disks-seed': {
    ...base,
    memoryMiB: 512,
    drives: [
      ...base.drives,
      {
        layers: ['/home/volumes/vol-2/0.qcow2'],
        format: 'qcow2',
        bus: 'virtio',
        readOnly: false,
        serial: 'vol2',
      },
      {
        layers: ['/home/instances/i/seed.img'],
        format: 'raw',
        bus: 'virtio',
        readOnly: true,
        serial: 'cidata',
      },
    ],
  },
  'x86_64-nvme-limited-layers': {
    ...base,
    drives: [
      {
        layers: ['/home/v/0.qcow2', '/home/v/1.qcow2', '/home/v/2.qcow2'],
        format: 'qcow2',
        bus: 'nvme',
        limits: { iops: 3000, bytesPerOperation: 262_144, bytesPerSecond: 131_072_000 },
        readOnly: false,
        serial: 'vol0123456789abcdef0',
        bootIndex: 1,
      },
    ],
  },
  'i386-tcg': { ...base, architecture: 'i386' },
  'arm64-tcg': { ...base, architecture: 'arm64', firmware: uefi },
  'armhf-tcg': { ...base, architecture: 'armhf', firmware: uefi },
};

describe('the command line of a machine', () => {
  // A changed line is a decision: look at the difference, then run with BONAMI_GOLDEN=write.
  test.each(Object.entries(CASES))('%s is as agreed', (name, spec) => {
    const text = `${commandLine(spec)
      .join('\n')
      .replaceAll(/\n(?!-)/g, ' ')}\n`;
    const file = join(GOLDEN, `qemu-${name}.txt`);
    if (process.env['BONAMI_GOLDEN'] === 'write') writeFileSync(file, text);
    expect(existsSync(file)).toBe(true);
    expect(text).toBe(readFileSync(file, 'utf8'));
  });

  test('a comma in a value cannot start an option', () => {
    expect(escape('a,id=evil')).toBe('a,,id=evil');
    const line = commandLine({ ...base, consoleLog: '/home/a,server=off/console.log' });
    expect(line.find((word) => word.includes('console.log'))).toContain('/home/a,,server=off/console.log');
  });

  test('a path in JSON stays one value', () => {
    const line = commandLine({
      ...base,
      drives: [
        { layers: ['/x/"},{"driver":"nbd'], format: 'qcow2', bus: 'virtio', readOnly: false, serial: 's' },
      ],
    });
    const files = line
      .filter((word) => word.startsWith('{') && word.includes('node-name'))
      .map((word) => JSON.parse(word) as { filename?: string });
    expect(files[0]?.filename).toBe('/x/"},{"driver":"nbd');
  });

  test('every image file is opened with a stated format and read-only', () => {
    const devices = commandLine(base).filter((word) => word.startsWith('{"driver"'));
    const backing = devices
      .map((word) => JSON.parse(word) as Record<string, unknown>)
      .filter((each) => String(each['node-name']).startsWith('drive0layer0'));
    expect(backing).toHaveLength(2);
    expect(backing.every((each) => each['read-only'] === true)).toBe(true);
  });

  test('the first interface is at the lowest place of the root bus, the others behind ports in their order', () => {
    const spec = CASES['x86_64-three-interfaces'] ?? base;
    const devices = commandLine(spec)
      .filter((word) => word.startsWith('{"driver":'))
      .map((word) => JSON.parse(word) as Record<string, unknown>);
    const nics = devices.filter(({ driver }) => driver === 'virtio-net-pci');
    expect(nics.map(({ addr, bus }) => addr ?? bus)).toEqual(['0x02', 'port1', 'port2']);
    const places = devices.flatMap(({ addr, bus }) =>
      bus === undefined && addr !== undefined ? [addr] : [],
    );
    expect(new Set(places).size).toBe(places.length);
    const ports = devices.filter(({ driver }) => driver === 'pcie-root-port');
    expect(ports.map(({ addr }) => String(addr)).every((addr) => addr > '0x02')).toBe(true);
    expect(ports.map(({ chassis }) => chassis)).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
  });

  test('a device and its end on the host have names that are found again by the tap', () => {
    const [nic] = base.nics;
    const line = commandLine(base).filter((word) => word.includes(nic?.tap ?? '?'));
    expect(line.map((word) => (JSON.parse(word) as { id: string }).id)).toEqual([
      'host-eni0123456789ab',
      'nic-eni0123456789ab',
    ]);
  });
});
