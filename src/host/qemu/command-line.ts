import { MACHINE_TABLE } from './machine-table.ts';
import type { Drive, DriveLimits, Firmware, MachineSpec, Nic, Smbios } from './machine-spec.ts';
import { nicBackend, nicDevice, portId } from './nic.ts';

// PCI slots are fixed, so that a guest's device paths stay the same whatever is added. The first network interface
// has the lowest slot: cloud-init tries interfaces in PCI order and each wrong one costs it minutes. The others are
// behind ports, for nothing can be pulled out of the root bus; a guest finds what is behind a port after it.
const NIC_SLOT = 0x02;
const PORT_SLOT = 0x03;
const FUNCTIONS_PER_SLOT = 8;
const DRIVE_SLOT = 0x08;
const RNG_SLOT = 0x1a;
const BALLOON_SLOT = 0x1b;
const PANIC_SLOT = 0x1c;

/**
 * QEMU's arguments for a machine, without the program itself. Pure: the same spec gives the same line.
 * Devices and disks are JSON, so no value can start another option; nothing secret may be in a spec, because
 * every local user can read a process's arguments.
 */
export function commandLine(spec: MachineSpec): readonly string[] {
  const traits = MACHINE_TABLE[spec.architecture];
  return [
    ['-name', `guest=${escape(spec.name)},debug-threads=on`],
    ['-no-user-config'],
    ['-nodefaults'],
    ['-display', 'none'],
    ['-vga', 'none'],
    ['-machine', `${traits.machine},memory-backend=ram0${pflashes(spec.firmware)}`],
    ...accelerator(spec),
    ['-smp', `${spec.cpus},sockets=1,cores=${spec.cpus},threads=1`],
    ['-m', `${spec.memoryMiB}M`],
    [
      '-object',
      JSON.stringify({ 'qom-type': 'memory-backend-ram', id: 'ram0', size: spec.memoryMiB * 2 ** 20 }),
    ],
    ...firmware(spec.firmware),
    ['-uuid', spec.uuid],
    ...smbios(spec.smbios),
    ...(spec.firmwareFiles ?? []).map(({ name, path }) => [
      '-fw_cfg',
      `name=${escape(name)},file=${escape(path)}`,
    ]),
    ...Array.from({ length: spec.nicPorts }, (_, index) => port(index)),
    ...spec.nics.flatMap(nic),
    ...spec.drives.flatMap(drive),
    ['-object', JSON.stringify({ 'qom-type': 'rng-random', id: 'rng0', filename: '/dev/urandom' })],
    device({ driver: 'virtio-rng-pci', rng: 'rng0', addr: slot(RNG_SLOT) }),
    device({
      driver: 'virtio-balloon-pci',
      'deflate-on-oom': true,
      'free-page-reporting': true,
      addr: slot(BALLOON_SLOT),
    }),
    device({ driver: 'pvpanic-pci', addr: slot(PANIC_SLOT) }),
    // A panicked guest stays, paused, for a look at its console; a reboot resets it.
    ['-action', 'panic=pause'],
    ...(traits.pc ? pcOnly(spec) : [['-rtc', 'base=utc']]),
    ['-boot', 'strict=on,menu=off'],
    ['-chardev', socket('console0', spec.sockets.serial, `,logfile=${escape(spec.consoleLog)},logappend=on`)],
    ['-serial', 'chardev:console0'],
    ['-qmp', `unix:${escape(spec.sockets.qmpAgent)},server=on,wait=off`],
    ['-qmp', `unix:${escape(spec.sockets.qmpCli)},server=on,wait=off`],
    // Paused until the launch has recorded its pid: a launch that dies before has run no guest code.
    ['-S'],
    ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
  ].flat();
}

/** A comma starts QEMU's next option unless it is doubled (QEMU manual, "-name" and "-smbios" examples). */
export function escape(value: string): string {
  return value.replaceAll(',', ',,');
}

function device(properties: Readonly<Record<string, unknown>>): readonly string[] {
  return ['-device', JSON.stringify(properties)];
}

function blockdev(properties: Readonly<Record<string, unknown>>): readonly string[] {
  return ['-blockdev', JSON.stringify(properties)];
}

function slot(number: number): string {
  return `0x${number.toString(16).padStart(2, '0')}`;
}

function socket(id: string, path: string, more: string): string {
  return `socket,id=${id},path=${escape(path)},server=on,wait=off${more}`;
}

function accelerator({
  accelerator: accel,
  architecture,
  memoryMiB,
}: MachineSpec): readonly (readonly string[])[] {
  if (accel === 'kvm')
    return [
      ['-accel', 'kvm'],
      ['-cpu', 'host'],
    ];
  // The translation cache counts against the host's memory, hence smaller for small guests. Threads: QEMU knows when
  // they are safe.
  const cacheMiB = memoryMiB >= 1024 ? 512 : 256;
  return [
    ['-accel', `tcg,tb-size=${cacheMiB}`],
    ['-cpu', MACHINE_TABLE[architecture].emulatedCpu],
  ];
}

function pflashes(fw: Firmware): string {
  return fw.kind === 'uefi' ? ',pflash0=code0,pflash1=vars0' : '';
}

