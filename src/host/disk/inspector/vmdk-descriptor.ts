// The text in a VMDK file that says what kind of disk it is and which files hold it. VMware: "Virtual Disk Format 5.0".
import { HostError } from '../../../core/errors.ts';
import * as refusals from './refusals.ts';

const SECTOR = 512;
/** QEMU searches this much for its words, whatever length the header gives. */
const SEARCHED_BYTES = 20 * SECTOR;
/** QEMU finds this word in comments and values too, and opens the file that it names. */
const PARENT_WORD = /parentFileNameHint/i;
const NO_PARENT = /^f{8}$/i;

const EXTENT = /^(?:RW|RDONLY|NOACCESS)\s/;
const SPARSE_EXTENT = /^(?:RW|RDONLY)\s+(\d{1,15})\s+SPARSE\s+"([^"]*)"$/;
const KEY_AND_VALUE = /^([A-Za-z][\w.]*)\s*=\s*(.*)$/;

/** For a disk that is more than one file. */
export const MERGE_HINT =
  'where all its files are, if you trust their author: qemu-img convert -f vmdk -O qcow2 OLD.vmdk NEW.qcow2';

/** Where the header says that the descriptor is, in sectors. */
export interface DescriptorPlace {
  readonly sector: bigint;
  readonly sectors: bigint;
}

export interface Descriptor {
  readonly createType: 'monolithicSparse' | 'streamOptimized';
  /** Sectors of its one extent, which is the file itself. */
  readonly sectors: bigint;
}

/**
 * The descriptor inside a sparse file. Throws for whatever leads to another file (`ImageHasBackingFile`,
 * `ImageHasDataFile`) and for any line that it does not understand: what we skip, QEMU might obey.
 */
export function readDescriptor(head: Buffer, place: DescriptorPlace): Descriptor {
  const text = textAt(head, place);
  if (PARENT_WORD.test(text)) throw refusals.hasBackingFile('VMDK', MERGE_HINT);
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const extents = lines.filter((line) => EXTENT.test(line));
  const values = readValues(lines.filter((line) => !EXTENT.test(line)));
  if (!NO_PARENT.test(valueOf(values, 'parentCID'))) throw refusals.hasBackingFile('VMDK', MERGE_HINT);
  return { createType: readCreateType(values), sectors: readExtent(extents) };
}

function textAt(head: Buffer, { sector, sectors }: DescriptorPlace): string {
  if (sector === 0n)
    throw hasDataFile('has no description of its own: it is one part of a disk of several files');
  // QEMU looks for the parent's name here and nowhere else.
  if (sector !== 1n) throw corrupt('its descriptor is not where it has to be, in the second sector');
  const searched = head.subarray(SECTOR, SECTOR + SEARCHED_BYTES);
  const end = searched.indexOf(0);
  if (end < 0 || BigInt(end) > sectors * BigInt(SECTOR)) throw corrupt('its descriptor has no end');
  return searched.toString('latin1', 0, end);
}

/** Values by their keys in lower case, without quotes. */
function readValues(lines: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of lines) {
    const [, key, value] = KEY_AND_VALUE.exec(line) ?? [];
    if (key === undefined || value === undefined)
      throw corrupt('its descriptor has a line that says nothing');
    if (values.has(key.toLowerCase())) throw corrupt(`its descriptor gives '${key.slice(0, 40)}' twice`);
    values.set(key.toLowerCase(), value.replace(/^"(.*)"$/, '$1'));
  }
  return values;
}

function valueOf(values: ReadonlyMap<string, string>, key: string): string {
  const value = values.get(key.toLowerCase());
  if (value === undefined) throw corrupt(`its descriptor gives no '${key}'`);
  return value;
}

function readCreateType(values: ReadonlyMap<string, string>): Descriptor['createType'] {
  const type = valueOf(values, 'createType');
  if (type === 'monolithicSparse' || type === 'streamOptimized') return type;
  const named = /^\w{1,40}$/.test(type) ? `type '${type}'` : 'an unknown type';
  throw hasDataFile(`is of ${named}: its data are in other files`);
}

function readExtent(lines: readonly string[]): bigint {
  const [line, another] = lines;
  if (line === undefined) throw corrupt('its descriptor names no extent');
  if (another !== undefined) throw hasDataFile(`consists of ${lines.length} extents, in as many files`);
  const [, sectors, name] = SPARSE_EXTENT.exec(line) ?? [];
  if (sectors === undefined || name === undefined)
    throw hasDataFile('has an extent that is not a sparse one: its data are in another file');
  // A colon makes a name a protocol to QEMU.
  if (/[/:]/.test(name)) throw hasDataFile('leads to another file by a path or a protocol');
  return BigInt(sectors);
}

function hasDataFile(what: string): HostError {
  return new HostError('ImageHasDataFile', `the VMDK image ${what}`, {
    hint: MERGE_HINT,
  });
}

function corrupt(what: string): HostError {
  return refusals.corrupt('VMDK', what);
}
