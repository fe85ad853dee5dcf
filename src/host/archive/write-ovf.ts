import { XMLBuilder } from 'fast-xml-parser';
import type { Architecture } from '../../core/architecture.ts';

export interface OvfRequest {
  readonly name: string;
  readonly architecture: Architecture;
  readonly isUefi: boolean;
  readonly cpus: number;
  readonly memoryMiB: number;
  /** In the order in which the machine shall have them. */
  readonly disks: readonly {
    /** Name in the archive. */
    readonly file: string;
    /** Bytes in the archive, and of what the guest sees. */
    readonly size: number;
    readonly virtualSize: number;
  }[];
}

/** CIM_OperatingSystem, OSType: Linux for 32 and for 64 bits ("Other"), as VMware and VirtualBox take it. */
const SYSTEMS = { bits32: ['36', 'otherLinuxGuest'], bits64: ['101', 'otherLinux64Guest'] } as const;
/** CIM_ResourceAllocationSettingData, ResourceType. */
const TYPES = { cpu: 3, memory: 4, scsi: 6, network: 10, disk: 17 } as const;
const STREAM_OPTIMIZED = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';

/** The descriptor of one virtual machine with stream-optimized VMDK disks (DMTF DSP0243, version 1.1). */
export function ovfDescriptor({ name, architecture, isUefi, cpus, memoryMiB, disks }: OvfRequest): string {
  const is64 = architecture === 'x86_64' || architecture === 'arm64';
  const [systemId, systemType] = is64 ? SYSTEMS.bits64 : SYSTEMS.bits32;
  const builder = new XMLBuilder({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    format: true,
    suppressEmptyNode: true,
  });
  const controller = 3;
  const document = {
    '?xml': { '@version': '1.0', '@encoding': 'UTF-8' },
    Envelope: {
      '@xmlns': 'http://schemas.dmtf.org/ovf/envelope/1',
      '@xmlns:ovf': 'http://schemas.dmtf.org/ovf/envelope/1',
      '@xmlns:rasd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData',
      '@xmlns:vssd': 'http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData',
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
        Network: { '@ovf:name': 'network', Description: 'The network of the machine' },
      },
      VirtualSystem: {
        '@ovf:id': 'machine',
        Info: 'A virtual machine',
        Name: name,
        OperatingSystemSection: {
          '@ovf:id': systemId,
          '@vmw:osType': systemType,
          Info: 'The operating system',
          Description: architecture,
        },
        VirtualHardwareSection: {
          Info: 'Virtual hardware',
          System: {
            'vssd:ElementName': 'Virtual Hardware Family',
            'vssd:InstanceID': 0,
            'vssd:VirtualSystemIdentifier': name,
            'vssd:VirtualSystemType': 'vmx-13',
          },
          Item: [
            item({
              name: `${cpus} virtual CPUs`,
              id: 1,
              type: TYPES.cpu,
              more: { 'rasd:VirtualQuantity': cpus },
            }),
            item({
              name: `${memoryMiB} MiB of memory`,
              id: 2,
              type: TYPES.memory,
              before: { 'rasd:AllocationUnits': 'byte * 2^20' },
              more: { 'rasd:VirtualQuantity': memoryMiB },
            }),
            item({
              name: 'SCSI controller',
              id: controller,
              type: TYPES.scsi,
              before: { 'rasd:Address': 0 },
              subtype: 'VirtualSCSI',
            }),
            ...disks.map((_, index) =>
              item({
                name: `Hard disk ${index + 1}`,
                id: 10 + index,
                type: TYPES.disk,
                before: { 'rasd:AddressOnParent': index },
                host: `ovf:/disk/disk${index}`,
                more: { 'rasd:Parent': controller },
              }),
            ),
            item({
              name: 'Network adapter',
              id: 4,
              type: TYPES.network,
              before: { 'rasd:AutomaticAllocation': true, 'rasd:Connection': 'network' },
              subtype: 'VmxNet3',
            }),
          ],
          ...(isUefi
            ? { 'vmw:Config': { '@ovf:required': 'false', '@vmw:key': 'firmware', '@vmw:value': 'efi' } }
            : {}),
        },
      },
    },
  };
  return builder.build(document) as string;
}

interface HardwareItem {
  readonly name: string;
  readonly id: number;
  readonly type: number;
  readonly subtype?: string;
  readonly host?: string;
  /** Elements that come before the name: the schema has them in the order of the alphabet. */
  readonly before?: Readonly<Record<string, unknown>>;
  readonly more?: Readonly<Record<string, unknown>>;
}

function item({ name, id, type, subtype, host, before = {}, more = {} }: HardwareItem) {
  const { 'rasd:Parent': parent, ...quantity } = more;
  return {
    ...before,
    'rasd:ElementName': name,
    ...(host === undefined ? {} : { 'rasd:HostResource': host }),
    'rasd:InstanceID': id,
    ...(parent === undefined ? {} : { 'rasd:Parent': parent }),
    ...(subtype === undefined ? {} : { 'rasd:ResourceSubType': subtype }),
    'rasd:ResourceType': type,
    ...quantity,
  };
}

/** The manifest of an OVA: a line per file (DSP0243, "Manifest"). */
export function ovfManifest(digests: readonly { readonly file: string; readonly sha256: string }[]): string {
  return digests.map(({ file, sha256 }) => `SHA256(${file})= ${sha256}\n`).join('');
}
