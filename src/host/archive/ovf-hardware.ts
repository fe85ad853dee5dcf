// The virtual hardware of an OVF descriptor (DMTF DSP0243, VirtualHardwareSection): items with CIM's resource types
// (CIM_ResourceAllocationSettingData, ResourceType).
import { type XmlElement, childText, childrenOf, refused } from './ovf-xml.ts';
import { shown } from './entry-name.ts';

export interface Hardware {
  readonly cpus: number | undefined;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly firmware: 'bios' | 'efi' | undefined;
  /** Ids of the disks in its drives, in the order in which the machine finds them. */
  readonly diskIds: readonly string[];
  /** Ids of disks that are in drives of other configurations only. */
  readonly otherDiskIds: readonly string[];
}

const PROCESSOR = '3';
const MEMORY = '4';
/** A disk drive; VMware's and VirtualBox' exports have no other. Logical disks and storage volumes are CIM's. */
const DISKS = new Set(['17', '31', '32']);

/** What the sections of one machine say together. `configuration` is the one that holds when nobody chooses. */
export function hardwareOf(sections: readonly XmlElement[], configuration: string | undefined): Hardware {
  // OVF 2.0 has storage items; they say the same.
  const all = sections.flatMap(({ children }) =>
    children.filter(({ name }) => name === 'Item' || name === 'StorageItem'),
  );
  const items = all.filter((item) => holds(item, configuration));
  const diskIds = diskIdsOf(items);
  const here = new Set(diskIds);
  const last = (type: string): XmlElement | undefined => items.findLast((item) => typeOf(item) === type);
  return {
    cpus: quantityOf(last(PROCESSOR)),
    memory: memoryOf(last(MEMORY)),
    firmware: firmwareOf(sections),
    diskIds,
    otherDiskIds: diskIdsOf(all).filter((id) => !here.has(id)),
  };
}

/** Not a range's limit, and not for another configuration only. Of two that hold, the later overrules the earlier. */
function holds({ attributes }: XmlElement, configuration: string | undefined): boolean {
  if ((attributes.get('bound') ?? 'normal') !== 'normal') return false;
  const configurations = attributes.get('configuration')?.split(/\s+/);
  return (
    configurations === undefined || (configuration !== undefined && configurations.includes(configuration))
  );
}

function typeOf(item: XmlElement): string | undefined {
  return childText(item, 'ResourceType');
}

function quantityOf(item: XmlElement | undefined): number | undefined {
  const text = childText(item, 'VirtualQuantity');
  return text === undefined ? undefined : wholeNumber(text, 'a quantity');
}

/** Where an item does not say what it counts in, the products that write such items mean megabytes. */
function memoryOf(item: XmlElement | undefined): number | undefined {
  const quantity = quantityOf(item);
  return quantity === undefined
    ? undefined
    : quantity * bytesPer(childText(item, 'AllocationUnits') ?? 'MegaBytes');
}

/** VMware's way of saying it, which VirtualBox reads too. */
function firmwareOf(sections: readonly XmlElement[]): Hardware['firmware'] {
  const value = sections
    .flatMap((section) => childrenOf(section, 'Config'))
    .find(({ attributes }) => attributes.get('key') === 'firmware')
    ?.attributes.get('value');
  return value === 'efi' || value === 'bios' ? value : undefined;
}

/**
 * By the controllers' instance numbers, which products give in the order in which a machine looks at them, and by the
 * place on a controller. A disk may be there several times.
 */
function diskIdsOf(items: readonly XmlElement[]): readonly string[] {
  const drives = items.flatMap((item) => {
    const id = /^(?:ovf:)?\/{0,2}disk\/(.+)$/i.exec(childText(item, 'HostResource') ?? '')?.[1];
    if (id === undefined || !DISKS.has(typeOf(item) ?? '')) return [];
    const [controller, place] = [childText(item, 'Parent'), childText(item, 'AddressOnParent')];
    return [{ id, controller: orderOf(controller), place: orderOf(place) }];
  });
  const ids = drives
    .toSorted((one, other) => one.controller - other.controller || one.place - other.place)
    .map(({ id }) => id);
  return [...new Set(ids)];
}

/** A number to sort by; what is none comes first, in the order of the descriptor. */
function orderOf(text: string | undefined): number {
  return /^\d{1,9}$/.test(text ?? '') ? Number(text) : -1;
}

const NAMED_UNITS: Readonly<Record<string, number>> = {
  byte: 1,
  bytes: 1,
  kilobytes: 2 ** 10,
  kb: 2 ** 10,
  megabytes: 2 ** 20,
  mb: 2 ** 20,
  gigabytes: 2 ** 30,
  gb: 2 ** 30,
  terabytes: 2 ** 40,
  tb: 2 ** 40,
};

/** DSP0004's programmatic units, `byte * 2^30`, and what producers wrote before there were any. */
export function bytesPer(units: string): number {
  const named = NAMED_UNITS[units.trim().toLowerCase()];
  if (named !== undefined) return named;
  const [, base, exponent] = /^\s*bytes?\s*\*\s*(2|10)\s*\^\s*(\d{1,2})\s*$/i.exec(units) ?? [];
  const value = Number(base) ** Number(exponent);
  if (!Number.isSafeInteger(value)) throw refused(`counts in '${shown(units)}'`);
  return value;
}

export function wholeNumber(text: string, what: string): number {
  const value = /^\d{1,16}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw refused(`gives ${what} as '${shown(text)}'`);
  return value;
}
