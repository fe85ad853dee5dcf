// Descriptors as VMware and VirtualBox write them, cut down to what is read, and OVAs around them.
import { createHash } from 'node:crypto';
import { type TarFields, tar } from './archives.ts';

export interface DescriptorFields {
  readonly files?: string;
  readonly disks?: string;
  readonly sections?: string;
  readonly machine?: string;
  readonly system?: string;
  readonly hardware?: string;
  readonly items?: string;
}

export const VMDK = 'http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized';

/** VMware's, with every part open to abuse. */
export function descriptor({
  files = '<File ovf:href="disk.vmdk" ovf:id="file1"/>',
  disks = `<Disk ovf:capacity="20" ovf:capacityAllocationUnits="byte * 2^30" ovf:diskId="vmdisk1" ovf:fileRef="file1" ovf:format="${VMDK}"/>`,
  sections = '',
  system = '<OperatingSystemSection ovf:id="94" vmw:osType="ubuntu64Guest"><Info>OS</Info></OperatingSystemSection>',
  items = drive('vmdisk1', 0),
  hardware = `<VirtualHardwareSection><Info>Hardware</Info>${item(1, 3, { VirtualQuantity: 2 })}${item(2, 4, {
    AllocationUnits: 'byte * 2^20',
    VirtualQuantity: 1536,
  })}${item(3, 6)}${items}<vmw:Config ovf:required="false" vmw:key="firmware" vmw:value="efi"/></VirtualHardwareSection>`,
  machine = `<VirtualSystem ovf:id="vm"><Info>A machine</Info><Name>web &amp; mail</Name>${system}${hardware}</VirtualSystem>`,
}: DescriptorFields = {}): string {
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- Generated -->
<Envelope vmw:buildId="build-1" xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData" xmlns:vmw="http://www.vmware.com/schema/ovf">
  <References>${files}</References>
  <DiskSection><Info>Disks</Info>${disks}</DiskSection>
  ${sections}
  ${machine}
</Envelope>`;
}

export function item(
  id: number,
  type: number,
  elements: Readonly<Record<string, string | number>> = {},
  attributes = '',
): string {
  const all = { ...elements, InstanceID: id, ResourceType: type };
  const inner = Object.entries(all).map(([name, value]) => `<rasd:${name}>${value}</rasd:${name}>`);
  return `<Item${attributes}>${inner.join('')}</Item>`;
}

export function drive(diskId: string, address: number, parent = 3): string {
  return item(100 + address, 17, {
    AddressOnParent: address,
    HostResource: `ovf:/disk/${diskId}`,
    Parent: parent,
  });
}

export function disk(number: number, attributes = ''): string {
  return `<Disk ovf:capacity="1048576" ovf:diskId="vmdisk${number}" ovf:fileRef="file${number}" ${attributes}/>`;
}

/** A manifest's line. */
export function manifestLine(file: string, content: Buffer | string, algorithm = 'SHA256'): string {
  return `${algorithm}(${file})= ${createHash(algorithm.replace('-', '').toLowerCase()).update(content).digest('hex')}\n`;
}

/** An OVA of a descriptor and further files. */
export function ova(text: string, ...files: readonly TarFields[]): Buffer {
  return tar({ name: 'vm.ovf', content: text }, ...files);
}
