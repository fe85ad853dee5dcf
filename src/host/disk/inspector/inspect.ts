// Judges a disk file by its bytes before any other program may open it. What a file is must be beyond doubt: a file
// that is two things at once would be read as one here and as the other elsewhere.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { HostError, errnoOf } from '../../../core/errors.ts';
import type { DiskFormat } from '../qemu-img.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import { neverAccepted } from './never.ts';
import { qcow1, qcow2 } from './qcow2.ts';
import { raw } from './raw.ts';
import { vdi } from './vdi.ts';
import { vhd } from './vhd.ts';
import { vhdx } from './vhdx.ts';
import { vmdk } from './vmdk.ts';
import { HEAD_BYTES, PART_BYTES, type Place, TAIL_BYTES, type Window } from './window.ts';

/** Every format that announces itself. A raw disk does not: it is what is left. */
const FORMATS: readonly Format[] = [qcow2, qcow1, vmdk, vhd, vhdx, vdi, ...neverAccepted];

/** As people write them. */
const IMPORTED = 'qcow2, raw, VMDK, VHD, VHDX and VDI';

/** EBS' limit for a volume that is booted by way of an MBR. */
const MAX_VIRTUAL_SIZE = 2 * 2 ** 40;

export interface InspectOptions {
  /** What the user says the file is. Can make an unrecognisable disk raw; never overrules what a file says itself. */
  readonly format?: DiskFormat | undefined;
  /** Bytes; 2 TiB when not given. */
  readonly maxVirtualSize?: number;
}

export interface InspectedDisk extends DiskFacts {
  readonly format: DiskFormat;
}

/**
 * What a disk file is, or a HostError of the rule that it breaks: ImageFormatUnknown, ImageFormatAmbiguous,
 * ImageFormatMismatch, ImageFormatRefused, ImageHasBackingFile, ImageHasDataFile, ImageHasSnapshots, ImageEncrypted,
 * ImageCorrupt, ImageMarkedCorrupt, ImageDirty, ImageFeatureUnknown, ImageVersionUnknown, ImageTooLarge. Never throws
 * anything else, whatever the bytes.
 */
export function inspect(
  window: Window,
  { format, maxVirtualSize = MAX_VIRTUAL_SIZE }: InspectOptions = {},
): InspectedDisk {
  const policy = { maxVirtualSize };
  const [found, another] = formatsOf(window);
  if (found && another)
    throw new HostError(
      'ImageFormatAmbiguous',
      `the file is ${found.name} and ${another.name} at the same time; that is never an accident`,
    );
  if (found) return judge(found, window, { format, policy });
  if (format !== undefined && format !== 'raw')
    throw new HostError('ImageFormatMismatch', `the file is not ${format}, as you say it is`);
  if (format === 'raw' || raw.recognises(window)) return judge(raw, window, { format, policy });
  throw new HostError(
    'ImageFormatUnknown',
    'the file is neither qcow2, VMDK, VHD, VHDX or VDI nor a raw disk with a partition table or a known file system',
    { hint: 'if it is a raw disk all the same: --format raw' },
  );
}

/**
 * The place that must be in `window.part`: what the file's format asks for, if it is inside the file and no longer
 * than `PART_BYTES`.
 */
export function placeToRead(window: Window): Place | undefined {
  const [found, another] = formatsOf(window);
  if (found?.verdict.kind !== 'inspected' || another) return undefined;
  const wanted = found.verdict.partWanted?.(window);
  const isInside = wanted !== undefined && wanted.offset + wanted.length <= window.size;
  return isInside && wanted.length <= PART_BYTES ? wanted : undefined;
}

/** Whether a file that begins like this is a raw disk, as far as its beginning tells: a trailer may tell otherwise. */
export function beginsRaw(head: Buffer, { format }: InspectOptions = {}): boolean {
  const window = { head, tail: Buffer.alloc(0), part: Buffer.alloc(0), size: head.length };
  if (formatsOf(window).length > 0) return false;
  return format === 'raw' || (format === undefined && raw.recognises(window));
}

function formatsOf(window: Window): readonly Format[] {
  return FORMATS.filter((candidate) => candidate.recognises(window));
}

interface Expectation {
  readonly format: DiskFormat | undefined;
  readonly policy: Policy;
}

function judge({ name, verdict }: Format, window: Window, { format, policy }: Expectation): InspectedDisk {
  const isAsSaid = verdict.kind === 'inspected' && verdict.format === format;
  if (format !== undefined && !isAsSaid)
    throw new HostError('ImageFormatMismatch', `the file is ${name}, not ${format}, as you say it is`, {
      hint: 'leave --format away',
    });
  if (verdict.kind === 'refused')
    throw new HostError('ImageFormatRefused', `the file is ${name}; bonami imports ${IMPORTED} disk images`, {
      hint: verdict.hint,
    });
  return { ...verdict.inspect(window, policy), format: verdict.format };
}

/**
 * `inspect` on a file: reads its first MiB, its last three sectors and `placeToRead`. Refuses whatever is not a
 * regular file.
 */
export async function inspectFile(path: string, options: InspectOptions = {}): Promise<InspectedDisk> {
  const window = await readWindow(path);
  try {
    return inspect(window, options);
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    const { code, message, hint } = error;
    throw new HostError(
      code,
      /^the file\b/.test(message) ? message.replace('the file', `'${path}'`) : `'${path}': ${message}`,
      hint === undefined ? {} : { hint },
    );
  }
}

async function readWindow(path: string): Promise<Window> {
  // Without O_NONBLOCK, opening a named pipe would wait for its other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    const what = errnoOf(cause) === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new HostError('FileUnreadable', `'${path}' ${what}`, { cause });
  });
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new HostError('FileUnreadable', `'${path}' is not a regular file`);
    const read = async (position: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    };
    const head = await read(0, Math.min(HEAD_BYTES, facts.size));
    const tail = await read(Math.max(0, facts.size - TAIL_BYTES), Math.min(TAIL_BYTES, facts.size));
    const ends = { head, tail, part: Buffer.alloc(0), size: facts.size };
    const place = placeToRead(ends);
    return place ? { ...ends, part: await read(place.offset, place.length) } : ends;
  } finally {
    await file.close();
  }
}
