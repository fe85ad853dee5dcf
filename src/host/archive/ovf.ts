// An OVF descriptor (DMTF DSP0243 and DSP0004's resource types), as much of it as makes a machine image.
import { XMLParser } from 'fast-xml-parser';
import * as z from 'zod';
import { HostError, messageOf } from '../../core/errors.ts';
import { requirePlainName, shown } from './entry-name.ts';

export const MAX_OVF_BYTES = 1 << 20;

export interface OvfFile {
  /** Name in the archive. */
  readonly file: string;
  /** The file is gzip around the disk. */
  readonly isCompressed: boolean;
}

/** What an OVA's descriptor says of its one virtual machine. */
export interface Ovf {
  readonly name: string | undefined;
  readonly firmware: 'bios' | 'efi' | undefined;
  /** In the order in which the machine has them; the first is booted. */
  readonly disks: readonly OvfFile[];
  /** Every file that the archive may hold. */
  readonly files: ReadonlySet<string>;
}

/** An element that may be there once, several times, or not at all. */
const several = <T extends z.ZodType>(element: T) =>
  z.preprocess(
    (value) => (value === undefined || value === '' ? [] : Array.isArray(value) ? value : [value]),
    z.array(element),
  );
const text = z.coerce.string().transform(decoded);

const item = z.object({
  ResourceType: text.optional(),
  HostResource: several(text),
  Parent: text.optional(),
  AddressOnParent: text.optional(),
  InstanceID: text.optional(),
});
const envelope = z.object({
  Envelope: z.object({
    References: z.object({
      File: several(
        z.object({
          '@id': text,
          '@href': text,
          '@compression': text.optional(),
          '@chunkSize': text.optional(),
        }),
      ),
    }),
    DiskSection: z
      .object({ Disk: several(z.object({ '@diskId': text, '@fileRef': text.optional() })) })
      .optional(),
    VirtualSystemCollection: z.unknown().optional(),
    VirtualSystem: z
      .object({
        '@id': text.optional(),
        Name: text.optional(),
        VirtualHardwareSection: several(
          z.object({
            Item: several(item),
            StorageItem: several(item),
            Config: several(z.object({ '@key': text.optional(), '@value': text.optional() })),
          }),
        ),
      })
      .optional(),
  }),
});
type Envelope = z.infer<typeof envelope>['Envelope'];

/** A disk drive, and a generic storage extent (DSP1033: CIM_ResourceAllocationSettingData, ResourceType). */
const DISK_TYPES = new Set(['17', '31', '32']);

/** Parses a descriptor, which anybody may have written. Throws `OvfRefused`, saying why, and `ArchiveHostile` for names. */
export function parseOvf(xml: string): Ovf {
  // Entities and document types are what XML is attacked with; a descriptor needs neither.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(xml)) throw refused('has a document type or entities');
  const { References, DiskSection, VirtualSystem, VirtualSystemCollection } = parseEnvelope(xml);
  if (VirtualSystem === undefined || VirtualSystemCollection !== undefined)
    throw refused('describes several machines, or none; an image is made of one');
  const files = new Map(References.File.map((each) => [each['@id'], each]));
  for (const { '@href': href, '@chunkSize': chunked } of files.values()) {
    requirePlainName(href, 'the descriptor names the file');
    if (chunked !== undefined) throw refused(`has '${shown(href)}' cut into chunks`);
  }
  const named = new Set([...files.values()].map((each) => each['@href']));
  if (named.size < References.File.length) throw refused('names a file twice');
  return {
    name: VirtualSystem.Name ?? VirtualSystem['@id'],
    firmware: firmwareOf(VirtualSystem),
    disks: orderedDisks(VirtualSystem, DiskSection?.Disk ?? []).map((disk) => {
      const file = disk['@fileRef'] === undefined ? undefined : files.get(disk['@fileRef']);
      if (file === undefined) throw refused(`has a disk '${shown(disk['@diskId'])}' without a file`);
      return { file: file['@href'], isCompressed: compressionOf(file['@compression']) };
    }),
    files: named,
  };
}

function parseEnvelope(xml: string): Envelope {
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    removeNSPrefix: true,
    processEntities: false,
    parseTagValue: false,
    parseAttributeValue: false,
  });
  let parsed: unknown;
  try {
    parsed = parser.parse(xml, true);
  } catch (cause) {
    throw refused(`cannot be read: ${shown(messageOf(cause))}`);
  }
  const result = envelope.safeParse(parsed);
  if (!result.success)
    throw refused('lacks what a descriptor has', z.prettifyError(result.error).split('\n').map(shown));
  return result.data.Envelope;
}

type Disk = NonNullable<Envelope['DiskSection']>['Disk'][number];

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The entities that XML itself has, and numbered characters, each once: what comes out is not read again. */
function decoded(raw: string): string {
  return raw.replaceAll(/&(?:([a-z]{2,4})|#(\d{1,7})|#x([0-9a-f]{1,6}));/gi, (whole, name, decimal, hex) => {
    if (name !== undefined) return ENTITIES[String(name)] ?? whole;
    const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal);
    return code <= 0x10_ff_ff ? String.fromCodePoint(code) : whole;
  });
}

/** By controller and place on it, as the machine would find them; disks that no drive has come last. */
function orderedDisks(
  { VirtualHardwareSection }: NonNullable<Envelope['VirtualSystem']>,
  disks: readonly Disk[],
): readonly Disk[] {
  const drives = VirtualHardwareSection.flatMap(({ Item, StorageItem }) => [...Item, ...StorageItem])
    .filter(({ ResourceType = '' }) => DISK_TYPES.has(ResourceType))
    .toSorted(
      (a, b) =>
        Number(a.Parent ?? 0) - Number(b.Parent ?? 0) ||
        Number(a.AddressOnParent ?? 0) - Number(b.AddressOnParent ?? 0),
    )
    .flatMap(({ HostResource }) => HostResource.map((resource) => resource.replace(/^.*\/disk\//, '')));
  const place = ({ '@diskId': id }: Disk): number =>
    drives.includes(id) ? drives.indexOf(id) : drives.length;
  return disks.toSorted((a, b) => place(a) - place(b));
}

/** VMware's and VirtualBox' way of saying it. */
function firmwareOf({ VirtualHardwareSection }: NonNullable<Envelope['VirtualSystem']>): Ovf['firmware'] {
  const said = VirtualHardwareSection.flatMap(({ Config }) => Config).find(
    ({ '@key': key }) => key === 'firmware',
  );
  const value = said?.['@value'];
  return value === 'efi' || value === 'bios' ? value : undefined;
}

function compressionOf(said: string | undefined): boolean {
  if (said === undefined || said === '' || said === 'identity') return false;
  if (said === 'gzip') return true;
  throw refused(`compresses a file by '${shown(said)}'`);
}

function refused(what: string, details: readonly string[] = []): HostError {
  return new HostError('OvfRefused', `the OVF descriptor ${what}`, { details });
}
