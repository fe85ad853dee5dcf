// VirtualBox' format. Numbers are little-endian. VirtualBox: src/VBox/Storage/VDICore.h; QEMU: block/vdi.c.
import type { HostError } from '../../../core/errors.ts';
import type { DiskFacts, Format, Policy } from './format.ts';
import * as refusals from './refusals.ts';
import { type Window, headHas, isZero } from './window.ts';

const HEADER_BYTES = 512;
const VERSION_1_1 = 0x10001;

const DYNAMIC = 1;
const FIXED = 2;
const UNDO = 3;
const DIFFERENCING = 4;

const SECTOR = 512;
/** The only size that QEMU reads and VirtualBox makes. */
const BLOCK_BYTES = 2 ** 20;

const MERGE_HINT = 'where its parent is: VBoxManage clonemedium disk OLD.vdi NEW.vdi, then import NEW.vdi';

/** The text before the magic is free. */
export const vdi: Format = {
  name: 'VDI',
  recognises: (window) => headHas(window, 0x40, '\x7f\x10\xda\xbe'),
  verdict: { kind: 'inspected', format: 'vdi', inspect },
};

function inspect(window: Window, policy: Policy): DiskFacts {
  const { head } = window;
  if (head.length < HEADER_BYTES) throw corrupt('its header is cut off');
  const version = head.readUInt32LE(0x44);
  if (version !== VERSION_1_1)
    throw refusals.versionUnknown('VDI', `${version >>> 16}.${version & 0xffff}`, '1.1 is');
  refuseParent(head);
  const virtualSize = refusals.sizeWithin('VDI', diskSize(head), policy);
  checkUnits(head);
  checkBlocks(window, virtualSize);
  return { virtualSize };
}

function refuseParent(head: Buffer): void {
  const type = head.readUInt32LE(0x4c);
  if (type === UNDO || type === DIFFERENCING) throw refusals.hasBackingFile('VDI', MERGE_HINT);
  if (type !== DYNAMIC && type !== FIXED)
    throw refusals.featureUnknown('VDI', `is of the unknown type ${type}`);
  // The ids of its parent and of the parent's state.
  if (!isZero(head.subarray(0x1a8, 0x1c8))) throw refusals.hasBackingFile('VDI', MERGE_HINT);
}

/** VirtualBox can make disks of odd sizes, which QEMU rounds up to whole sectors. */
function diskSize(head: Buffer): bigint {
  const sector = BigInt(SECTOR);
  return ((head.readBigUInt64LE(0x170) + sector - 1n) / sector) * sector;
}

function checkUnits(head: Buffer): void {
  const units = {
    sector: head.readUInt32LE(0x168),
    block: head.readUInt32LE(0x178),
    extra: head.readUInt32LE(0x17c),
  };
  if (units.sector !== SECTOR || units.block !== BLOCK_BYTES || units.extra !== 0)
    throw refusals.featureUnknown(
      'VDI',
      `has sectors of ${units.sector} bytes and blocks of ${units.block} and ${units.extra}; QEMU reads 512, 1 MiB and 0`,
    );
}

/** Block map, then blocks, all of them inside the file. */
function checkBlocks({ head, size }: Window, virtualSize: number): void {
  const blocks = head.readUInt32LE(0x180);
  if (blocks !== Math.ceil(virtualSize / BLOCK_BYTES))
    throw corrupt(`its map has ${blocks} blocks of 1 MiB, but its size is ${virtualSize} bytes`);
  const mapOffset = head.readUInt32LE(0x154);
  const dataOffset = head.readUInt32LE(0x158);
  const isAligned = mapOffset % SECTOR === 0 && dataOffset % SECTOR === 0;
  if (!isAligned || mapOffset < HEADER_BYTES || mapOffset + blocks * 4 > dataOffset)
    throw corrupt(`its map at byte ${mapOffset} and its data at byte ${dataOffset} do not fit one another`);
  const allocated = head.readUInt32LE(0x184);
  if (allocated > blocks) throw corrupt(`it holds ${allocated} blocks of ${blocks}`);
  const end = Math.max(
    dataOffset + allocated * BLOCK_BYTES,
    mapOffset + Math.ceil((blocks * 4) / SECTOR) * SECTOR,
  );
  if (end > size) throw corrupt(`its ${allocated} blocks end at byte ${end}, behind its own end at ${size}`);
}

function corrupt(what: string): HostError {
  return refusals.corrupt('VDI', what);
}
