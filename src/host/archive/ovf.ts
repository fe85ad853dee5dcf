// An OVF descriptor (DMTF DSP0243), as much of it as makes a machine image.
import { plainText, requirePlainName, shown } from './entry-name.ts';
import { type Hardware, bytesPer, hardwareOf, wholeNumber } from './ovf-hardware.ts';
import { type XmlElement, childOf, childText, childrenOf, parseXml, refused } from './ovf-xml.ts';

export const MAX_OVF_BYTES = 1 << 20;

/** A disk of the machine, and the file that it is in. */
export interface OvfFile {
  /** Name in the archive. */
  readonly file: string;
  /** The file is compressed as a whole: gzip or bzip2 around the disk. */
  readonly isCompressed: boolean;
  /** Bytes that the guest sees, where the descriptor gives them itself. */
  readonly capacity: number | undefined;
  /** The disk format's URI. */
  readonly format: string | undefined;
}

/** What an OVA's descriptor says of its one virtual machine. */
export interface Ovf {
  readonly name: string | undefined;
  readonly operatingSystem: {
    /** CIM_OperatingSystem, OSType. */
    readonly id: number | undefined;
    /** In people's words, or in the producer's. */
    readonly description: string | undefined;
  };
  readonly cpus: number | undefined;
  /** Bytes. */
  readonly memory: number | undefined;
  readonly firmware: 'bios' | 'efi' | undefined;
  /** In the order in which the machine has them; the first is booted. */
  readonly disks: readonly OvfFile[];
  /** Every file that the archive must hold, and its size in bytes where that is given. */
  readonly files: ReadonlyMap<string, number | undefined>;
}

interface Reference extends Pick<OvfFile, 'file' | 'isCompressed'> {
  readonly size: number | undefined;
}

/**
 * Parses a descriptor, which anybody may have written. Throws `OvfRefused` with what is wrong with it, and
 * `ArchiveHostile` for names of files that are paths.
 */
export function parseOvf(bytes: Buffer): Ovf {
  const envelope = parseXml(bytes);
  if (envelope.name !== 'Envelope') throw refused(`has '${shown(envelope.name)}' for a root element`);
  const machine = oneMachine(envelope);
  const references = referencesIn(envelope);
  const hardware = hardwareOf(
    childrenOf(machine, 'VirtualHardwareSection').slice(0, 1),
    configurationOf(envelope),
  );
  const system = childOf(machine, 'OperatingSystemSection');
  const systemId = system?.attributes.get('id');
  return {
    name: plainText(childText(machine, 'Name') ?? machine.attributes.get('id')),
    operatingSystem: {
      id: systemId === undefined ? undefined : wholeNumber(systemId, 'an operating system'),
      description: plainText(childText(system, 'Description') ?? system?.attributes.get('osType')),
    },
    cpus: hardware.cpus,
    memory: hardware.memory,
    firmware: hardware.firmware,
    disks: disksOf(envelope, references, hardware),
    files: new Map([...references.values()].map(({ file, size }) => [file, size])),
  };
}

function oneMachine(envelope: XmlElement): XmlElement {
  const [machine, another] = envelope.children.filter(({ name }) =>
    /^VirtualSystem(?:Collection)?$/.test(name),
  );
  if (machine === undefined || another !== undefined || machine.name !== 'VirtualSystem')
    throw refused('describes several machines, or none; an image is made of one');
  return machine;
}

/** Files by their ids. */
function referencesIn(envelope: XmlElement): ReadonlyMap<string, Reference> {
  const references = new Map<string, Reference>();
  const names = new Set<string>();
  for (const { attributes } of childrenOf(childOf(envelope, 'References'), 'File')) {
    const [id, href] = [attributes.get('id'), attributes.get('href')];
    if (id === undefined || href === undefined) throw refused('refers to a file without an id or a name');
    requirePlainName(href, 'the OVF descriptor refers to');
    if (/\.(?:ovf|mf|cert)$/i.test(href)) throw refused(`refers to '${href}' as if it were a disk`);
    if (references.has(id) || names.has(href)) throw refused(`refers to '${shown(href)}' twice`);
    if (attributes.has('chunkSize')) throw refused(`has '${shown(href)}' cut into chunks`);
    names.add(href);
    const size = attributes.get('size');
    references.set(id, {
      file: href,
      isCompressed: isCompressed(attributes.get('compression')),
      size: size === undefined ? undefined : wholeNumber(size, 'a size'),
    });
  }
  return references;
}

function isCompressed(said = ''): boolean {
  if (said === 'gzip' || said === 'bzip2') return true;
  if (said === '' || said === 'identity') return false;
  throw refused(`has files compressed by '${shown(said)}'`);
}

/** The configuration that holds when nobody chooses: the one that says so, or the first. */
function configurationOf(envelope: XmlElement): string | undefined {
  const all = childrenOf(childOf(envelope, 'DeploymentOptionSection'), 'Configuration');
  const chosen = all.find(({ attributes }) => /^(?:true|1)$/.test(attributes.get('default') ?? '')) ?? all[0];
  return chosen?.attributes.get('id');
}

/** The machine's disks: those in its drives, then those in no drive, which a descriptor may leave out. */
function disksOf(
  envelope: XmlElement,
  references: ReadonlyMap<string, Reference>,
  { diskIds, otherDiskIds }: Hardware,
): readonly OvfFile[] {
  const all = new Map(
    childrenOf(childOf(envelope, 'DiskSection'), 'Disk').map((disk) => [
      disk.attributes.get('diskId') ?? '',
      disk,
    ]),
  );
  const inDrives = new Set([...diskIds, ...otherDiskIds]);
  const inNoDrive = [...all.keys()].filter((id) => !inDrives.has(id));
  const disks = [...diskIds, ...inNoDrive].map((id) => {
    const disk = all.get(id);
    if (disk === undefined) throw refused(`has a drive with a disk '${shown(id)}' that it does not describe`);
    return diskOf(disk, references);
  });
  if (new Set(disks.map(({ file }) => file)).size < disks.length)
    throw refused('has several disks in one file');
  if (disks.length === 0) throw refused('has no disk');
  return disks;
}

function diskOf({ attributes }: XmlElement, references: ReadonlyMap<string, Reference>): OvfFile {
  const id = shown(attributes.get('diskId') ?? '');
  if (attributes.has('parentRef')) throw refused(`has a disk '${id}' that is only a difference to another`);
  const reference = references.get(attributes.get('fileRef') ?? '');
  if (reference === undefined) throw refused(`has a disk '${id}' without a file`);
  return {
    file: reference.file,
    isCompressed: reference.isCompressed,
    capacity: capacityOf(attributes),
    format: attributes.get('format'),
  };
}

/** `${…}` refers to a property that is set where the machine is deployed. The disk's own header says it as well. */
function capacityOf(attributes: XmlElement['attributes']): number | undefined {
  const said = attributes.get('capacity');
  if (said === undefined || /^\$\{.*\}$/s.test(said)) return undefined;
  return wholeNumber(said, 'a capacity') * bytesPer(attributes.get('capacityAllocationUnits') ?? 'byte');
}
