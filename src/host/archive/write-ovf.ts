// The descriptor of an OVA for other hosts (DMTF DSP0243 1.1, its schema DSP8023 1.1.1): one virtual machine, with
// nothing in it that VMware's and VirtualBox' importers could stumble over.
import { XMLBuilder } from 'fast-xml-parser';
import type { Architecture } from '../../core/architecture.ts';
import { plainText } from './entry-name.ts';

export interface OvfRequest {
  readonly name: string;
  readonly architecture: Architecture;
  /** As in os-release's ID: `debian`, `ubuntu`, …; another Linux when not given or not known. */
  readonly distribution?: string | undefined;
  readonly isUefi: boolean;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** In the order in which the machine shall have them. */
  readonly disks: readonly ExportedDisk[];
}

export interface ExportedDisk {
  /** Name in the archive; a stream-optimized VMDK. */
  readonly file: string;
  /** Bytes of the file. */
  readonly size: number;
  /** Bytes that the guest sees. */
  readonly virtualSize: number;
}

const CIM = 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2';
const STREAM_OPTIMIZED = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';
const NETWORK = 'network';

/** The descriptor's text. The same request makes the same text. */
export function ovfDescriptor(request: OvfRequest): string {
  const builder = new XMLBuilder({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    format: true,
    suppressEmptyNode: true,
    // Escapes what texts and attributes have of XML's own characters.
    processEntities: true,
  });
  const { disks } = request;
  const document = {
    '?xml': { '@version': '1.0', '@encoding': 'UTF-8' },
    Envelope: {
      '@xmlns': 'http://schemas.dmtf.org/ovf/envelope/1',
      '@xmlns:ovf': 'http://schemas.dmtf.org/ovf/envelope/1',
      '@xmlns:rasd': `${CIM}/CIM_ResourceAllocationSettingData`,
      '@xmlns:vssd': `${CIM}/CIM_VirtualSystemSettingData`,
      '@xmlns:vmw': 'http://www.vmware.com/schema/ovf',
      References: {
        File: disks.map(({ file, size }, index) => ({
          '@ovf:id': `file${index}`,
          '@ovf:href': file,
          '@ovf:size': size,
        })),
      },
      DiskSection: {
        Info: 'Virtual disks',
        Disk: disks.map(({ virtualSize }, index) => ({
          '@ovf:diskId': `disk${index}`,
          '@ovf:fileRef': `file${index}`,
          '@ovf:capacity': virtualSize,
          '@ovf:format': STREAM_OPTIMIZED,
        })),
      },
      NetworkSection: {
        Info: 'Networks',
        Network: { '@ovf:name': NETWORK, Description: 'The network of the machine' },
      },
      VirtualSystem: machine(request),
    },
  };
  return builder.build(document) as string;
}

function machine(request: OvfRequest): object {
  // XML has no way to write control characters.
  const name = plainText(request.name) ?? 'machine';
  const [systemId, systemType] = systemOf(request);
  return {
    '@ovf:id': 'machine',
    Info: 'A virtual machine',
    Name: name,
    OperatingSystemSection: {
      '@ovf:id': systemId,
      '@vmw:osType': systemType,
      Info: 'The operating system',
      Description: plainText(`${request.distribution ?? 'Linux'} (${request.architecture})`),
    },
    VirtualHardwareSection: {
      Info: 'Virtual hardware',
      System: {
        'vssd:ElementName': 'Virtual Hardware Family',
        'vssd:InstanceID': 0,
        'vssd:VirtualSystemIdentifier': name,
        'vssd:VirtualSystemType': 'vmx-13',
      },
      Item: items(request),
      ...(request.isUefi
        ? { 'vmw:Config': { '@ovf:required': 'false', '@vmw:key': 'firmware', '@vmw:value': 'efi' } }
        : {}),
    },
  };
}

/** CIM_OperatingSystem, OSType, and VMware's name for the same: of 32 and of 64 bits. */
const SYSTEMS: Readonly<Record<string, readonly [bits32: System, bits64: System]>> = {
  debian: [
    [95, 'debian10Guest'],
    [96, 'debian10_64Guest'],
  ],
  ubuntu: [
    [93, 'ubuntuGuest'],
    [94, 'ubuntu64Guest'],
  ],
  centos: [
    [106, 'centosGuest'],
    [107, 'centos64Guest'],
  ],
  rhel: [
    [79, 'rhel6Guest'],
    [80, 'rhel7_64Guest'],
  ],
};
const ANY_LINUX: readonly [System, System] = [
  [36, 'otherLinuxGuest'],
  [101, 'otherLinux64Guest'],
];
type System = readonly [id: number, vmwareType: string];

function systemOf({ distribution = '', architecture }: OvfRequest): System {
  const [bits32, bits64] = (Object.hasOwn(SYSTEMS, distribution) && SYSTEMS[distribution]) || ANY_LINUX;
  return architecture === 'x86_64' || architecture === 'arm64' ? bits64 : bits32;
}

/** CIM_ResourceAllocationSettingData, ResourceType. */
const TYPES = { cpu: 3, memory: 4, scsi: 6, network: 10, disk: 17 } as const;
const CONTROLLER_ID = 3;

function items({ cpus, memoryMiB, disks }: OvfRequest): readonly object[] {
  return [
    item(1, TYPES.cpu, { ElementName: `${cpus} virtual CPUs`, VirtualQuantity: cpus }),
    item(2, TYPES.memory, {
      ElementName: `${memoryMiB} MiB of memory`,
      AllocationUnits: 'byte * 2^20',
      VirtualQuantity: memoryMiB,
    }),
    item(CONTROLLER_ID, TYPES.scsi, {
      ElementName: 'SCSI controller',
      Address: 0,
      ResourceSubType: 'VirtualSCSI',
    }),
    item(4, TYPES.network, {
      ElementName: 'Network adapter',
      AutomaticAllocation: true,
      Connection: NETWORK,
      ResourceSubType: 'VmxNet3',
    }),
    ...disks.map((_, index) =>
      item(10 + index, TYPES.disk, {
        ElementName: `Hard disk ${index + 1}`,
        // The seventh address is the controller's own.
        AddressOnParent: index < 7 ? index : index + 1,
        HostResource: `ovf:/disk/disk${index}`,
        Parent: CONTROLLER_ID,
      }),
    ),
  ];
}

/** The schema has an item's elements in the order of the alphabet. */
function item(id: number, type: number, elements: Readonly<Record<string, unknown>>): object {
  const all = { ...elements, InstanceID: id, ResourceType: type };
  return Object.fromEntries(
    Object.entries(all)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
      .map(([name, value]) => [`rasd:${name}`, value]),
  );
}
