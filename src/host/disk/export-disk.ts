import { flatten, type FlattenRequest } from './qemu-img.ts';

/** What a disk can be made into, and how qemu-img is told. */
const FORMATS = {
  qcow2: { driver: 'qcow2', options: [] },
  'qcow2-compressed': { driver: 'qcow2', options: ['-c', '-o', 'compression_type=zlib'] },
  raw: { driver: 'raw', options: [] },
  vmdk: { driver: 'vmdk', options: ['-o', 'subformat=streamOptimized'] },
  /** Whole MiB and the exact size, as Azure and Hyper-V want it. */
  vhd: { driver: 'vpc', options: ['-o', 'subformat=dynamic,force_size=on'] },
  vhdx: { driver: 'vhdx', options: ['-o', 'subformat=dynamic'] },
  vdi: { driver: 'vdi', options: [] },
} as const;

export type ExportFormat = keyof typeof FORMATS;

export interface ExportRequest extends Omit<FlattenRequest, 'driver' | 'options'> {
  readonly format: ExportFormat;
}

/** Writes a disk as one file of another format; there whole and durable, or not at all. */
export async function exportDisk({ format, ...request }: ExportRequest): Promise<void> {
  await flatten({ ...request, ...FORMATS[format] });
}