function firmware(fw: Firmware): readonly (readonly string[])[] {
  if (fw.kind === 'bios') return [];
  return [
    blockdev({ driver: 'file', 'node-name': 'codefile0', filename: fw.code, 'read-only': true }),
    blockdev({ driver: 'raw', 'node-name': 'code0', file: 'codefile0', 'read-only': true }),
    blockdev({ driver: 'file', 'node-name': 'varsfile0', filename: fw.variables }),
    blockdev({ driver: 'raw', 'node-name': 'vars0', file: 'varsfile0' }),
  ];
}

/**
 * EC2's identity. Empty values are written out: without them QEMU's own machine names shine through.
 * The serial repeats the UUID because old releases of cloud-init compare the two.
 */
function smbios({
  vendor,
  product,
  serial,
  boardAsset,
  chassisAsset,
}: Smbios): readonly (readonly string[])[] {
  const maker = `manufacturer=${escape(vendor)}`;
  return [
    ['-smbios', `type=0,vendor=${escape(vendor)},version=1.0,date=10/16/2017`],
    ['-smbios', `type=1,${maker},product=${escape(product)},version=,serial=${serial},uuid=${serial}`],
    ['-smbios', `type=2,${maker},product=,version=,asset=${escape(boardAsset)}`],
    ['-smbios', `type=3,${maker},version=,asset=${escape(chassisAsset)}`],
  ];
}

/**
 * A port that a network interface can be plugged into and pulled out of (QEMU: docs/pcie.txt). Eight of them share a
 * slot. Without ports for I/O: the interfaces have no use for them, and a machine has them for 15 ports only.
 */
function port(index: number): readonly string[] {
  const number = index + 1;
  const fun = index % FUNCTIONS_PER_SLOT;
  return device({
    driver: 'pcie-root-port',
    id: portId(number),
    chassis: number,
    slot: number,
    'io-reserve': 0,
    addr: `${slot(PORT_SLOT + Math.floor(index / FUNCTIONS_PER_SLOT))}.${fun}`,
    ...(fun === 0 ? { multifunction: true } : {}),
  });
}

function nic(each: Nic, index: number): readonly (readonly string[])[] {
  return [
    ['-netdev', JSON.stringify(nicBackend(each))],
    device(nicDevice(each, index === 0 ? { addr: slot(NIC_SLOT) } : { bus: portId(index) })),
  ];
}

/** A disk: its layers, the limiter above them where there is one, and the device in the guest. */
function drive(
  { layers, format, bus, limits, readOnly, serial, bootIndex }: Drive,
  index: number,
): readonly (readonly string[])[] {
  const nodes = layers.flatMap((filename, number) =>
    layerNodes({
      filename,
      format,
      node: layerNode(index, number),
      below: number === 0 ? null : layerNode(index, number - 1),
      readOnly: readOnly || number < layers.length - 1,
    }).map(blockdev),
  );
  const top = layerNode(index, layers.length - 1);
  return [
    ...nodes,
    ...(limits === undefined ? [] : limiter({ limits, index, top })),
    device({
      driver: bus === 'nvme' ? 'nvme' : 'virtio-blk-pci',
      drive: limits === undefined ? top : `drive${index}limited`,
      serial,
      addr: slot(DRIVE_SLOT + index),
      ...(bootIndex === undefined ? {} : { bootindex: bootIndex }),
    }),
  ];
}

function layerNode(drive: number, layer: number): string {
  return `drive${drive}layer${layer}`;
}

interface Layer {
  readonly filename: string;
  readonly format: Drive['format'];
  readonly node: string;
  /** The node that it stands on; null for none, undefined where a node gets one later. */
  readonly below?: string | null;
  readonly readOnly: boolean;
}

/**
 * A file and its format as two block nodes (QAPI: BlockdevOptions). Every layer is named and its format stated: QEMU
 * never guesses what a guest may have written, and follows no name in a header. `locking` makes a second writer of
 * the same file fail.
 */
export function layerNodes({
  filename,
  format,
  node,
  below,
  readOnly,
}: Layer): readonly Record<string, unknown>[] {
  const access = { 'read-only': readOnly };
  return [
    {
      driver: 'file',
      aio: 'threads',
      discard: 'unmap',
      locking: 'on',
      'node-name': `${node}file`,
      filename,
      ...access,
    },
    {
      driver: format,
      'node-name': node,
      file: `${node}file`,
      ...access,
      ...(format === 'raw' || below === undefined ? {} : { backing: below }),
      ...(readOnly ? {} : { discard: 'unmap', 'detect-zeroes': 'unmap' }),
    },
  ];
}

/** QEMU: docs/throttle.txt. */
function limiter({
  limits,
  index,
  top,
}: {
  readonly limits: DriveLimits;
  readonly index: number;
  readonly top: string;
}): readonly (readonly string[])[] {
  const group = `limits${index}`;
  return [
    [
      '-object',
      JSON.stringify({
        'qom-type': 'throttle-group',
        id: group,
        limits: {
          'iops-total': limits.iops,
          'iops-size': limits.bytesPerOperation,
          'bps-total': limits.bytesPerSecond,
        },
      }),
    ],
    blockdev({
      driver: 'throttle',
      'node-name': `drive${index}limited`,
      'throttle-group': group,
      file: top,
    }),
  ];
}

function pcOnly({ generationId }: MachineSpec): readonly (readonly string[])[] {
  return [
    device({ driver: 'vmgenid', guid: generationId }),
    ['-global', 'ICH9-LPC.disable_s3=1'],
    ['-global', 'kvm-pit.lost_tick_policy=discard'],
    ['-rtc', 'base=utc,driftfix=slew'],
  ];
}
